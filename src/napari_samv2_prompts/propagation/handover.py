"""Following objects from plane to plane by handing the last mask over as prompts of the next plane.

For each object: where it moved to as a whole, where each of its pixels went (``correspondence``),
and what the model says to a box, a point and a mask made from that; all of it weighed pixel by
pixel (``evidence``).  Objects are decoded in one batch, and each pixel goes to the one that it
speaks for most.

Here: :class:`HandOver`.  It keeps nothing: the same planes and masks give the same answer.

Not here: in which order planes are done (``run.py``), how sure an answer is (``doubt.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.prompts import MaskCrop, Masks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Region

from .correspondence import REACH, displacement, moved
from .doubt import Looks, judge
from .evidence import FEATURES, NEAR, evidence, features
from .patches import FAR, around, centre, depth, grid_of, pasted, pixels_of, taken, union
from .stacks import Embeddings
from .values import Guess, History, Stack
from .weights import Weights, load

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HandOver"]

MARGIN = 10
"""Least room around an object's last place, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class _Carried:
    """An object on its way to the next plane.

    Attributes
    ----------
    window : Region
        The part of the plane in which it is looked for.
    now, before : array of the window's size
        Grey values; `before` is moved to where the object is now.
    mask, soft : array of the window's size
        The last mask at those pixels, and how much of each pixel came from it.
    anchor : array of the window's size
        The mask of the anchor behind, its middle where that of `soft` is.
    distance : int
        Planes from there.
    """

    window: Region
    now: NDArray[np.float32]
    before: NDArray[np.float32]
    mask: NDArray[np.bool_]
    soft: NDArray[np.float32]
    anchor: NDArray[np.bool_]
    distance: int


