"""Tracks of objects in files that other programs read: a table, the Cell Tracking Challenge, GEFF.

- A table: ``object,first,last,parent``.
- The challenge's result folder (https://celltrackingchallenge.net/file-formats): ``mask000.tif``,
  ``mask001.tif`` ... and ``res_track.txt`` with the same four columns.  A track has no gaps there:
  an object that comes back goes on under another number, with its former self as parent.
- GEFF (https://liveimagetrackingtools.org/geff): objects on frames as the nodes of a graph, through
  the library ``geff``.

Here: writing and reading them.  Not here: what tracks are (``propagation/lineage.py``).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.propagation import Lineage, Track

if TYPE_CHECKING:
    import networkx as nx
    import tifffile

COLUMNS = ("object", "first", "last", "parent")
T = TypeVar("T")
MASK_NAME = re.compile(r"mask(\d+)\.tif")


def write_lineage_table(path: str | Path, lineage: Lineage) -> None:
    """Write ``object,first,last,parent``; frames count from 0, and 0 is no parent."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows((t.object, t.first, t.last, t.parent) for t in lineage.tracks)


def read_lineage_table(path: str | Path) -> tuple[Track, ...]:
    """Read what :func:`write_lineage_table` wrote.

    Raises
    ------
    ValueError
        If a column is missing, or holds something else than whole numbers.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        try:
            rows = [[int(row[name]) for name in COLUMNS] for row in csv.DictReader(file)]
        except (LookupError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(
                f"{Path(path).name} is no table of tracks: it has the columns {','.join(COLUMNS)}, "
                "with whole numbers."
            ) from error
    return tuple(Track(*row) for row in rows)


def write_film(path: Path, labels: NDArray[Any], parents: Mapping[int, int]) -> None:
    """Write tracks as the ending says: a table, a GEFF graph, or else as :func:`write_ctc` does."""
    if path.suffix.lower() == ".csv":
        write_lineage_table(path, Lineage.of(labels, parents))
    elif path.suffix.lower() == ".geff":
        write_geff(path, Lineage.of(labels, parents))
    else:
        write_ctc(path, labels, parents)


def write_ctc(
    folder: str | Path, labels: NDArray[Any], parents: Mapping[int, int] | None = None
) -> None:
    """Write a film's labels as a result of the Cell Tracking Challenge.

    Parameters
    ----------
    folder : path
        Is made; it must not be there yet, or be empty.
    labels : array of shape (T, H, W) or (T, Z, H, W), integers
    parents : mapping of int to int, optional
        Daughter: parent.

    Raises
    ------
    FileExistsError
        If something is in the folder.
    ValueError
        If an object's number does not fit 16 bit, the format's only kind of number.
    """
    import tifffile

    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"There is something in {folder}: choose a new folder.")
    lineage, numbers = Lineage.of(labels, parents).without_gaps()
    highest = max((track.object for track in lineage.tracks), default=0)
    if highest >= 1 << 16:
        raise ValueError(
            f"The format has room for numbers up to 65535, and there is an object {highest}: "
            "renumber the labels."
        )
    digits = max(3, len(str(len(labels) - 1)))
    with written_whole(folder) as part:
        part.mkdir(parents=True)
        for frame, shown in enumerate(labels):
            mask = np.maximum(shown, 0).astype(np.uint16)  # below 0 is no object
            for (number, at), new in numbers.items():
                if at == frame:
                    mask[np.asarray(shown) == number] = new
            name = part / f"mask{frame:0{digits}d}.tif"
            tifffile.imwrite(name, mask, compression="zlib", photometric="minisblack")
        rows = (f"{t.object} {t.first} {t.last} {t.parent}\n" for t in lineage.tracks)
        (part / "res_track.txt").write_text("".join(rows), "ascii")


def read_ctc(folder: str | Path) -> tuple[NDArray[np.uint16], tuple[Track, ...]]:
    """Read a result of the Cell Tracking Challenge.

    Returns
    -------
    labels : array of shape (T, H, W) or (T, Z, H, W), uint16
    tracks : tuple of Track

    Raises
    ------
    ValueError
        If masks are missing, damaged or of several sizes, or the table of tracks is none.
    FileNotFoundError
        If there is no such table.
    """
    folder = Path(folder)
    masks = {int(m[1]): path for path in folder.glob("mask*.tif")
             if (m := MASK_NAME.fullmatch(path.name))}  # fmt: skip
    if sorted(masks) != list(range(len(masks))) or not masks:
        raise ValueError(f"Frames are missing in {folder}: masks are numbered from 0 on.")
    try:
        text = (folder / "res_track.txt").read_text("ascii")
        rows = [tuple(map(int, line.split())) for line in text.splitlines() if line.strip()]
        tracks = tuple(Track(*row) for row in rows)
    except (TypeError, ValueError) as error:
        raise ValueError("res_track.txt has four whole numbers a line.") from error
    paths = [masks[frame] for frame in sorted(masks)]
    if len({_shape_in(path) for path in paths}) > 1:
        raise ValueError(f"The masks in {folder} are not all of one size.")
    return np.stack([_mask_in(path) for path in paths]), tracks


def _shape_in(path: Path) -> tuple[int, ...]:
    """Return what a mask says of its size: one that is damaged may say anything."""
    return _told(path, lambda file: tuple(file.series[0].shape))


def _mask_in(path: Path) -> NDArray[np.uint16]:
    return _told(path, lambda file: np.asarray(file.asarray(), np.uint16))


def _told(path: Path, ask: Callable[[tifffile.TiffFile], T]) -> T:
    from tifffile import TiffFile

    try:
        with TiffFile(path) as file:
            return ask(file)
    except OSError:
        raise
    except Exception as error:  # damaged bytes make the reader raise almost anything
        raise ValueError(f"{path.name} is not a readable TIFF file.") from error


def write_geff(
    path: str | Path,
    lineage: Lineage,
    *,
    scale: Sequence[float] | None = None,
    units: Sequence[str | None] | None = None,
) -> None:
    """Write tracks as a GEFF: objects on frames with their middles, and who goes on as whom.

    Parameters
    ----------
    path : path
        A folder, by custom ``.geff``; must not be there yet.
    scale : sequence of float, optional
        Of time and the spatial axes, in `units`; 1 by default.  Written beside the values, which
        are in frames and pixels.
    units : sequence of str, optional
        Of time and the spatial axes, such as ``"second"`` and ``"micrometer"``.

    Raises
    ------
    ImportError
        If ``geff`` is not installed; the message says how to get it.
    FileExistsError
        If there is something of that name.
    """
    geff = _geff()
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"There is already something at {path}: choose another name.")
    names = ["t", "z", "y", "x"] if lineage.spots.shape[1] == 5 else ["t", "y", "x"]
    with written_whole(path) as part:
        geff.write(
            _graph(lineage, names), part, axis_names=names,
            axis_types=["time"] + ["space"] * (len(names) - 1),
            axis_scales=None if scale is None else [float(one) for one in scale],
            scaled_units=None if units is None else list(units),
        )  # fmt: skip


def _graph(lineage: Lineage, names: Sequence[str]) -> nx.DiGraph[int]:
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for node, row in enumerate(lineage.spots.tolist()):
        number = int(row[0])
        place = dict(zip(names, [int(row[1]), *row[2:]], strict=True))
        graph.add_node(node, object=number, **place)
        if number in last:
            graph.add_edge(last[number], node)
        first.setdefault(number, node)
        last[number] = node
    for daughter, parent in lineage.parents.items():
        graph.add_edge(last[parent], first[daughter])
    return graph


def read_geff(path: str | Path) -> Lineage:
    """Read tracks that were written by :func:`write_geff`.

    Raises
    ------
    ImportError
        If ``geff`` is not installed; the message says how to get it.
    ValueError
        If nodes say no object, or a file in it is damaged.
    """
    geff = _geff()
    try:
        graph, _ = geff.read(path)
        return _lineage_in(graph, Path(path).name)
    except OSError:
        raise
    except Exception as error:  # damaged metadata make the readers raise almost anything
        reason = str(error).splitlines() or [type(error).__name__]
        raise ValueError(
            f"{Path(path).name} is not a readable GEFF file ({reason[0].rstrip('.')})."
        ) from error


def _lineage_in(graph: nx.DiGraph[int], name: str) -> Lineage:
    nodes = dict(graph.nodes(data=True))
    names = [name for name in ("t", "z", "y", "x") if all(name in node for node in nodes.values())]
    if any("object" not in node for node in nodes.values()):
        raise ValueError(f"the nodes in {name} do not say which object they are of")
    rows = sorted([int(n["object"]), *(float(n[name]) for name in names)] for n in nodes.values())
    spots = np.array(rows, np.float64).reshape(len(rows), 1 + len(names))
    numbers = {node: int(value["object"]) for node, value in nodes.items()}
    parents = {numbers[b]: numbers[a] for a, b in graph.edges if numbers[a] != numbers[b]}
    tracks = []
    for number in sorted(set(numbers.values())):
        frames = spots[spots[:, 0] == number, 1].astype(int)
        tracks.append(Track(number, int(frames.min()), int(frames.max()), parents.get(number, 0)))
    return Lineage(tuple(tracks), spots)


def _geff() -> Any:
    try:
        import geff
    except ImportError as error:
        raise ImportError(
            "GEFF is written with the library geff: pip install 'napari-samv2-prompts[geff]'."
        ) from error
    return geff
