"""Where objects are known in a Labels layer, plane by plane: what propagation starts from.

Here: :func:`read_anchors`, :func:`is_untouched` and :class:`Written`.  A plane on which an object's
pixels are as propagation left them was *found*; any other on which it has pixels is an anchor: it
was prompted, accepted or painted.  Reads pixels only, so it can be called in a worker.

Not here: writing (``labels_target``), which planes are missing (``propagation``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

Written = Mapping[int, Mapping[int, MaskCrop]]
"""Object: place along the axis: the pixels that it had there after it was written."""

AROUND = 32
"""How far around a mask it is looked for what was painted onto it, in pixels."""
FEW = 2**15
"""Labels up to this number are looked for all at once."""


def read_mask(data: Any, plane: Plane, number: int, near: MaskCrop) -> MaskCrop:
    """Return an object's pixels within the box of a mask, in plane pixels."""
    return replace(near, mask=_part(data, plane, *near.slices) == number)


def labels_near(data: Any, plane: Plane, near: MaskCrop) -> list[int]:
    """Return the labels within the box of a mask."""
    part = _part(data, plane, *near.slices)
    numbers: list[int] = np.unique(part[part != 0]).tolist()  # of no pixel, mostly
    return numbers


def read_anchors(
    data: Any, planes: Sequence[Plane], objects: frozenset[int], written: Written
) -> dict[int, dict[int, MaskCrop]]:
    """Return the masks of objects on the planes on which the user said what they are.

    - `data`: of the Labels layer
    - `planes`: all planes along the axis
    - `written`: what propagation left behind
    """
    anchors: dict[int, dict[int, MaskCrop]] = {}
    for place, plane in enumerate(planes):
        pixels = _part(data, plane)
        for number, box in _boxes(pixels, objects):
            crop = MaskCrop(box[0].start, box[1].start, pixels[box] == number)
            left = written.get(number, {}).get(place)
            if left is None or not _is_rest(crop, left, pixels):
                anchors.setdefault(number, {})[place] = crop
    return anchors


def is_untouched(
    data: Any, plane: Plane, number: int, left: MaskCrop, *, everywhere: bool = False
) -> bool:
    """Tell whether an object's pixels are as propagation left them.

    It is looked around them only, which is quick on a plane of any size, and finds what was
    corrected there; `everywhere` also finds what the user painted, or had predicted, elsewhere.  A
    mask without a pixel says where it is looked for pixels that propagation did not leave.
    """
    around = max(plane.shape) if everywhere else AROUND
    seen = Region(*left.box).grown(around).common(Region.whole(plane.shape))
    pixels = _part(data, plane, *seen.slices)
    if not left.mask.any():
        return not (pixels == number).any()
    shown = left.moved(-seen.top, -seen.left)
    return _is_rest(MaskCrop(0, 0, pixels == number), shown, pixels)


def _part(
    data: Any, plane: Plane, rows: slice = slice(None), columns: slice = slice(None)
) -> NDArray[Any]:
    return np.asarray(plane.oriented(np.asarray(data[plane.indexer(rows, columns)])))


def _boxes(pixels: NDArray[Any], objects: frozenset[int]) -> list[tuple[int, tuple[slice, slice]]]:
    found = []
    if max(objects, default=0) <= FEW:
        shown = np.where(pixels <= FEW, pixels, 0).astype(np.int32)
        slices = ndimage.find_objects(shown, max(objects, default=0))
        found = [(n, slices[n - 1]) for n in sorted(objects) if slices[n - 1] is not None]
    else:
        for number in sorted(objects):
            box = ndimage.find_objects((pixels == number).astype(np.int8), 1)[0]
            if box is not None:
                found.append((number, box))
    return found


def _is_rest(crop: MaskCrop, left: MaskCrop, pixels: NDArray[Any]) -> bool:
    """Tell whether a mask is what was written, but for what other labels took of it since."""
    shape = pixels.shape
    now, before = crop.full(shape), left.full(shape)
    if (now & ~before).any():
        return False
    return bool((pixels[before & ~now] != 0).all())
