"""Folders of images: each with its prompts by name, as units of work.

Here: finding the units of a folder, and :func:`segment_folder`.  Not here: what the units are
(``files.py``), how they are done (``unit.py``, ``cluster.py``), options of the command line
(``cli``).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.files import picture_stem
from napari_samv2_prompts.io.annotations import coco_names, load_json
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.prompt_files import table_kind
from napari_samv2_prompts.io.spreadsheets import read_text
from napari_samv2_prompts.units.cluster import run_here_or_on
from napari_samv2_prompts.units.files import AllUnit, FileUnit
from napari_samv2_prompts.units.unit import ModelSettings, Outcome

if TYPE_CHECKING:
    from distributed import Client

PICTURES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_LABELS = ".labels"  # how the names of labels end, before the file's ending


def find_units(
    folder: Path,
    out: Path,
    *,
    ending: str = ".tif",
    keep_prompts: bool = False,
    boxes: Path | None = None,
    box_format: BoxFormat | None = None,
    channel: str | None = None,
    settings: ModelSettings | None = None,
) -> tuple[list[FileUnit], list[str]]:
    """Pair the pictures of a folder with the files of prompts of the same name.

    ``cells.tif`` belongs to ``cells.csv``, whose columns say whether it lists boxes or points, to
    ``cells.boxes.csv`` and ``cells.points.csv``, or to ``cells.geojson``, ``cells.json`` (COCO) or
    ``cells.txt`` (YOLO).

    - `out`: where ``cells.labels.tif`` goes
    - `ending`: of the labels: ".tif" or ".ome.tif"
    - `keep_prompts`: whether ``cells.prompts.json`` is written beside the labels
    - `boxes`: a COCO file for all pictures, in place of files beside them
    - `box_format`: how the four numbers of a box in a table are meant
    - `channel`: of pictures with several; see :meth:`.OpenedImage.of_channel`
    - `settings`: which model answers
    - returns `units`: by name
    - returns `problems`: pictures without prompts, and so on, in sentences
    - raises ValueError if there is nothing to do at all
    - raises OSError if the folder can't be read
    """
    units: list[FileUnit] = []
    problems: list[str] = []
    stems: dict[str, str] = {}
    listed = () if boxes is None else coco_names(load_json(boxes, read_text(boxes)))
    for image in _pictures(folder, out):
        stem = picture_stem(image)
        try:
            if stem in stems:
                raise ValueError(f"{stems[stem]} has the same name.")
            files = _files(image) if boxes is None else _file_for_all(image, boxes, listed)
        except (ValueError, OSError) as error:
            problems.append(f"{image.name} is left out: {error}")
            continue
        stems[stem] = image.name
        units.append(
            FileUnit(
                image,
                out / f"{stem}{_LABELS}{ending}",
                files.get("boxes"),
                files.get("points"),
                prompts=out / f"{stem}.prompts.json" if keep_prompts else None,
                box_format=box_format if boxes or _is_table(files.get("boxes")) else None,
                channel=channel,
                settings=settings or ModelSettings(),
            )
        )
    if box_format is not None and units and all(unit.box_format is None for unit in units):
        raise ValueError(
            f"The box format {box_format} is for tables of boxes, and {folder.name} has none: "
            "leave it out."
        )
    return units, problems


def _is_table(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() == ".csv"


def find_pictures(
    folder: Path,
    out: Path,
    selection: Selection,
    *,
    ending: str = ".tif",
    channel: str | None = None,
    settings: ModelSettings | None = None,
) -> list[AllUnit]:
    """Return a unit for each picture of a folder, to find all objects; see :func:`find_units`.

    Raises ValueError if there is no picture, or two have the same name but for the ending.
    """
    named: dict[str, Path] = {}
    for image in _pictures(folder, out):
        other = named.setdefault(picture_stem(image), image)
        if other is not image:
            raise ValueError(
                f"{other.name} and {image.name} have the same name: their labels would be one "
                "file. Rename one of them."
            )
    settings = settings or ModelSettings()
    return [
        AllUnit(
            image, out / f"{stem}{_LABELS}{ending}", selection, channel=channel, settings=settings
        )
        for stem, image in named.items()
    ]


def _pictures(folder: Path, out: Path) -> list[Path]:
    """Return the pictures of a folder by name, without what this program wrote beside them.

    That are labels whose picture is there, and all labels where these go into the folder itself.
    Hidden files are none: macOS keeps ``._cells.tif`` beside ``cells.tif`` on other disks, and what
    was not written to its end is one.
    Raises ValueError if there are none.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}.")
    visible = (path for path in folder.iterdir() if not path.name.startswith("."))
    images = sorted(path for path in visible if path.suffix.lower() in PICTURES)
    stems = {picture_stem(image) for image in images}
    into_itself = out.is_dir() and out.samefile(folder)
    images = [image for image in images if not _is_labels(image, stems, into_itself)]
    if not images:
        raise ValueError(f"There are no pictures in {folder}.")
    return images


