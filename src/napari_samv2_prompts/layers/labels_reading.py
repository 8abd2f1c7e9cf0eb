"""What a Labels layer holds: where each label is, what is under the mouse, which are kept.

Which labels are kept is noted in the layer's metadata, so that it goes with the layer.

Not here: writing (``labels_target``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.planes import data_at
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.prompts import Prompt

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Labels

KEPT = "samv2 prompts: kept labels"
# A label as logits: sure, but within what the decoder puts out; in at most so many cells a side.
INSIDE, OUTSIDE = 10.0, -10.0
CELLS = 256
# A plane is searched in blocks of about this many pixels, which stay in the processor's cache.
BLOCK = 2**18


def kept_labels(labels: Labels) -> frozenset[int]:
    """Return the labels that no result may change."""
    return frozenset(labels.metadata.get(KEPT, ()))


def set_kept(labels: Labels, label: int, on: bool) -> None:
    """Note that a label is kept, or is not."""
    kept = kept_labels(labels)
    labels.metadata[KEPT] = sorted(kept | {label} if on else kept - {label})


def label_mask(labels: Labels, plane: Plane, label: int) -> MaskCrop | None:
    """Return the pixels that show a label on a plane, or None if there are none.

    - `labels`: with a numpy array
    - `plane`: in data order
    """
    if label > np.iinfo(labels.data.dtype).max:
        return None
    pixels = labels.data[plane.indexer()]
    height = max(1, BLOCK // pixels.shape[1])
    for start in range(0, len(pixels), height):
        if (pixels[start : start + height] == label).any():
            break
    else:
        return None
    for stop in range(len(pixels), start, -height):
        if (pixels[max(start, stop - height) : stop] == label).any():
            break
    return cropped(pixels[start:stop] == label, start)


def label_at(labels: Labels, position: Sequence[float], plane: Plane, dims: Dims) -> int:
    """Return the label at a place of the world; 0 beside the layer or the plane.

    - `position`: as of ``viewer.cursor``
    """
    world = np.asarray(position, dtype=np.float64)[-labels.ndim :]
    if len(world) < plane.ndim or not np.isfinite(world).all():
        return 0
    data = data_at(labels, world, dims)
    pixels = plane.to_pixels(data)
    if not (plane.inside(pixels)[0] and plane.contains(data)[0]):
        return 0
    (column, row), size = np.rint(pixels[0]).astype(int), plane.shape
    row, column = min(max(row, 0), size[0] - 1), min(max(column, 0), size[1] - 1)
    spot = plane.to_data([[column, row]])[0].astype(int)
    return int(labels.data[tuple(spot)])


def starting_from(prompt: Prompt, mask: MaskCrop) -> Prompt:
    """Return a prompt that starts from a mask on the plane, unless it brings one."""
    if prompt.mask is not None:
        return prompt
    top, left, bottom, right = mask.box
    cells = (
        ((np.arange(n) + 0.5) * length / n).astype(np.intp)
        for length in mask.mask.shape
        for n in (min(length, CELLS),)
    )
    logits = np.where(mask.mask[np.ix_(*cells)], np.float32(INSIDE), np.float32(OUTSIDE))
    edges = left - 0.5, top - 0.5, right - 0.5, bottom - 0.5
    return replace(prompt, mask=logits, mask_box=edges)


PlaneIndex = tuple[int, ...]
"""Where a plane stands on the axes that are not shown, in their order in the data."""

SMALL = 2**20  # labels up to which counting needs less memory than sorting
COUNTED = 2**20  # pixels that are counted at a time


def labels_by_plane(
    data: NDArray[Any], hidden: Sequence[int], check: Callable[[], object] = lambda: None
) -> dict[int, tuple[PlaneIndex, ...]]:
    """Return the planes on which each label has a pixel, for the worker.

    - `hidden`: the axes of the data that are not shown; two are left
    - `check`: called before each plane; what it raises ends the search
    - returns the planes of each label in rising order; without the background
    """
    shape = tuple(data.shape[axis] for axis in hidden)
    found: dict[int, list[PlaneIndex]] = {}
    for index in np.ndindex(shape):
        check()
        where: list[Any] = [slice(None)] * data.ndim
        for axis, position in zip(hidden, index, strict=True):
            where[axis] = position
        for label in _labels_in(data[tuple(where)]):
            found.setdefault(label, []).append(index)
    return {label: tuple(planes) for label, planes in sorted(found.items())}


def _labels_in(plane: NDArray[Any]) -> list[int]:
    """Return the labels of a plane above 0."""
    there: set[int] = set()
    height = max(1, COUNTED // max(1, plane.shape[1]))
    for start in range(0, len(plane), height):
        block = np.asarray(plane[start : start + height])
        low, high = (int(block.min()), int(block.max())) if block.size else (0, 0)
        if low >= 0 and high < SMALL:
            counted = np.bincount(block.reshape(-1), minlength=1)
            there.update(np.flatnonzero(counted).tolist())
        else:
            there.update(np.unique(block).tolist())
    return sorted(label for label in there if label > 0)
