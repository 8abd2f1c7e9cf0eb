"""Following objects from plane to plane by handing the last mask over as prompts of the next plane.

For each object: where it moved to as a whole, where each of its pixels went (``correspondence``),
and what the model says to a box, a point and a mask made from that; all of it weighed pixel by
pixel (``evidence``).  Objects are decoded in one batch, and each pixel goes to the one that it
speaks for most.

Here: :class:`HandOver`.  It keeps nothing: the same planes and masks give the same answer.

Not here: who gets a pixel (``competition.py``), in which order planes are done (``run.py``), how
sure an answer is (``doubt.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.prompts import MaskCrop, Masks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Region

from .competition import from_others, main_components, shared_out
from .correspondence import RADIUS, displacement, moved
from .doubt import Measures, judge
from .evidence import FEATURES, NEAR, evidence, features
from .patches import (
    FAR,
    around,
    as_grey,
    centre,
    depth,
    grid_of,
    pasted,
    pixels_of,
    smoothed,
    taken,
    union,
)
from .stacks import Embeddings
from .values import Anchors, Guess, History, Stack
from .walls import Walls
from .weights import Weights, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 10
"""Room around an object's place, in pixels: it grows by no more than that from plane to plane."""


@dataclass(frozen=True, slots=True, eq=False)
class _Carried:
    """An object on its way to the next plane.

    - `.window`: the part of the plane in which it is looked for
    - `.now`, `.before`: grey values; `before` is moved to where the object is now
    - `.mask`, `.soft`: the last mask at those pixels, and how much of each pixel came from it
    - `.inside`: each pixel's depth in what is more than half from it
    - `.anchor`: the mask of the anchor behind, its middle where that of `soft` is
    - `.distance`: planes from there
    - `.areas`: of that anchor, and of the two last masks
    """

    window: Region
    now: NDArray[np.float32]
    before: NDArray[np.float32]
    mask: NDArray[np.bool_]
    soft: NDArray[np.float32]
    inside: NDArray[np.float32]
    anchor: NDArray[np.bool_]
    distance: int
    areas: tuple[int, int, int]


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
        carried = {n: self._carry(plane, history) for n, history in histories.items()}
        decoded = self._decoded(plane, carried, then)
        rival = from_others({n: (one.window, one.soft) for n, one in carried.items()}, rivals)
        values = {n: self._features(one, rival[n], decoded[n]) for n, one in carried.items()}
        maps = {number: self._evidence(measured) for number, measured in values.items()}
        assigned = shared_out(maps, {n: one.window for n, one in carried.items()}, rivals)
        guesses = {}
        for number, one in carried.items():
            mask = main_components(assigned[number], one.soft)
            measures = self._measures(one, mask, maps[number], decoded[number])
            if self._watch is not None:
                self._watch(plane, number, one.window, values[number], measures)
            doubt, gone = judge(measures, self._weights)
            score = decoded[number][1]
            guesses[number] = Guess(taken(mask, one.window), score, doubt, gone)
        return guesses

    def fitter(self, anchors: Anchors) -> Walls | None:
        """Return the walls between objects, if there are any."""
        return Walls.of(self._stack, anchors)

    # --- where it went ---

    def _carry(self, plane: int, history: History) -> _Carried:
        shape = self._stack.shape[1:]
        last, crop = history.planes[-1]
        expected = _motion(history)
        radius = min(int(max(crop.mask.shape) * 0.25), 8)
        search = around(crop, radius + max(map(abs, expected)), shape)
        before, now = (self._grey(p, search) for p in (last, plane))
        dy, dx = displacement(before, now, pasted(crop, search), expected, radius)
        there = MaskCrop(crop.top + dy, crop.left + dx, crop.mask)
        window = around(there, MARGIN, shape)
        wide = Region(
            window.top - RADIUS, window.left - RADIUS, window.bottom + RADIUS, window.right + RADIUS
        )
        before, now = self._grey(last, wide, dy, dx), self._grey(plane, window)
        soft = moved(before, now, pasted(there, wide).astype(np.float32))
        anchor, distance = _anchor_at(history, plane, soft, window)
        areas = int(anchor.sum()), history.planes[max(-2, -len(history.planes))][1].area, crop.area
        return _Carried(
            window, now, before[RADIUS:-RADIUS, RADIUS:-RADIUS], pasted(there, window), soft,
            depth(soft > 0.5), anchor, distance, areas,
        )  # fmt: skip

    def _grey(self, plane: int, window: Region, dy: int = 0, dx: int = 0) -> NDArray[np.float32]:
        """Return the grey values at a window's pixels of a picture moved by `dy`, `dx`.

        Beyond the plane's edge they are those at the edge.  Noise is smoothed a little.
        """
        _, height, width = self._stack.shape
        rows = (np.arange(window.top - 1, window.bottom + 1) - dy).clip(0, height - 1)
        columns = (np.arange(window.left - 1, window.right + 1) - dx).clip(0, width - 1)
        part = self._stack.read(
            plane, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        )
        return smoothed(as_grey(part)[np.ix_(rows - rows[0], columns - columns[0])])

    # --- what the model says ---

    def _decoded(
        self, plane: int, carried: Mapping[int, _Carried], then: int | None
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
            for item in self._decode(embedding, batch, False) if len(batch) else ():
                logits = pixels_of(item.low_res_logits[0], carried[item.object].window, region)
                decoded[item.object] = logits, float(item.scores[0])
        return decoded

    # --- what is made of it ---

    def _evidence(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = evidence(values, self._weights)
        near = values[FEATURES.index("depth")] > NEAR
        return np.where(near, logits, FAR).astype(np.float32)

    @staticmethod
    def _features(
        one: _Carried, rival: NDArray[np.float32], decoded: tuple[NDArray[np.float32], float]
    ) -> NDArray[np.float32]:
        logits, score = decoded
        return features(
            one.soft, one.inside, rival, logits, score, one.now, one.before, one.mask, one.anchor,
            one.distance,
        )  # fmt: skip

    @staticmethod
    def _measures(
        one: _Carried,
        mask: NDArray[np.bool_],
        logits: NDArray[np.float32],
        decoded: tuple[NDArray[np.float32], float],
    ) -> Measures:
        model, score = decoded
        return Measures.of(
            mask, logits, one.soft, model, score, one.now, one.before, one.mask,
            one.areas, one.distance,
        )  # fmt: skip


def _motion(history: History) -> tuple[int, int]:
    """Extrapolate an object's motion over the planes behind: rows and columns a plane."""
    if len(history.planes) < 2:
        return 0, 0
    (p0, first), (p1, last) = history.planes[0], history.planes[-1]
    if not (first.mask.any() and last.mask.any()):
        return 0, 0
    a, b = centre(first), centre(last)
    dy, dx = ((v - u) / abs(p1 - p0) for u, v in zip(a, b, strict=True))
    return round(dy), round(dx)


def _anchor_at(
    history: History, plane: int, soft: NDArray[np.float32], window: Region
) -> tuple[NDArray[np.bool_], int]:
    """Return the mask of the anchor behind, moved to where the object is, and how far it is."""
    last = history.planes[-1][0]
    behind = [at for at in history.anchors if (at <= last) == (last < plane) or at == last]
    near = min(behind, key=lambda at: abs(at - plane)) if behind else last
    crop = history.anchors.get(near, history.planes[-1][1])
    weight = float(soft.sum())
    if weight < 1 or not crop.area:
        return pasted(crop, window), abs(near - plane)
    rows, columns = soft.sum(axis=1), soft.sum(axis=0)
    y = float((rows * np.arange(len(rows))).sum()) / weight + window.top
    x = float((columns * np.arange(len(columns))).sum()) / weight + window.left
    row, column = centre(crop)
    moved_crop = MaskCrop(crop.top + round(y - row), crop.left + round(x - column), crop.mask)
    return pasted(moved_crop, window), abs(near - plane)


def _prompt(number: int, one: _Carried, region: Region, side: int) -> Prompt | None:
    """Make an object's prompts from where its pixels went; None if it is nowhere."""
    mask = one.soft > 0.5
    if not mask.any():
        return None
    inside = one.inside
    y, x = np.unravel_index(int(inside.argmax()), mask.shape)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    off_y, off_x = one.window.top - region.top, one.window.left - region.left
    box = (
        columns[0] - 0.5 + off_x, rows[0] - 0.5 + off_y,
        columns[-1] + 0.5 + off_x, rows[-1] + 0.5 + off_y,
    )  # fmt: skip
    logits = grid_of((inside * 2).clip(-8, 8), one.window, region, side)
    return Prompt.of(number, [(x + off_x, y + off_y)], [1], box, logits)
