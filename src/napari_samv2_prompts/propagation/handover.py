"""Following objects from plane to plane by handing the last mask over as prompts of the next plane.

For each object: where it and each of its pixels went (``carrying``), and what the model says to a
box, a point and a mask made from that; all of it weighed pixel by pixel (``evidence``).  Objects
are decoded in one batch, and each pixel goes to the one that it speaks for most.

Here: :class:`HandOver`.  It keeps nothing: the same planes and masks give the same answer.

Not here: who gets a pixel (``competition.py``), in which order planes are done (``run.py``), how
sure an answer is (``doubt.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Region, union

from .carrying import Carried, carry
from .competition import from_others, main_components, shared_out, without_others
from .doubt import Measures, judge
from .evidence import FEATURES, NEAR, evidence, features
from .patches import FAR, grid_of, pixels_of
from .smoothing import Smoothing
from .stacks import Embeddings
from .values import Anchors, Guess, History, Stack
from .walls import Walls
from .weights import Weights, load

if TYPE_CHECKING:
    from numpy.typing import NDArray


class HandOver:
    """The method ``"hand-over"``; see :class:`.Follower`.

    - `decode`: as of a predictor: ``(embedding, batch, multimask_output) -> Masks``
    - `weights`: others than the fitted ones
    - `watch`: told what was measured, to fit weights to it: ``(plane, object, window, features,
      measures)``
    """

    def __init__(
        self,
        stack: Stack,
        embed: Embeddings,
        decode: Callable[[Any, PromptBatch, bool | None], Masks],
        weights: Weights | None = None,
        watch: Callable[[int, int, Region, NDArray[np.float32], Measures], None] | None = None,
    ) -> None:
        self._stack, self._embed, self._decode, self._watch = stack, embed, decode, watch
        self._weights = load() if weights is None else weights

    def follow(
        self,
        plane: int,
        histories: Mapping[int, History],
        rivals: Sequence[MaskCrop],
        then: int | None = None,
    ) -> dict[int, Guess]:
        """Find objects on a plane; see :meth:`.Follower.follow`."""
        carried = {n: carry(self._stack, plane, history) for n, history in histories.items()}
        decoded = self._decoded(plane, carried, then)
        rival = from_others({n: (one.window, one.soft) for n, one in carried.items()}, rivals)
        values = {n: features(one, rival[n], *decoded[n]) for n, one in carried.items()}
        maps = {number: self._evidence(measured) for number, measured in values.items()}
        windows = {number: one.window for number, one in carried.items()}
        assigned = shared_out(maps, windows, rivals)
        masks = {n: main_components(assigned[n], one.soft) for n, one in carried.items()}
        masks = without_others(masks, assigned, windows, rivals)
        guesses = {}
        for number, one in carried.items():
            mask = masks[number]
            measures = Measures.of(one, mask, maps[number], *decoded[number])
            if self._watch is not None:
                self._watch(plane, number, one.window, values[number], measures)
            doubt, gone = judge(measures, self._weights)
            crop = cropped(mask, one.window.top, one.window.left)
            guesses[number] = Guess(crop, decoded[number][1], doubt, gone)
        return guesses

    def fitter(self, anchors: Anchors) -> Walls | Smoothing:
        """Return the walls between objects; where there are none, what smooths masks."""
        return Walls.of(self._stack, anchors) or Smoothing(self._stack.shape[1:])

    def _decoded(
        self, plane: int, carried: Mapping[int, Carried], then: int | None
    ) -> dict[int, tuple[NDArray[np.float32], float]]:
        """Return each object's logits at its window's pixels, and the predicted IoU."""
        decoded = {
            n: (np.full(one.window.size, FAR, np.float32), 0.0) for n, one in carried.items()
        }
        groups = self._embed.together({number: one.window for number, one in carried.items()})
        extents = [union([carried[number].window for number in group]) for group in groups]
        asked = [(plane, extent) for extent in extents]
        if then is not None:
            asked += [(then, extent) for extent in extents[:1]]
        for numbers, extent, ahead in zip_longest(groups, extents, asked[1 : len(groups) + 1]):
            embedding, region = self._embed(plane, extent, ahead)
            embedding = embedding.from_afar()  # looking closer would take longer than all else
            prompts = [
                _prompt(number, carried[number], region, embedding.logits_size)
                for number in numbers
            ]
            batch = PromptBatch(tuple(prompt for prompt in prompts if prompt is not None))
            with self._embed.second_thread.beside():
                answers = self._decode(embedding, batch, False) if len(batch) else ()
            for item in answers:
                logits = pixels_of(item.low_res_logits[0], carried[item.object].window, region)
                decoded[item.object] = logits, float(item.scores[0])
        return decoded

    def _evidence(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = evidence(values, self._weights)
        near = values[FEATURES.index("depth")] > NEAR
        return np.where(near, logits, FAR).astype(np.float32)


def _prompt(number: int, one: Carried, region: Region, side: int) -> Prompt | None:
    """Make an object's prompts from where its pixels went; None if it is nowhere."""
    crop = cropped(one.soft > 0.5)
    if not crop.area:
        return None
    top, left, bottom, right = crop.box
    y, x = np.unravel_index(int(one.inside.argmax()), one.inside.shape)
    off_y, off_x = one.window.top - region.top, one.window.left - region.left
    box = np.array((left + off_x, top + off_y, right + off_x, bottom + off_y)) - 0.5
    logits = grid_of((one.inside * 2).clip(-8, 8), one.window, region, side)
    return Prompt.of(number, [(x + off_x, y + off_y)], [1], box, logits)
