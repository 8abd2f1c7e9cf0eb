"""From low-res logits to masks at image resolution, as crops: only what is in the mask is made.

Bilinear enlarging as published (``align_corners=False``), done separably and only for the rows and
columns that can be inside.  Hole and sprinkle removal on the low-res logits, as published, with
scipy's connected components in place of an extension.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_samv2_prompts.prompts import MaskCrop

__all__ = ["crop_mask", "remove_small_areas", "upsample"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_PLACES_AT_ONCE = 2**17  # pixels near outlines interpolated at a time: a mask may be all noise
_FILL_MARGIN = 10.0  # filled and removed areas lie this far beyond the threshold

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


def _widen(logits: Logits, width: int) -> Tensor:
    """Enlarge logits ``(h, w)`` to ``(h, width)``."""
    source = torch.from_numpy(logits)[None, None]
    return F.interpolate(source, size=(len(logits), width), mode="bilinear")[0, 0]


def upsample(logits: Logits, size: tuple[int, int]) -> Logits:
    """Enlarge logits ``(h, w)`` to ``(height, width)`` bilinearly, float32."""
    low, high, weight = _taps(len(logits), size[0])
    wide = _widen(logits, size[1])
    tall = torch.lerp(wide[low], wide[high], torch.from_numpy(weight)[:, None])
    return np.asarray(tall.numpy())


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
    taps = row_taps.part(rows)
    first, last = int(taps.low[0]), int(taps.high[-1])
    wide = _widen(logits[first : last + 1], size[1])[:, columns]
    mask = _heighten_above(wide, _Taps(taps.low - first, taps.high - first, taps.weight), threshold)
    return _tight(mask, rows.start, columns.start)


def _heighten_above(wide: Tensor, taps: _Taps, threshold: float) -> NDArray[np.bool_]:
    """Enlarge ``(h, width)`` to ``(height, width)``, and return where it is above the threshold.

    What lies between two source rows is above where both are, and not above where neither is: only
    columns in which an outline passes between the two are interpolated, and nothing but the answer
    is ever as large as the mask.
    """
    starts = np.flatnonzero(np.diff(taps.low, prepend=-1))  # targets of a pair lie together
    counts = np.diff(starts, append=len(taps.low))
    values = wide.numpy()
    inside, width = np.greater(values, np.float32(threshold)), values.shape[1]
    low, high = taps.low[starts], taps.high[starts]
    above: NDArray[np.bool_] = np.repeat(inside[low], counts, axis=0)
    nth = np.arange(counts.max(initial=0))
    target = np.minimum(starts[:, None] + nth, (starts + counts - 1)[:, None])
    weights, places = taps.weight[target], target * width
    # Flat indices: numpy finds, reads and sets them several times faster than pairs of indices.
    crossed = np.flatnonzero(inside[low] != inside[high])
    step = max(1, _PLACES_AT_ONCE // max(1, len(nth)))
    for part in (crossed[start : start + step] for start in range(0, len(crossed), step)):
        pair, column = np.divmod(part, width)
        before, after = (
            torch.from_numpy(values.take(rows[pair] * width + column))[:, None]
            for rows in (low, high)
        )
        between = torch.lerp(before, after, torch.from_numpy(weights.take(pair, axis=0)))
        here = places.take(pair, axis=0) + column[:, None]
        above.reshape(-1)[here] = np.greater(between.numpy(), np.float32(threshold))
    return above


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
