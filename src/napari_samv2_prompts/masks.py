"""Which label each pixel of a plane gets, as pure functions on masks cut to their boxes.

Here: :class:`Painted` (what one live object holds on a plane, and what lies under it) and the rules
by which the live objects of a plane, existing labels and the user's own edits share the pixels.

The rules, in the words of the user guide:

1. An object is *live* as long as its prompts are there.  Where live objects overlap, the one that
   was predicted last is on top; of objects predicted together, the smaller one.
2. Labels that were there before (drawn by hand, accepted, from another program) are kept, unless
   the policy is "replace".  With "background", live objects don't overlap each other either.
3. A live object remembers what it covers.  When it shrinks, moves or goes, that comes back, but
   not to an object that the user has corrected since (:func:`as_seen`).
4. A pixel of a live object that the user edits by hand is the user's from then on, for as long as
   the object's mask covers it.
5. A label that is kept is never covered, whatever the policy.
6. A label that was there becomes a live object when it is refined (:func:`unfreeze`), with nothing
   under it; a live object that is let go of becomes a label that was there (:func:`freeze`), also
   where others cover it at the moment.

Work and memory go with the boxes of the masks, never with the size of the plane.

Not here: layers, undo, dtypes (``layers.labels_target``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.mask_crops import MaskCrop

# Having one more region written takes a viewer as long as looking at about this many more pixels.
EDIT_COST = 200_000

Policy = Literal["keep", "replace", "background"]
Box = tuple[int, int, int, int]  # half open: top, left, bottom, right
Live = Mapping[int, "Painted"]


@dataclass(frozen=True, slots=True, eq=False)
class Painted:
    """What one live object has on a plane."""

    label: int  # the object's number, which is its label
    rank: int  # where objects overlap, the one of higher rank is seen
    # Row and column of the arrays' first pixel on the plane.
    top: int
    left: int
    # Shape (h, w): pixels that belong to the object, seen or covered by other live objects.
    owned: NDArray[np.bool_]
    # Shape (h, w): what each owned pixel was before any live object owned it.
    covered: NDArray[np.integer[Any]]
    # Shape (h, w): pixels of the object's mask that the user has edited by hand.
    edited: NDArray[np.bool_]
    # What an unfrozen label was before: the same comes back when the object goes.
    origin: MaskCrop | None = None

    @property
    def box(self) -> Box:
        """Half-open box ``(top, left, bottom, right)`` on the plane."""
        height, width = self.owned.shape
        return self.top, self.left, self.top + height, self.left + width


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """Pixels of a plane to be written, none of which has its new value already."""

    # Shape (N,).
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: NDArray[np.integer[Any]]  # shape (N,)


Read = Callable[[Box], "NDArray[np.integer[Any]]"]


def respect_edits(read: Read, live: Live, boxes: Iterable[Box]) -> dict[int, Painted]:
    """Return the live objects with what the user has edited since in mind.

    An owned pixel that no longer shows what was painted becomes an edited one, unless the object's
    own label was painted there over others.  An edited pixel that shows the object's label again
    (the edit was undone) is owned again, also by objects that lie below and were edited there too.

    - `read`: ``(top, left, bottom, right) -> labels`` as they are now on the plane
    - `boxes`: only objects that reach into one of these are looked at
    """
    stack = _Stack(live)
    checked = dict(live)
    for painted in {p.label: p for box in boxes for p in stack.near(box)}.values():
        now = read(painted.box)
        other = (now != stack.over(painted.box, now)) & (now != painted.label)
        edited = painted.owned & other
        again = painted.edited & stack.given_back(painted, now)
        if edited.any() or again.any():
            owned = painted.owned & ~edited | again
            edited = (painted.edited | edited) & ~owned
            checked[painted.label] = replace(painted, owned=owned, edited=edited)
    return checked


def paint(
    read: Read,
    live: Live,
    masks: Mapping[int, MaskCrop | None],
    policy: Policy,
    next_rank: int,
    kept: frozenset[int] = frozenset(),
) -> dict[int, Painted]:
    """Return the live objects after some of them got new masks, without writing anything.

    - `read`: ``(top, left, bottom, right) -> labels`` as they are now on the plane
    - `live`: from :func:`respect_edits`
    - `masks`: new masks of new or live objects; None for objects that go
    - `policy`: {"keep", "replace", "background"}
    - `next_rank`: higher than all ranks so far; each mask takes one more
    - `kept`: labels that no mask may cover
    """
    after = {number: painted for number, painted in live.items() if number not in masks}
    old, others = _Stack(live), _Stack(after)
    new = [(number, mask) for number, mask in masks.items() if mask is not None]
    new.sort(key=lambda item: -item[1].area)  # the smallest ends up on top
    for rank, (number, mask) in enumerate(new, start=next_rank):
        now = read(mask.box)
        covered = old.uncovered(mask.box, now)
        edited = np.zeros(mask.mask.shape, dtype=bool)
        if number in live:
            _paste(edited, mask.box, live[number], live[number].edited)
            # Should the edit be undone, the pixel is the object's again with what was under it.
            _paste(covered, mask.box, live[number], live[number].covered, live[number].edited)
            edited &= mask.mask
        owned = mask.mask & ~edited
        if policy != "replace":
            owned &= covered == 0
        if policy == "background":
            owned &= ~others.owned(mask.box)
        if kept:
            owned &= ~np.isin(now, list(kept)) & ~np.isin(covered, list(kept))
        origin = live[number].origin if number in live else None
        after[number] = Painted(number, rank, mask.top, mask.left, owned, covered, edited, origin)
    return after


def as_seen(read: Read, live: Live, objects: frozenset[int]) -> dict[int, Painted]:
    """Return the live objects, some without what others cover of them.

    - `read`: ``(top, left, bottom, right) -> labels`` as they are now on the plane
    - `live`: from :func:`respect_edits`
    - `objects`: those that are to be no more than is seen of them
    """
    seen = dict(live)
    for number in objects & live.keys():
        painted = live[number]
        owned = painted.owned & (read(painted.box) == number)
        if (owned != painted.owned).any():
            seen[number] = replace(painted, owned=owned)
    return seen


def unfreeze(read: Read, live: Live, label: int, origin: MaskCrop) -> dict[int, Painted]:
    """Return the live objects with a label that was there as one more, below all others.

    - `read`: ``(top, left, bottom, right) -> labels`` as they are now on the plane
    - `live`: from :func:`respect_edits`
    - `origin`: the pixels that show the label
    """
    box = origin.box
    now = read(box)
    owned = _Stack(live).uncovered(box, now) == label
    rank = min((painted.rank for painted in live.values()), default=0) - 1
    nothing = np.zeros_like(now)
    new = Painted(label, rank, box[0], box[1], owned, nothing, np.zeros_like(owned), origin)
    return {**relabelled(live, label, 0), label: new}


def freeze(live: Live, labels: Iterable[int]) -> dict[int, Painted]:
    """Return the live objects without some, which become labels that were there.

    Objects that lie over them find them under themselves; objects below give up what they cover.
    """
    gone = {number: live[number] for number in labels if number in live}
    if not gone:
        return dict(live)
    ground, kept = _Stack(gone), {}
    for number, painted in live.items():
        if number in gone:
            continue
        covered = ground.over(painted.box, painted.covered)
        lost = painted.owned & ground.owned(painted.box, above=painted.rank)
        if lost.any() or not np.array_equal(covered, painted.covered):
            edited = painted.edited | lost
            painted = replace(painted, owned=painted.owned & ~lost, covered=covered, edited=edited)
        kept[number] = painted
    return kept


def relabelled(live: Live, old: int, new: int) -> dict[int, Painted]:
    """Return the live objects with one label under them replaced by another."""
    return {
        number: replace(painted, covered=np.where(painted.covered == old, new, painted.covered))
        if (painted.covered == old).any()
        else painted
        for number, painted in live.items()
    }


def edits(read: Read, before: Live, after: Live) -> Iterator[Edit]:
    """Yield what to write so that the plane shows ``after`` where it showed ``before``.

    Reads each region just before its edit is yielded, so write an edit before taking the next one.
    Pixels whose value stays, also those that the user has edited, are in no edit.

    - `read`: ``(top, left, bottom, right) -> labels`` as they are now on the plane
    """
    old, new = _Stack(before), _Stack(after)
    changed = [n for n in {**before, **after} if before.get(n) is not after.get(n)]
    boxes = [state[n].box for n in changed for state in (before, after) if n in state]
    for group in _grouped([box for box in boxes if _area(box)]):
        # Box by box also where they are written as one: what is small stays in the cache.
        parts = [_differences(read, old, new, box, group[:n]) for n, box in enumerate(group)]
        rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        if values.size:
            yield Edit(rows, columns, values)


def _differences(
    read: Read, old: _Stack, new: _Stack, box: Box, done: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.integer[Any]]]:
    """Return rows, columns and values to be written in a box, but not in boxes that are done."""
    now = read(box)
    then = new.over(box, old.uncovered(box, now))
    differs = then != now
    for top, left, bottom, right in done[_meet(done, box)]:
        rows = slice(max(top - box[0], 0), bottom - box[0])
        differs[rows, max(left - box[1], 0) : right - box[1]] = False
    # Places as single numbers: numpy finds and reads them several times faster than as pairs.
    places = np.flatnonzero(differs)
    row = places // differs.shape[1]
    return row + box[0], places - row * differs.shape[1] + box[1], then.ravel()[places]


class _Stack:
    """The live objects of a plane, lowest rank first, looked up by where they are."""

    def __init__(self, live: Live) -> None:
        self._objects = sorted(live.values(), key=lambda painted: painted.rank)
        self._boxes = np.array([painted.box for painted in self._objects]).reshape(-1, 4)

    def near(self, box: Box) -> list[Painted]:
        """Return the objects that reach into a box."""
        return [self._objects[i] for i in np.flatnonzero(_meet(self._boxes, box))]

    def uncovered(self, box: Box, now: NDArray[Any]) -> NDArray[Any]:
        """Return the labels in a box as they would be without the objects."""
        out = now.copy()
        for painted in self.near(box):
            _paste(out, box, painted, painted.covered, painted.owned)
        return out

    def over(self, box: Box, ground: NDArray[Any]) -> NDArray[Any]:
        """Return the labels in a box with the objects laid over the ground."""
        out = ground.copy()
        for painted in self.near(box):
            _paste(out, box, painted, painted.label, painted.owned)
        return out

    def given_back(self, painted: Painted, now: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell where an object's box shows it, or one above it, though that was edited there."""
        out = np.zeros(now.shape, dtype=bool)
        if not painted.edited.any():
            return out
        for other in self.near(painted.box):
            if other.rank >= painted.rank and other.edited.any():
                edited = np.zeros(now.shape, dtype=bool)
                _paste(edited, painted.box, other, other.edited)
                out |= edited & (now == other.label)
        return out

    def owned(self, box: Box, above: float = -math.inf) -> NDArray[np.bool_]:
        """Tell which pixels of a box are owned by any of the objects above a rank."""
        out = np.zeros((box[2] - box[0], box[3] - box[1]), dtype=bool)
        for painted in self.near(box):
            if painted.rank > above:
                _paste(out, box, painted, True, painted.owned)
        return out


