"""What a user sees of a frame: the objects' logits at the film's size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.samv2.inference.enlarge import remove_small_areas, upsample

from .state import VideoState
from .tracked import NO_OBJECT

Result = tuple[int, list[int], NDArray[np.float32]]
"""A frame, the objects' numbers, and their logits ``(objects, 1, H, W)``; above 0 is object."""

_FILL_MARGIN = 0.1  # filled holes lie this far above the threshold, as published for videos
_APART = -10.0  # logits of an object where another one is surer


@dataclass(frozen=True, slots=True)
class Output:
    """How logits are given away; none of it reaches what is remembered."""

    threshold: float = 0.0  # logit above which is object; it becomes 0
    # Holes are filled and specks removed up to this area, in cells of the low-res logits.
    max_hole_area: float = 0.0
    max_sprinkle_area: float = 0.0
    apart: bool = False  # whether a pixel belongs to one object at most

    def result(self, state: VideoState, frame: int) -> Result:
        """Return the logits of all objects on a frame, with the frame and the objects' numbers."""
        return frame, state.obj_ids, self.logits(state, frame)

    def logits(self, state: VideoState, frame: int) -> NDArray[np.float32]:
        """Return the logits of all objects on a frame, ``(objects, 1, H, W)``."""
        logits = np.full((len(state.objects), 1, *state.size), NO_OBJECT, np.float32)
        for row, item in enumerate(state.objects.values()):
            known = item.logits(frame)
            if known is not None:
                logits[row, 0] = self._whole(known.float().cpu().numpy(), state.size)
        if self.apart and len(logits) > 1:
            other = logits.argmax(axis=0) != np.arange(len(logits))[:, None, None, None]
            logits = np.where(other, np.minimum(logits, np.float32(_APART)), logits)
        return logits

    def _whole(self, low_res: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """Enlarge the logits of one object, with small areas removed, to the film's size."""
        areas = self.max_hole_area, self.max_sprinkle_area
        if any(areas):
            low_res = remove_small_areas(low_res, self.threshold, *areas, margin=_FILL_MARGIN)
        return upsample(low_res, size) - np.float32(self.threshold)
