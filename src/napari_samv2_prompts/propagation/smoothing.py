"""Smoothing what was followed by the planes beside it, where there are no walls to fit it to.

Each plane is followed with errors of its own: an outline that is too wide on one and too narrow on
the next.  The mean of three planes has fewer of them.

Here: :class:`Smoothing`.  Not here: which masks are smoothed, and when (``fitting.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.mask_crops import EMPTY_MASK, MaskCrop, cropped

from .patches import around, centre, overlap, without
from .values import Masks

SOFT = 1.0
"""Deviation of the smoothing of each plane, in pixels."""
LEAST = 0.45
"""Mean from which on a pixel is the object's."""
SAME_PLACE = 0.5
"""IoU under which an object has moved too far to be told by the plane beside it."""
STILL = 1.5
"""Pixels from a plane to the next from which on an object moves on its own, as in a film."""
ROOM = 3
"""Pixels around the masks into which the mean may reach."""


@dataclass(frozen=True, slots=True)
class Smoothing:
    """The mean of each mask and those of the object on the planes beside it."""

    shape: tuple[int, int]  # of a plane
    judges: ClassVar[bool] = False

    def fitted(self, planes: range, certain: Masks, followed: Masks) -> Iterator[Masks | None]:
        """Smooth masks; see :meth:`.Fitter.fitted`.  They stay apart as they were followed."""
        result: dict[int, dict[int, MaskCrop]] = {}
        for plane, masks in sorted(followed.items()):
            here = {**masks, **certain.get(plane, {})}
            result[plane] = {}
            for number, crop in masks.items():
                beside = [
                    _known(number, at, certain, followed) if at in planes else crop
                    for at in (plane - 1, plane + 1)
                ]
                others = [other for n, other in here.items() if n != number]
                mean = without(_mean(crop, beside, self.shape), others)
                result[plane][number] = mean if mean.area else crop
            yield None
        yield result


def _known(number: int, plane: int, certain: Masks, followed: Masks) -> MaskCrop:
    """Return an object's mask on a plane; an empty one where it is not."""
    none = followed.get(plane, {}).get(number, EMPTY_MASK)
    return certain.get(plane, {}).get(number, none)


def _mean(crop: MaskCrop, beside: Sequence[MaskCrop], shape: tuple[int, int]) -> MaskCrop:
    """Return where the mean of a mask and those beside it is large enough."""
    if all(other.area for other in beside) and _motion(*beside) > STILL:
        return crop
    window = around(crop, ROOM, shape)
    there = [_in_place(other, crop) for other in beside]
    total = sum(mask.within(window).astype(np.float32) for mask in (crop, *there))
    inside = ndimage.gaussian_filter(total, SOFT, mode="nearest") > LEAST * (1 + len(there))
    return cropped(inside, window.top, window.left)


def _motion(before: MaskCrop, after: MaskCrop) -> float:
    """Return how far an object moves from a plane to the next, in pixels."""
    return float(np.hypot(*np.subtract(centre(after), centre(before)))) / 2


def _in_place(other: MaskCrop, crop: MaskCrop) -> MaskCrop:
    """Return the mask beside another, or that one where the object has moved too far."""
    return other if not other.area or overlap(other, crop) >= SAME_PLACE else crop