class HandOver:
    """The method ``"hand-over"``; see :class:`.Follower`.

    Parameters
    ----------
    stack : Stack
    embed : Embeddings
    decode : callable
        As of a predictor: ``(embedding, batch, multimask_output) -> Masks``.
    weights : mapping, optional
        Others than the fitted ones.
    watch : callable, optional
        Told what was measured, to fit weights to it: ``(plane, object, window, features, looks)``.
    """

    def __init__(
        self,
        stack: Stack,
        embed: Embeddings,
        decode: Callable[[Any, PromptBatch, bool | None], Masks],
        weights: Weights | None = None,
        watch: Callable[[int, int, Region, NDArray[np.float32], Looks], None] | None = None,
    ) -> None:
        self._stack, self._embed, self._decode, self._watch = stack, embed, decode, watch
        self._weights = load() if weights is None else weights

    def follow(
        self, plane: int, histories: Mapping[int, History], rivals: Sequence[MaskCrop]
    ) -> dict[int, Guess]:
        """Find objects on a plane; see :meth:`.Follower.follow`."""
        carried = {n: self._carry(plane, history) for n, history in histories.items()}
        answers = self._answers(plane, carried)
        rival = _rivalry({n: (one.window, one.soft) for n, one in carried.items()}, rivals)
        values = {n: self._features(one, rival[n], answers[n]) for n, one in carried.items()}
        maps = {number: self._evidence(measured) for number, measured in values.items()}
        shares = _shared(maps, {n: one.window for n, one in carried.items()}, rivals)
        guesses = {}
        for number, one in carried.items():
            mask = _main_piece(shares[number], one.soft)
            looks = self._looks(one, mask, maps[number], answers[number])
            if self._watch is not None:
                self._watch(plane, number, one.window, values[number], looks)
            doubt, gone = judge(looks, self._weights)
            score = answers[number][1]
            guesses[number] = Guess(taken(mask, one.window), score, doubt, gone)
        return guesses

    # --- where it went ---

    def _carry(self, plane: int, history: History) -> _Carried:
        shape = self._stack.shape[1:]
        last, crop = history.planes[-1]
        side = max(crop.mask.shape)
        expected = _motion(history)
        reach = min(int(side * 0.25), 8)
        room = reach + max(map(abs, expected)) + REACH
        window = around(crop, MARGIN + side // 4 + room, shape)
        before, now = (self._grey(p, window) for p in (last, plane))
        mask = pasted(crop, window)
        dy, dx = displacement(before, now, mask, expected, reach)
        before, share = _shifted(before, dy, dx), _shifted(mask.astype(np.float32), dy, dx)
        soft = moved(_wide(before), now, _wide(share))
        anchor, distance = _anchor_at(history, plane, soft, window)
        return _Carried(window, now, before, share > 0.5, soft, anchor, distance)

    def _grey(self, plane: int, window: Region) -> NDArray[np.float32]:
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        part = self._stack.read(plane, rows, columns)
        return np.asarray(part if part.ndim == 2 else part.mean(axis=2), np.float32)

    # --- what the model says ---

    def _answers(
        self, plane: int, carried: Mapping[int, _Carried]
    ) -> dict[int, tuple[NDArray[np.float32], float]]:
        """Return each object's logits at its window's pixels, and the predicted IoU."""
        answers = {
            n: (np.full(one.window.size, FAR, np.float32), 0.0) for n, one in carried.items()
        }
        groups = self._embed.together({number: one.window for number, one in carried.items()})
        for numbers in groups:
            extent = union([carried[number].window for number in numbers])
            embedding, region = self._embed(plane, extent)
            prompts = [
                _prompt(number, carried[number], region, embedding.logits_size)
                for number in numbers
            ]
            batch = PromptBatch(tuple(prompt for prompt in prompts if prompt is not None))
            for item in self._decode(embedding, batch, False) if len(batch) else ():
                logits = pixels_of(item.low_res_logits[0], carried[item.object].window, region)
                answers[item.object] = logits, float(item.scores[0])
        return answers

    # --- what is made of it ---

    def _evidence(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        logits = evidence(values, self._weights)
        near = values[FEATURES.index("depth")] > NEAR
        return np.where(near, logits, FAR).astype(np.float32)

    @staticmethod
    def _features(
        one: _Carried,
        rival: NDArray[np.float32],
        answer: tuple[NDArray[np.float32], float],
    ) -> NDArray[np.float32]:
        logits, score = answer
        return features(
            one.soft, rival, logits, score, one.now, one.before, one.mask, one.anchor, one.distance
        )

    @staticmethod
    def _looks(
        one: _Carried,
        mask: NDArray[np.bool_],
        logits: NDArray[np.float32],
        answer: tuple[NDArray[np.float32], float],
    ) -> Looks:
        model, score = answer
        return Looks.of(mask, logits, one.soft, model, score, one.now, one.before, one.mask)


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


def _shifted(maps: NDArray[np.float32], dy: int, dx: int) -> NDArray[np.float32]:
    """Move an array by whole pixels; what comes in is the edge's."""
    h, w = maps.shape
    rows, columns = (np.arange(h) - dy).clip(0, h - 1), (np.arange(w) - dx).clip(0, w - 1)
    return np.asarray(maps[np.ix_(rows, columns)], np.float32)


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


def _wide(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.pad(maps, REACH, mode="edge"), np.float32)


def _prompt(number: int, one: _Carried, region: Region, side: int) -> Prompt | None:
    """Make an object's prompts from where its pixels went; None if it is nowhere."""
    mask = one.soft > 0.5
    if not mask.any():
        return None
    inside = depth(mask)
    y, x = np.unravel_index(int(inside.argmax()), mask.shape)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    off_y, off_x = one.window.top - region.top, one.window.left - region.left
    box = (
        columns[0] - 0.5 + off_x, rows[0] - 0.5 + off_y,
        columns[-1] + 0.5 + off_x, rows[-1] + 0.5 + off_y,
    )  # fmt: skip
    logits = grid_of((inside * 2).clip(-8, 8), one.window, region, side)
    return Prompt.of(number, [(x + off_x, y + off_y)], [1], box, logits)


def _rivalry(
    softs: Mapping[int, tuple[Region, NDArray[np.float32]]], rivals: Sequence[MaskCrop]
) -> dict[int, NDArray[np.float32]]:
    """Return how much of each pixel of an object's window came from another object."""
    whole = union([window for window, _ in softs.values()])
    first, second = np.zeros(whole.size, np.float32), np.zeros(whole.size, np.float32)
    for crop in rivals:
        first[pasted(crop, whole)] = 1
    parts = {}
    for number, (window, soft) in softs.items():
        top, left = window.top - whole.top, window.left - whole.left
        part = slice(top, top + window.size[0]), slice(left, left + window.size[1])
        second[part] = np.maximum(second[part], np.minimum(first[part], soft))
        first[part] = np.maximum(first[part], soft)
        parts[number] = part
    return {
        number: np.where(soft >= first[parts[number]], second[parts[number]], first[parts[number]])
        for number, (_, soft) in softs.items()
    }


def _shared(
    maps: Mapping[int, NDArray[np.float32]],
    windows: Mapping[int, Region],
    rivals: Sequence[MaskCrop],
) -> dict[int, NDArray[np.bool_]]:
    """Give each pixel to the object that it speaks for most, if for any."""
    whole = union(list(windows.values()))
    best = np.zeros(whole.size, np.float32)
    for crop in rivals:
        best[pasted(crop, whole)] = np.inf
    parts = {}
    for number, window in windows.items():
        top, left = window.top - whole.top, window.left - whole.left
        part = best[top : top + window.size[0], left : left + window.size[1]]
        np.maximum(part, maps[number], out=part)
        parts[number] = part
    return {number: (maps[number] > 0) & (maps[number] >= parts[number]) for number in maps}


def _main_piece(mask: NDArray[np.bool_], soft: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Keep the pieces that hold a good part of what was carried here, without small holes."""
    pieces, count = ndimage.label(mask)
    if count > 1:
        held = ndimage.sum_labels(soft, pieces, np.arange(1, count + 1))
        mask = np.isin(pieces, 1 + np.flatnonzero(held >= 0.25 * held.max()))
    holes, count = ndimage.label(~mask)
    if count > 1:
        sizes = np.bincount(holes.ravel())
        small = np.flatnonzero(sizes < max(4, 0.02 * mask.sum()))
        mask = mask | np.isin(holes, small[small > 0])
    return mask
