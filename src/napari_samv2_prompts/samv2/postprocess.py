"""From low-res logits to masks at image resolution, as crops: only what is in the mask is made.

Bilinear enlarging as published (``align_corners=False``), done separably and only for the rows and
columns that can be inside.  Hole and sprinkle removal on the low-res logits, as published, with
scipy's connected components in place of an extension.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.prompts import MaskCrop

__all__ = ["crop_mask", "remove_small_areas", "upsample"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_FILL_MARGIN = 10.0  # filled and removed areas lie this far beyond the threshold
_ROWS_AT_ONCE = 256  # rows of float32 in memory at a time while thresholding

Logits = NDArray[np.float32]


class _Taps(NamedTuple):
    """For each target position: its two source positions and the weight of the second."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: Logits

    def part(self, targets: slice) -> _Taps:
        return _Taps(self.low[targets], self.high[targets], self.weight[targets])


def _taps(source: int, target: int) -> _Taps:
    """Return where each of ``target`` positions lies between ``source`` positions."""
    position = (np.arange(target, dtype=np.float64) + 0.5) * (source / target) - 0.5
    position = np.maximum(position, 0)
    low = np.minimum(np.floor(position).astype(np.intp), source - 1)
    high = np.minimum(low + 1, source - 1)
    return _Taps(low, high, (position - low).astype(np.float32))


def _blend(first: Logits, second: Logits, weight: Logits) -> Logits:
    return first + (second - first) * weight


def upsample(logits: Logits, size: tuple[int, int]) -> Logits:
    """Enlarge logits ``(..., h, w)`` to ``(..., height, width)`` bilinearly, float32."""
    low, high, weight = _taps(logits.shape[-1], size[1])
    wide = _blend(logits[..., low], logits[..., high], weight)
    low, high, weight = _taps(logits.shape[-2], size[0])
    return _blend(wide[..., low, :], wide[..., high, :], weight[:, None])


def _reach(taps: _Taps, inside: NDArray[np.bool_]) -> slice:
    """Return the target positions that see a source position which is inside."""
    seen = np.flatnonzero(inside[taps.low] | inside[taps.high])
    return slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, 0)


def crop_mask(logits: Logits, size: tuple[int, int], threshold: float = 0.0) -> MaskCrop:
    """Enlarge and threshold one mask, cut to its bounding box.

    The same as ``upsample(logits, size) > threshold`` everywhere: a bilinear value is above the
    threshold only where one of its four sources is.

    Parameters
    ----------
    logits : array of shape (h, w), float32
    size : tuple of int
        ``(height, width)`` of the image.
    threshold : float
    """
    above = logits > threshold
    row_taps, column_taps = _taps(logits.shape[0], size[0]), _taps(logits.shape[1], size[1])
    rows = _reach(row_taps, np.asarray(above.any(axis=1)))
    columns = _reach(column_taps, np.asarray(above.any(axis=0)))
    if rows.start == rows.stop:
        return MaskCrop(0, 0, np.zeros((0, 0), dtype=bool))
    low, high, weight = column_taps.part(columns)
    wide = _blend(logits[:, low], logits[:, high], weight)
    mask = np.empty((rows.stop - rows.start, wide.shape[1]), dtype=bool)
    for start in range(rows.start, rows.stop, _ROWS_AT_ONCE):
        part = slice(start, min(start + _ROWS_AT_ONCE, rows.stop))
        low, high, weight = row_taps.part(part)
        block = _blend(wide[low], wide[high], weight[:, None])
        mask[part.start - rows.start : part.stop - rows.start] = block > threshold
    return _tight(mask, rows.start, columns.start)


def _tight(mask: NDArray[np.bool_], top: int, left: int) -> MaskCrop:
    """Cut empty rows and columns off the border of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return MaskCrop(0, 0, np.zeros((0, 0), dtype=bool))
    inner = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return MaskCrop(top + int(rows[0]), left + int(columns[0]), np.ascontiguousarray(inner))


def _small_components(inside: NDArray[np.bool_], max_area: float) -> NDArray[np.bool_]:
    """Mark the 8-connected components of at most ``max_area`` cells."""
    labels, _ = ndimage.label(inside, structure=_EIGHT_NEIGHBOURS)
    areas = np.bincount(labels.ravel())
    small = areas <= max_area
    small[0] = False
    return small[labels]


def remove_small_areas(
    logits: Logits, threshold: float, max_hole_area: float, max_sprinkle_area: float
) -> Logits:
    """Fill small holes and remove small sprinkles of one mask.

    Parameters
    ----------
    logits : array of shape (h, w), float32
    threshold : float
    max_hole_area, max_sprinkle_area : float
        Largest area to fill or remove, in cells of the low-res logits; 0 leaves all.

    Returns
    -------
    array of shape (h, w), float32
        Filled cells get ``threshold + 10``, removed ones ``threshold - 10``.  Both are found in the
        logits as they came.
    """
    result = logits
    if max_hole_area > 0:
        holes = _small_components(logits <= threshold, max_hole_area)
        result = np.where(holes, np.float32(threshold + _FILL_MARGIN), result)
    if max_sprinkle_area > 0:
        sprinkles = _small_components(logits > threshold, max_sprinkle_area)
        result = np.where(sprinkles, np.float32(threshold - _FILL_MARGIN), result)
    return result