def _is_labels(image: Path, stems: Collection[str], every: bool) -> bool:
    """Tell whether an image holds labels of one of some pictures, or by its name at all."""
    stem = picture_stem(image)
    return stem.endswith(_LABELS) and (every or stem.removesuffix(_LABELS) in stems)


def _file_for_all(image: Path, boxes: Path, listed: Collection[str]) -> dict[str, Path]:
    """Return the one file of prompts if it lists a picture; ValueError if not."""
    if image.name not in listed:
        raise ValueError(f"{boxes.name} does not list it.")
    return {"boxes": boxes}


def picture_of_prompts(file: Path) -> Path | None:
    """Return the picture beside a file that has its prompts by its name; None if none has."""
    pictures = (path for path in sorted(file.parent.glob("*")) if path.suffix.lower() in PICTURES)
    return next((path for path in pictures if picture_stem(path) == file.stem), None)


def _files(image: Path) -> dict[str, Path]:
    """Return the files of prompts beside a picture by what they list.

    Raises ValueError, in a sentence, if there is none, or not one of a kind.
    """
    folder, stem = image.parent, picture_stem(image)
    named = {kind: folder / f"{stem}.{kind}.csv" for kind in ("boxes", "points")}
    files = {kind: path for kind, path in named.items() if path.is_file()}
    for ending in (".csv", ".geojson", ".json", ".txt"):
        plain = folder / f"{stem}{ending}"
        if plain.is_file():
            kind = table_kind(plain) if ending == ".csv" else "boxes"
            if kind in files:
                raise ValueError(f"{plain.name} and {files[kind].name} both list {kind}.")
            files[kind] = plain
    if not files:
        raise ValueError(f"there is no table {stem}.csv beside it.")
    return files


def segment_folder(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    boxes: str | Path | None = None,
    box_format: BoxFormat | None = None,
    channel: str | int | None = None,
    model: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    overwrite: bool = False,
    client: Client | None = None,
) -> Iterator[Outcome]:
    """Segment the pictures of a folder from the files of prompts beside them.

    Parameters
    ----------
    folder : path
        See :func:`find_units` for the names.
    out : path, optional
        Where ``cells.labels.tif`` goes; ``labels`` in the folder if not given.
    boxes : path, optional
        A COCO file for all pictures.
    box_format, channel, model, checkpoint, device
        As for :func:`.segment`.
    overwrite : bool
        Make again what is done, too.
    client : dask.distributed.Client, optional
        Whose workers do it; they see the same files under the same names.

    Yields
    ------
    Outcome
        As they come: with a client in no order.

    Raises
    ------
    ValueError
        If there is nothing to do at all.
    OSError
        If the folder can't be read.
    """
    folder = Path(folder).absolute()
    out = folder / "labels" if out is None else Path(out).absolute()
    settings = ModelSettings.of(model, checkpoint, device)
    units, problems = find_units(
        folder, out, boxes=None if boxes is None else Path(boxes).absolute(),
        box_format=box_format, channel=None if channel is None else str(channel),
        settings=settings,
    )  # fmt: skip
    for problem in problems:
        warnings.warn(problem, FileWarning, stacklevel=2)
    out.mkdir(parents=True, exist_ok=True)
    yield from run_here_or_on(client, units, settings, overwrite=overwrite)
