"""Who gets a pixel where objects meet, and what of an object's mask is kept.

Here: :func:`rivals_on`, :func:`from_others`, :func:`shared_out`, :func:`main_components` and
:func:`without_others`.

Not here: how much a pixel speaks for an object (``evidence.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import Region, union

from .values import Anchors, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray


FIRM = 0.5
"""Sections of less doubt keep their pixels from other objects."""


def rivals_on(
    plane: int, numbers: Iterable[int], anchors: Anchors, sections: Mapping[int, Section]
) -> list[MaskCrop]:
    """Return the masks of some objects on a plane: their anchors, and what is firmly found."""
    numbers = sorted(numbers)
    known = [anchors[n][plane] for n in numbers if plane in anchors[n]]
    return known + [sections[n].crop for n in numbers if n in sections and sections[n].doubt < FIRM]


def from_others(
    softs: Mapping[int, tuple[Region, NDArray[np.float32]]], rivals: Sequence[MaskCrop]
) -> dict[int, NDArray[np.float32]]:
    """Return how much of each pixel of an object's window came from another object."""
    whole = union([window for window, _ in softs.values()])
    first, second = np.zeros(whole.size, np.float32), np.zeros(whole.size, np.float32)
    for crop in rivals:
        first[crop.within(whole)] = 1
    parts = {}
    for number, (window, soft) in softs.items():
        part = window.slices_in(whole)
        second[part] = np.maximum(second[part], np.minimum(first[part], soft))
        first[part] = np.maximum(first[part], soft)
        parts[number] = part
    return {
        number: np.where(soft >= first[parts[number]], second[parts[number]], first[parts[number]])
        for number, (_, soft) in softs.items()
    }


def shared_out(
    maps: Mapping[int, NDArray[np.float32]],
    windows: Mapping[int, Region],
    rivals: Sequence[MaskCrop],
) -> dict[int, NDArray[np.bool_]]:
    """Give each pixel to the object that it speaks for most, if for any."""
    whole = union(list(windows.values()))
    best = np.zeros(whole.size, np.float32)
    for crop in rivals:
        best[crop.within(whole)] = np.inf
    parts = {}
    for number, window in windows.items():
        part = best[window.slices_in(whole)]
        np.maximum(part, maps[number], out=part)
        parts[number] = part
    return {number: (maps[number] > 0) & (maps[number] >= parts[number]) for number in maps}


def main_components(mask: NDArray[np.bool_], soft: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Keep the components that hold a good part of what was carried here, without small holes."""
    components, count = ndimage.label(mask)
    if count > 1:
        held = ndimage.sum_labels(soft, components, np.arange(1, count + 1))
        mask = np.isin(components, 1 + np.flatnonzero(held >= 0.25 * held.max()))
    holes, count = ndimage.label(~mask)
    if count > 1:
        sizes = np.bincount(holes.ravel())
        small = np.flatnonzero(sizes < max(4, 0.02 * mask.sum()))
        mask = mask | np.isin(holes, small[small > 0])
    return mask


def without_others(
    masks: Mapping[int, NDArray[np.bool_]],
    assigned: Mapping[int, NDArray[np.bool_]],
    windows: Mapping[int, Region],
    rivals: Sequence[MaskCrop],
) -> dict[int, NDArray[np.bool_]]:
    """Take back what holes were filled with where another object lies in them.

    - `masks`: as :func:`main_components` left them
    - `assigned`: as :func:`shared_out` gave them their pixels, which they keep
    """
    whole = union(list(windows.values()))
    others = np.zeros(whole.size, bool)
    for crop in rivals:
        others |= crop.within(whole)
    apart = {}
    for number in sorted(masks, key=lambda n: int(masks[n].sum())):  # what lies in it is smaller
        part = others[windows[number].slices_in(whole)]
        apart[number] = masks[number] & (assigned[number] | ~part)
        part |= apart[number]
    return apart
