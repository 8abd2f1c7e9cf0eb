"""Rectangles of a plane around an object, and between their pixels and the model's logits.

Here: :func:`around`, :func:`without` and :func:`overlap` (masks cut to boxes), :func:`depth` (how
far inside a pixel is), :func:`grid_of` and :func:`pixels_of` (bilinear, as the model's own
enlarging).

Not here: what is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.candidates import intersection
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = -8.0
"""Logit of what a mask prompt says nothing about."""


def around(crop: MaskCrop, margin: int, shape: tuple[int, int]) -> Region:
    """Return the rectangle of a mask's box and a margin, as far as the plane reaches."""
    return Region(*crop.box).grown(margin).common(Region.whole(shape))


def without(crop: MaskCrop, rivals: Sequence[MaskCrop]) -> MaskCrop:
    """Return a mask without the pixels of others."""
    if not crop.area or not rivals:
        return crop
    window = Region(*crop.box)
    mask = crop.mask.copy()
    for rival in rivals:
        mask &= ~rival.within(window)
    return cropped(mask, crop.top, crop.left)


def overlap(first: MaskCrop, last: MaskCrop) -> float:
    """Return the IoU of two masks of a plane; 0 where both are empty."""
    common = intersection(first, last)
    return common / max(first.area + last.area - common, 1)


def as_grey(part: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels ``(h, w)`` or ``(h, w, 3)`` of a picture as grey values."""
    return np.asarray(part if part.ndim == 2 else part.mean(axis=2), np.float32)


def smoothed(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``(h, w)`` of ``(h + 2, w + 2)`` pixels, each weighed with its neighbours.

    By 1, 2, 1 along rows and columns: a Gaussian of 0.7 pixels, about.
    """
    rows = grey[:-2] + 2 * grey[1:-1] + grey[2:]
    return np.asarray((rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 16, np.float32)


def centre(crop: MaskCrop) -> tuple[float, float]:
    """Return the mean row and column of a mask."""
    rows, columns = np.nonzero(crop.mask)
    return float(rows.mean()) + crop.top, float(columns.mean()) + crop.left


def depth(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return each pixel's distance to the mask's outline: positive inside, negative outside."""
    crop = cropped(mask)
    if not crop.area:
        return np.full(mask.shape, FAR, np.float32)
    # Outside of its box there is nothing of the object, also where the box meets the window's edge.
    padded = np.zeros((crop.mask.shape[0] + 2, crop.mask.shape[1] + 2), np.bool_)
    padded[1:-1, 1:-1] = crop.mask
    out = 0.5 - _distance(~mask)
    out[crop.slices][crop.mask] = _distance(padded)[1:-1, 1:-1][crop.mask] - 0.5
    return np.asarray(out, np.float32)


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far each pixel is from the nearest one that is not set."""
    y, x = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    y -= np.arange(mask.shape[0], dtype=y.dtype)[:, None]
    x -= np.arange(mask.shape[1], dtype=x.dtype)
    return np.asarray(np.sqrt(y * y + x * x))


def _lerp(maps: NDArray[np.float32], at: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Take values between the cells of an axis, linearly; beyond the ends, the last one."""
    at = at.clip(0, maps.shape[axis] - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, maps.shape[axis] - 1)
    share = (at - low).astype(np.float32)
    share = share[:, None] if axis == 0 else share
    return np.asarray(np.take(maps, low, axis) * (1 - share) + np.take(maps, high, axis) * share)


def grid_of(
    logits: NDArray[np.float32], window: Region, region: Region, side: int
) -> NDArray[np.float32]:
    """Return logits of a window as a mask prompt of an embedded region.

    - `window`, `region`: of the plane
    - `side`: of the mask prompt, whose cells cover the region
    - returns array of shape (side, side), float32
    """
    height, width = region.size
    rows = (np.arange(side) + 0.5) * height / side - 0.5 + region.top - window.top
    columns = (np.arange(side) + 0.5) * width / side - 0.5 + region.left - window.left
    out = np.full((side, side), FAR, np.float32)
    y = np.flatnonzero((rows > -0.5) & (rows < window.size[0] - 0.5))
    x = np.flatnonzero((columns > -0.5) & (columns < window.size[1] - 0.5))
    if len(y) and len(x):
        out[y[0] : y[-1] + 1, x[0] : x[-1] + 1] = _lerp(_lerp(logits, rows[y], 0), columns[x], 1)
    return out


def pixels_of(grid: NDArray[np.float32], window: Region, region: Region) -> NDArray[np.float32]:
    """Return the low-res logits of an embedded region at a window's pixels."""
    side = grid.shape[0]
    height, width = region.size
    rows = (np.arange(window.top, window.bottom) - region.top + 0.5) * side / height - 0.5
    columns = (np.arange(window.left, window.right) - region.left + 0.5) * side / width - 0.5
    return _lerp(_lerp(grid, rows, 0), columns, 1)