def _paste(
    out: NDArray[Any],
    box: Box,
    painted: Painted,
    values: NDArray[Any] | int,
    where: NDArray[np.bool_] | None = None,
) -> None:
    """Copy values of an object into the array of a box, where the two overlap (and ``where``)."""
    own = painted.box
    top, left = max(box[0], own[0]), max(box[1], own[1])
    bottom, right = max(top, min(box[2], own[2])), max(left, min(box[3], own[3]))
    there = np.s_[
        top - painted.top : bottom - painted.top, left - painted.left : right - painted.left
    ]
    here = out[top - box[0] : bottom - box[0], left - box[1] : right - box[1]]
    new = values[there] if isinstance(values, np.ndarray) else values
    np.copyto(here, new, where=True if where is None else where[there], casting="unsafe")


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _meet(boxes: NDArray[np.intp], box: Box) -> NDArray[np.bool_]:
    """Tell which of many boxes ``(N, 4)`` have pixels in common with one."""
    top, left, bottom, right = boxes.T
    meet: NDArray[np.bool_] = (
        (top < box[2]) & (bottom > box[0]) & (left < box[3]) & (right > box[1])
    )
    return meet


def _grouped(boxes: list[Box]) -> list[NDArray[np.intp]]:
    """Return boxes that are written together: all, if showing all between them is less work."""
    if not boxes:
        return []
    every = np.array(boxes)
    top, left = every[:, :2].min(axis=0)
    bottom, right = every[:, 2:].max(axis=0)
    each_alone = sum(_area(box) for box in boxes) + EDIT_COST * (len(boxes) - 1)
    together = (bottom - top) * (right - left) <= each_alone
    return [every] if together else [box[None] for box in every]
