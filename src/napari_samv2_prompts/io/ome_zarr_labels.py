"""Labels in an OME-Zarr image: ``labels/<name>`` with the levels of the image, whole or absent.

They are written under a name of their own and take their place by one rename.  They carry the key
of what they were made of, and a digest of their pixels: so labels of another program, and ours
once they were edited, are told from ours.

Not here: opening images (``ome_zarr.py``), which labels those are (``units/ome_zarr.py``).
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np

from napari_samv2_prompts.io.ngff import Level, Multiscale
from napari_samv2_prompts.io.ome_zarr import NgffImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPE = np.uint32
"""Of all labels: how many objects there will be is not known when the first is written."""
CHUNK = 1024
"""Side of the chunks."""
_OURS = "napari-samv2-prompts"
_METADATA = ("zarr.json", ".zattrs", ".zgroup")


@dataclass(frozen=True, slots=True, eq=False)
class LabelGroup:
    """A label image that is being written: the image's axes but for the channels."""

    path: Path
    group: Any
    levels: tuple[Any, ...]  # the full size first

    def write(self, plane: tuple[int, ...], labels: NDArray[Any]) -> None:
        """Write the labels of a plane, at each level the pixel in the middle of what it covers.

        - `plane`: see :meth:`.NgffImage.planes`
        - `labels`: array of shape (H, W), integer
        """
        full = self.levels[0].shape
        for level in self.levels:
            rows, columns = (sources(full[axis], level.shape[axis]) for axis in (-2, -1))
            places = [
                np.flatnonzero(sources(full[axis], level.shape[axis]) == number)
                for axis, number in enumerate(plane)
            ]
            for place in product(*places):
                level[(*map(int, place), slice(None), slice(None))] = labels[np.ix_(rows, columns)]

    def finish(self, key: str, properties: Iterable[dict[str, Any]] = ()) -> None:
        """Say what the labels were made of, once all are written.

        - `properties`: of objects, each with its ``label-value``, as NGFF has them
        """
        listed = list(properties)
        attributes = self.group.attrs.asdict()
        owner = attributes.get("ome", attributes)
        if listed:
            owner["image-label"]["properties"] = listed
        attributes[_OURS] = {"key": key, "digest": _digest(self.path)}
        self.group.attrs.put(attributes)


