"""From low-res logits to masks at image resolution, as crops: only what is in the mask is made.

Bilinear enlarging as published (``align_corners=False``), done separably and only for the rows and
columns that can be inside.  Hole and sprinkle removal on the low-res logits, as published, with
scipy's connected components in place of an extension.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_samv2_prompts.mask_crops import EMPTY_MASK, MaskCrop, cropped

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_PIXELS_AT_ONCE = 2**18  # pixels interpolated at a time, to stay in the cache
_SMALL = 2**16  # pixels of a mask in which looking for outlines takes longer than it saves
_DEAR = 8  # one pixel alone takes as long as so many in a row
_FILL_MARGIN = 10.0  # filled and removed areas lie this far beyond the threshold

Logits = NDArray[np.float32]


class Taps(NamedTuple):
    """For each target position: its two source positions and the weight of the second."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    weight: Logits

    def part(self, targets: slice) -> Taps:
        """Return those of some targets."""
        return Taps(self.low[targets], self.high[targets], self.weight[targets])


def taps_between(source: int, target: int) -> Taps:
    """Return where each of ``target`` positions lies between ``source`` positions."""
    position = (np.arange(target, dtype=np.float64) + 0.5) * (source / target) - 0.5
    position = np.maximum(position, 0)
    low = np.minimum(np.floor(position).astype(np.intp), source - 1)
    high = np.minimum(low + 1, source - 1)
    return Taps(low, high, (position - low).astype(np.float32))


def _widened(logits: Logits, taps: Taps) -> Tensor:
    """Enlarge ``(h, w)`` to ``(h, width)`` at some of the target columns."""
    source = torch.from_numpy(logits)
    low, high = (source.index_select(1, torch.from_numpy(at)) for at in (taps.low, taps.high))
    return torch.lerp(low, high, torch.from_numpy(taps.weight))


def upsample(logits: Logits, size: tuple[int, int]) -> Logits:
    """Enlarge logits ``(h, w)`` to ``(height, width)`` bilinearly, float32."""
    low, high, weight = taps_between(len(logits), size[0])
    wide = _widened(logits, taps_between(logits.shape[1], size[1]))
    tall = torch.lerp(wide[low], wide[high], torch.from_numpy(weight)[:, None])
    return np.asarray(tall.numpy())


def covered(taps: Taps, inside: NDArray[np.bool_]) -> slice:
    """Return the target positions that see a source position which is inside."""
    seen = np.flatnonzero(inside[taps.low] | inside[taps.high])
    return slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0, 0)


def crop_mask(logits: Logits, size: tuple[int, int], threshold: float = 0.0) -> MaskCrop:
    """Enlarge and threshold one mask, cut to its bounding box.

    The same as ``upsample(logits, size) > threshold`` everywhere: a bilinear value is above the
    threshold only where one of its four sources is.

    - `logits`: array of shape (h, w), float32
    - `size`: ``(height, width)`` of the image
    """
    above = logits > threshold
    row_taps, column_taps = (
        taps_between(logits.shape[0], size[0]),
        taps_between(logits.shape[1], size[1]),
    )
    rows = covered(row_taps, np.asarray(above.any(axis=1)))
    columns = covered(column_taps, np.asarray(above.any(axis=0)))
    if rows.start == rows.stop:
        return EMPTY_MASK
    taps = row_taps.part(rows)
    first, last = int(taps.low[0]), int(taps.high[-1])
    wide = _widened(logits[first : last + 1], column_taps.part(columns))
    mask = _heighten_above(wide, Taps(taps.low - first, taps.high - first, taps.weight), threshold)
    return cropped(mask, rows.start, columns.start)


class _Pairs(NamedTuple):
    """The pairs of source rows between which targets lie, and the targets of each."""

    # Shape (P,): source rows.
    low: NDArray[np.intp]
    high: NDArray[np.intp]
    # Shape (P, N): target rows; a pair that has fewer than others repeats its last one.
    target: NDArray[np.intp]
    weight: Logits  # shape (P, N): of the second source row, at each target


def _pairs(taps: Taps) -> _Pairs:
    """Return the pairs of source rows; the targets of a pair lie together.

    At the borders more targets lie between the same two rows than elsewhere.  They count as two
    pairs, so that the others need not repeat theirs as often.
    """
    starts = np.flatnonzero(np.diff(taps.low, prepend=-1))
    counts = np.diff(starts, append=len(taps.low))
    within = np.arange(len(taps.low)) - np.repeat(starts, counts)
    usual = int(np.median(counts)) + 1
    starts = np.flatnonzero(within % usual == 0)
    counts = np.diff(starts, append=len(taps.low))
    nth = np.minimum(np.arange(counts.max(initial=0)), counts[:, None] - 1)
    target = starts[:, None] + nth
    return _Pairs(taps.low[starts], taps.high[starts], target, taps.weight[target])


