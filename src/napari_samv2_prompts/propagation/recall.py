"""Following objects from plane to plane with a model's memory.

An object's anchors are remembered as prompted, and the planes behind as followed to; the model then
looks for it on the next plane.  Planes are embedded whole, large ones in less detail.

Here: :class:`Recall`, what a model with a memory offers, and :class:`MemoryFollower`.  It keeps
nothing but what it can make again: the same planes and masks give the same answer.

Not here: the model (handed in), in which order planes are done (``run.py``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import Region

from .patches import without
from .stacks import Embeddings
from .values import Anchors, Guess, History, Stack, key_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMORIES_KEPT = 64


class Recall(Protocol):
    """A model that remembers objects."""

    def remember(self, embedding: Any, mask: NDArray[np.bool_]) -> Any:
        """Return what is remembered of a mask ``(H, W)`` on a plane."""
        ...

    def find(
        self,
        embedding: Any,
        plane: int,
        n_planes: int,
        objects: Sequence[tuple[Mapping[int, Any], Mapping[int, Any]]],
        *,
        reverse: bool,
    ) -> list[tuple[MaskCrop, float, float]]:
        """Return each object's mask, predicted IoU and object score on a plane.

        ``objects`` are what is remembered of each on its anchors, and on planes that were found.
        """
        ...


class MemoryFollower:
    """The method ``"memory"``; see :class:`.Follower`."""

    def __init__(self, stack: Stack, embed: Embeddings, recall: Recall) -> None:
        self._stack, self._embed, self._recall = stack, embed, recall
        self._whole = Region.whole(stack.shape[1:])
        self._memories: OrderedDict[tuple[int, str], Any] = OrderedDict()

    def follow(
        self,
        plane: int,
        histories: Mapping[int, History],
        rivals: Sequence[MaskCrop],
        then: int | None = None,
    ) -> dict[int, Guess]:
        """Find objects on a plane; see :meth:`.Follower.follow`."""
        known = []
        for history in histories.values():
            anchors = {p: self._remembered(p, crop) for p, crop in history.anchors.items()}
            behind = {p: crop for p, crop in history.planes if p not in anchors}
            known.append((anchors, {p: self._remembered(p, c) for p, c in behind.items()}))
        reverse = any(h.planes[-1][0] > plane for h in histories.values())
        ahead = None if then is None else (then, self._whole)
        embedding, _ = self._embed(plane, self._whole, ahead)
        planes = self._stack.shape[0]
        with self._embed.second_thread.beside():
            found = self._recall.find(embedding, plane, planes, known, reverse=reverse)
        guesses = {}
        for number, (crop, score, object_score) in zip(histories, found, strict=True):
            gone = float(1 / (1 + np.exp(np.clip(object_score, -30, 30))))
            doubt = float(np.clip(1 - score, 0, 1))
            guesses[number] = Guess(without(crop, rivals), score, doubt, gone)
        return guesses

    def fitter(self, anchors: Anchors) -> None:
        """Return nothing: the model's masks are left as they are."""

    def _remembered(self, plane: int, crop: MaskCrop) -> Any:
        """Return what is remembered of a mask; those used last are kept."""
        key = key_of(plane, crop)
        if key not in self._memories:
            embedding, region = self._embed(plane, self._whole)
            self._memories[key] = self._recall.remember(embedding, crop.within(region))
            while len(self._memories) > MEMORIES_KEPT:
                self._memories.popitem(last=False)
        self._memories.move_to_end(key)
        return self._memories[key]
