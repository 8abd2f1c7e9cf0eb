"""What decoding gives before it is enlarged: the low-res logits of one prompt's candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.prompts import Crops, ItemMasks, MaskCrop

from .enlarge import crop_mask, remove_small_areas
from .gpu_crops import crop_mask_on_gpu

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

LOGIT_LIMIT = 32.0
"""Low-res logits are clamped to this before they are given away, as published."""


@dataclass(frozen=True, slots=True, eq=False)
class LowResMasks:
    """The candidates of one prompt before they are enlarged."""

    logits: NDArray[np.float32]  # shape (C, S/4, S/4): as they come, not clamped
    scores: NDArray[np.float32]  # shape (C,)
    object_score: float
    on_gpu: Tensor | None = None  # shape (C, S/4, S/4): the same logits on the GPU that made them
    # Shape (C, S/4, S/4): what masks are made of in place of the logits, where holes and sprinkles
    # are removed.
    cleaned: NDArray[np.float32] | None = None

    @property
    def for_masks(self) -> NDArray[np.float32]:
        """The logits that masks are made of, ``(C, S/4, S/4)``."""
        return self.logits if self.cleaned is None else self.cleaned

    def crop(self, candidate: int, size: tuple[int, int], threshold: float) -> MaskCrop:
        """Enlarge a candidate to ``(height, width)`` and threshold it, where it is."""
        if self.on_gpu is None or self.cleaned is not None:
            return crop_mask(self.for_masks[candidate], size, threshold)
        return crop_mask_on_gpu(self.on_gpu[candidate], size, threshold)

    def without_small_areas(
        self, threshold: float, max_hole_area: float, max_sprinkle_area: float
    ) -> LowResMasks:
        """Return the same logits, with masks without holes and sprinkles of up to an area."""
        if not (max_hole_area or max_sprinkle_area):
            return self
        areas = max_hole_area, max_sprinkle_area
        cleaned = [remove_small_areas(mask, threshold, *areas) for mask in self.logits]
        return replace(self, cleaned=np.stack(cleaned))

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