def _heighten_above(wide: Tensor, taps: Taps, threshold: float) -> NDArray[np.bool_]:
    """Enlarge ``(h, width)`` to ``(height, width)``, and return where it is above the threshold.

    What lies between two source rows is above where both are, and not above where neither is: only
    columns in which an outline passes between the two are interpolated, or all of them where they
    are many, and nothing but the answer is ever as large as the mask.
    """
    pairs = _pairs(taps)
    if len(taps.low) * wide.shape[1] <= _SMALL:
        above = np.empty((len(taps.low), wide.shape[1]), dtype=bool)
        _interpolate_rows(above, wide, pairs, np.arange(len(pairs.low)), threshold)
        return above
    inside = np.greater(wide.numpy(), np.float32(threshold))
    above = inside[taps.low]
    crossed = inside[pairs.low] != inside[pairs.high]
    many = np.count_nonzero(crossed, axis=1) * _DEAR > wide.shape[1]
    _interpolate_rows(above, wide, pairs, np.flatnonzero(many), threshold)
    crossed[many] = False
    _interpolate_places(above, wide, pairs, np.flatnonzero(crossed), threshold)
    return above


def _interpolate_rows(
    above: NDArray[np.bool_],
    wide: Tensor,
    pairs: _Pairs,
    chosen: NDArray[np.intp],
    threshold: float,
) -> None:
    """Set what is above between some pairs of rows, in all columns."""
    step = max(1, _PIXELS_AT_ONCE // max(1, pairs.target.shape[1] * wide.shape[1]))
    for some in (chosen[start : start + step] for start in range(0, len(chosen), step)):
        low, high = (
            wide[torch.from_numpy(rows[some])][:, None] for rows in (pairs.low, pairs.high)
        )
        between = torch.lerp(low, high, torch.from_numpy(pairs.weight[some])[:, :, None])
        above[pairs.target[some]] = np.greater(between.numpy(), np.float32(threshold))


def _interpolate_places(
    above: NDArray[np.bool_],
    wide: Tensor,
    pairs: _Pairs,
    places: NDArray[np.intp],
    threshold: float,
) -> None:
    """Set what is above at some places, each a pair and a column as one index.

    Flat indices: numpy finds, reads and sets them several times faster than pairs of indices.
    """
    values, width = wide.numpy(), wide.shape[1]
    step = max(1, _PIXELS_AT_ONCE // max(1, pairs.target.shape[1]))
    for some in (places[start : start + step] for start in range(0, len(places), step)):
        pair, column = np.divmod(some, width)
        low, high = (
            torch.from_numpy(values.take(rows[pair] * width + column))[:, None]
            for rows in (pairs.low, pairs.high)
        )
        between = torch.lerp(low, high, torch.from_numpy(pairs.weight.take(pair, axis=0)))
        here = pairs.target.take(pair, axis=0) * width + column[:, None]
        above.reshape(-1)[here] = np.greater(between.numpy(), np.float32(threshold))


def _small_components(inside: NDArray[np.bool_], max_area: float) -> NDArray[np.bool_]:
    """Mark the 8-connected components of at most ``max_area`` cells."""
    labels, _ = ndimage.label(inside, structure=_EIGHT_NEIGHBOURS)
    areas = np.bincount(labels.ravel())
    small = areas <= max_area
    small[0] = False
    return small[labels]


def remove_small_areas(
    logits: Logits,
    threshold: float,
    max_hole_area: float,
    max_sprinkle_area: float,
    margin: float = _FILL_MARGIN,
) -> Logits:
    """Fill small holes and remove small sprinkles of one mask.

    - `logits`: array of shape (h, w), float32
    - `max_hole_area`, `max_sprinkle_area`: largest area to fill or remove, in cells of the low-res
      logits; 0 leaves all
    - `margin`: how far beyond the threshold what is filled and removed lies; 10 as published for
      images
    - returns array of shape (h, w), float32; filled cells get ``threshold + margin``, removed ones
      ``threshold - margin``. Both are found in the logits as they came.
    """
    result = logits
    if max_hole_area > 0:
        holes = _small_components(logits <= threshold, max_hole_area)
        result = np.where(holes, np.float32(threshold + margin), result)
    if max_sprinkle_area > 0:
        sprinkles = _small_components(logits > threshold, max_sprinkle_area)
        result = np.where(sprinkles, np.float32(threshold - margin), result)
    return result