def sources(full: int, size: int) -> NDArray[np.intp]:
    """Return which pixel of the full size each pixel of a smaller one takes: the middle one."""
    return ((2 * np.arange(size) + 1) * full // (2 * size)).astype(np.intp)


@contextmanager
def written_labels(image: NgffImage, name: str) -> Iterator[LabelGroup]:
    """Hand out labels to write; they become the image's if nothing is raised, else they go.

    Labels of this name that are there are replaced, and any that was left half written removed.
    """
    for left in image.path.glob(f".{name}.*.part"):
        shutil.rmtree(left, ignore_errors=True)
    part = image.path / f".{name}.{uuid4().hex[:12]}.part"
    try:
        yield _created(part, image, name)
        _take_place(part, image, name)
        _consolidate_again(image)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def labels_standing(
    image: Path, name: str, key: str
) -> Literal["absent", "done", "outdated", "foreign"]:
    """Tell what is there of labels; see :data:`.Standing`."""
    path = image / "labels" / name
    if not path.exists():
        return "absent"
    attributes = _attributes(path)
    ours = attributes.get(_OURS)
    if not isinstance(ours, dict) or ours.get("digest") != _digest(path):
        return "foreign"
    listed = _listed(_attributes(path.parent))
    return "done" if ours.get("key") == key and name in listed else "outdated"


# --- making the group ---


def _created(path: Path, image: NgffImage, name: str) -> LabelGroup:
    import zarr

    keep = [place for place, axis in enumerate(image.axes) if axis != "c"]
    levels = [
        (level, tuple(shape[place] for place in keep))
        for level in image.described.levels
        if (shape := _shape_of(image, level.path)) is not None
    ]
    described = _described(image, name, keep, levels)
    group = zarr.open_group(
        str(path), mode="w", zarr_format=image.zarr_format, attributes=described
    )
    new = image.zarr_format == 3
    options: dict[str, Any] = (
        {"dimension_names": _names(image, keep)}
        if new
        else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )
    arrays = tuple(
        group.create_array(
            str(number),
            shape=shape,
            dtype=DTYPE,
            chunks=(*(1 for _ in shape[:-2]), *(min(n, CHUNK) for n in shape[-2:])),
            **options,
        )
        for number, (_, shape) in enumerate(levels)
    )
    return LabelGroup(path, group, arrays)


def _shape_of(image: NgffImage, path: str) -> tuple[int, ...] | None:
    """Return the shape of a level; None if it is not there, so that the labels lack it as well."""
    found = image.group.get(path)
    shape = getattr(found, "shape", ())
    return tuple(shape) if len(shape) == image.array.ndim and min(shape) > 0 else None


def _names(image: NgffImage, keep: Sequence[int]) -> list[str]:
    names = image.described.names or tuple(image.axes)
    return [names[place] for place in keep]


def _described(
    image: NgffImage,
    name: str,
    keep: Sequence[int],
    levels: Sequence[tuple[Level, tuple[int, ...]]],
) -> dict[str, Any]:
    told: Multiscale = image.described
    letters = [image.axes[place] for place in keep]
    axes = []
    for place, axis, letter in zip(keep, _names(image, keep), letters, strict=True):
        kind = told.kinds[place] if told.kinds else _KINDS[letter]
        unit = told.units[place] if told.units else None
        axes.append({"name": axis, "type": kind} | ({"unit": unit} if unit else {}))
    datasets = []
    for number, (level, shape) in enumerate(levels):
        scale = _kept(level.scale, keep) or [
            full / size for full, size in zip(levels[0][1], shape, strict=True)
        ]
        changes: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
        if shift := _kept(level.shift, keep, least=-math.inf):
            changes.append({"type": "translation", "translation": shift})
        datasets.append({"path": str(number), "coordinateTransformations": changes})
    multiscale: dict[str, Any] = {"name": name, "axes": axes, "datasets": datasets}
    if whole := _kept(told.scale, keep):
        multiscale["coordinateTransformations"] = [{"type": "scale", "scale": whole}]
    source = {"source": {"image": "../../"}}
    if image.zarr_format == 3:
        inner = {"version": "0.5", "multiscales": [multiscale], "image-label": source}
        return {"ome": inner}
    version = {"version": "0.4"}
    return {"multiscales": [version | multiscale], "image-label": version | source}


_KINDS = {"t": "time", "z": "space", "y": "space", "x": "space", "?": ""}


def _kept(numbers: tuple[float, ...], keep: Sequence[int], least: float = 0.0) -> list[float]:
    """Return those of the axes that labels have; none if there is nonsense among them."""
    if len(numbers) <= max(keep):
        return []
    kept = [numbers[place] for place in keep]
    return kept if all(math.isfinite(n) and n > least for n in kept) else []


# --- taking its place ---


def _take_place(part: Path, image: NgffImage, name: str) -> None:
    import zarr

    labels = image.path / "labels"
    group = zarr.open_group(
        str(labels), mode="a", zarr_format=image.zarr_format, use_consolidated=False
    )
    old = part.with_name(f".{name}.{uuid4().hex[:12]}.part")
    place = labels / name
    if place.exists():
        place.rename(old)
    part.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    attributes = group.attrs.asdict()
    listed = _listed(attributes)
    if name in listed:
        return
    if image.zarr_format == 3:
        inner = attributes.get("ome")
        owner = inner if isinstance(inner, dict) else {"version": "0.5"}
        attributes["ome"] = owner | {"labels": [*listed, name]}
    else:
        attributes["labels"] = [*listed, name]
    group.attrs.put(attributes)


def _consolidate_again(image: NgffImage) -> None:
    """List the labels where the image's metadata were consolidated: readers look nowhere else."""
    import zarr

    store, form = str(image.path), image.zarr_format
    group = zarr.open_group(store, mode="r", zarr_format=form)
    if group.metadata.consolidated_metadata is not None:
        with warnings.catch_warnings():  # that format 3 does not specify it: the file has it
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(store, zarr_format=form)


def _listed(attributes: dict[str, Any]) -> list[Any]:
    inner = attributes.get("ome")
    listed = (inner if isinstance(inner, dict) else attributes).get("labels")
    return listed if isinstance(listed, list) else []


def _attributes(group: Path) -> dict[str, Any]:
    """Return a group's attributes; none if they can't be read."""
    try:
        if (group / "zarr.json").is_file():
            content = json.loads((group / "zarr.json").read_text("utf-8")).get("attributes")
        else:
            content = json.loads((group / ".zattrs").read_text("utf-8"))
    except (OSError, ValueError, AttributeError):
        return {}
    return content if isinstance(content, dict) else {}


def _digest(group: Path) -> str:
    """Return a digest of all that the arrays of a label image store."""
    digest = blake2b(digest_size=16)
    for file in sorted(path for path in group.rglob("*") if path.is_file()):
        if file.parent != group or file.name not in _METADATA:
            digest.update(f"{file.relative_to(group).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
