"""What decoding gives, the low-res logits of one prompt's candidates, and masks of it on a GPU.

A CPU looks for outlines and interpolates nothing else (``enlarge``); a GPU has interpolated all
of a mask's box before it could be told where outlines are, and hands over the answer alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.mask_crops import EMPTY_MASK, Crops, MaskCrop
from napari_samv2_prompts.prompts import ItemMasks

from .enlarge import Taps, covered, crop_mask, remove_small_areas, taps_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOGIT_LIMIT = 32.0
"""Low-res logits are clamped to this before they are given away, as published."""


@dataclass(frozen=True, slots=True, eq=False)
class LowResMasks:
    """The candidates of one prompt before they are enlarged."""

    logits: NDArray[np.float32]  # shape (C, S/4, S/4): as they come, not clamped
    scores: NDArray[np.float32]  # shape (C,)
    object_score: float
    on_gpu: Tensor | None = None  # shape (C, S/4, S/4): the same logits on the GPU that made them
    # Shape (C, n, n): what masks are made of in place of the logits; on a finer grid, or without
    # holes and sprinkles.
    shown: NDArray[np.float32] | None = None

    @property
    def for_masks(self) -> NDArray[np.float32]:
        """The logits that masks are made of, ``(C, n, n)``."""
        return self.logits if self.shown is None else self.shown

    def crop(self, candidate: int, size: tuple[int, int], threshold: float) -> MaskCrop:
        """Enlarge a candidate to ``(height, width)`` and threshold it, where it is."""
        if self.on_gpu is None or self.shown is not None:
            return crop_mask(self.for_masks[candidate], size, threshold)
        return crop_mask_on_gpu(self.on_gpu[candidate], size, threshold)

    def without_small_areas(
        self, threshold: float, max_hole_area: float, max_sprinkle_area: float
    ) -> LowResMasks:
        """Return the same logits, with masks without holes and sprinkles of up to an area."""
        if not (max_hole_area or max_sprinkle_area):
            return self
        finer = (self.for_masks.shape[-1] // self.logits.shape[-1]) ** 2
        areas = finer * max_hole_area, finer * max_sprinkle_area
        cleaned = [remove_small_areas(mask, threshold, *areas) for mask in self.for_masks]
        return replace(self, shown=np.stack(cleaned))

    def as_item(self, number: int, size: tuple[int, int], threshold: float) -> ItemMasks:
        """Return an object's masks at ``(height, width)``.

        The best candidate is made now, the others when they are looked at.
        """
        best = int(np.argmax(self.scores))
        crops = Crops(
            self.crop(n, size, threshold) if n == best else partial(crop_mask, one, size, threshold)
            for n, one in enumerate(self.for_masks)
        )
        logits = self.logits
        # What is returned is clamped, as published; what is enlarged is not.
        if np.abs(logits).max(initial=0) > LOGIT_LIMIT:
            logits = logits.clip(-LOGIT_LIMIT, LOGIT_LIMIT)
        return ItemMasks(number, crops, self.scores, logits, self.object_score)


def crop_mask_on_gpu(logits: Tensor, size: tuple[int, int], threshold: float = 0.0) -> MaskCrop:
    """Enlarge and threshold one mask on its device, cut to its bounding box.

    - `logits`: Tensor of shape (h, w), float32
    - `size`: ``(height, width)`` of the image
    """
    reached = []
    for inside, target in zip(_occupied(logits > threshold), size, strict=True):
        taps = taps_between(len(inside), target)
        reached.append((taps, covered(taps, inside)))
    if any(part.start == part.stop for _, part in reached):
        return EMPTY_MASK
    enlarged = logits
    for axis in (1, 0):
        taps, part = reached[axis]
        enlarged = _along(enlarged, axis, taps.part(part))
    mask = enlarged > threshold
    found = [np.flatnonzero(inside) for inside in _occupied(mask)]
    if not found[0].size:
        return EMPTY_MASK
    (top, bottom), (left, right) = ((int(at[0]), int(at[-1]) + 1) for at in found)
    cut = mask[top:bottom, left:right].contiguous().cpu().numpy()
    return MaskCrop(reached[0][1].start + top, reached[1][1].start + left, cut)


def _occupied(mask: Tensor) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Tell which rows and which columns of a mask are not empty, waiting for the GPU once."""
    both = torch.cat([mask.any(dim=1), mask.any(dim=0)]).cpu().numpy()
    return [both[: len(mask)], both[len(mask) :]]


def _along(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """Interpolate linearly along an axis."""
    low, high = (
        x.index_select(axis, torch.from_numpy(places).to(x.device))
        for places in (taps.low, taps.high)
    )
    weight = torch.from_numpy(taps.weight).to(x.device)
    return torch.lerp(low, high, weight[:, None] if axis == 0 else weight)
