"""Memory for stacks: masks in, masks out, with the image predictor's embeddings.

Not here: films and prompts on them (``video_predictor.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask

from .memory import Memory, MemoryBank
from .track import Tracker


class Recall:
    """What is remembered of masks, and where their objects are on another plane.

    - `computing`: returns the context in which the network computes
    """

    def __init__(
        self, tracker: Tracker, computing: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._tracker, self._computing = tracker, computing

    def remember(self, embedding: Embedding, mask: NDArray[np.bool_]) -> Memory:
        """Return what is remembered of a mask ``(H, W)`` on a plane."""
        with self._computing():
            taken = self._tracker.take_mask(embedding, mask)
            return self._tracker.remember(embedding, [taken], hard=True)[0]

    def find(
        self,
        embedding: Embedding,
        plane: int,
        n_planes: int,
        objects: Sequence[tuple[Mapping[int, Memory], Mapping[int, Memory]]],
        *,
        reverse: bool,
    ) -> list[tuple[MaskCrop, float, float]]:
        """Return each object's mask, predicted IoU and object score on a plane.

        - `embedding`: of the plane
        - `objects`: by plane, what is remembered of each on prompted planes, and on those it was
          found on
        - `reverse`: whether planes are gone through backwards
        """
        banks = [MemoryBank(anchors, found) for anchors, found in objects]
        wanted = [bank.memories(plane, n_frames=n_planes, reverse=reverse) for bank in banks]
        with self._computing():
            answers = self._tracker.track(embedding, wanted)
        size = embedding.image_size
        return [
            (crop_mask(a.logits.float().cpu().numpy(), size), a.score, a.object_score)
            for a in answers
        ]
