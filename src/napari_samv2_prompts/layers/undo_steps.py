"""The undo steps that we made, and the live objects around them.

Here: which of our steps the user has undone or redone.  The viewer has no event for that, but its
lists of steps tell: a step lies in the one for undo as long as it is done, and in the one for redo
after it was undone.  Pixels can't tell, since different steps may leave the same behind.

Not here: writing (``labels_target``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.private_api import histories
from napari_samv2_prompts.masks import Painted, freeze

if TYPE_CHECKING:
    from napari.layers import Labels

Objects = Mapping[int, Painted]
Live = Mapping[Plane, Objects]
Change = Callable[[Objects], Objects]
Item = Sequence[Any]
"""A step as the viewer records it: edits, in the order in which they are made or taken back."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class OpenStep:
    """A step that more can be written into; see :meth:`UndoSteps.joined_into`."""

    first: object = None  # the edit that it begins with
    undone: bool = False  # by the user, who may redo it


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One undo step that we made: an edit at either end of it, and the live objects around it."""

    ends: tuple[object, object]
    before: Live
    after: Live

    def lies_in(self, items: deque[Item]) -> bool:
        one, other = self.ends
        return any(
            (item[0] is one and item[-1] is other) or (item[0] is other and item[-1] is one)
            for item in items
        )


class UndoSteps:
    """Our undo steps of a Labels layer."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._histories = histories(labels)
        # As many as the viewer can undo; of one that does not tell, what is undone is a hand edit.
        self._done: deque[_Step] = deque(maxlen=self._histories.undo.maxlen)
        self._undone: list[_Step] = []  # the next one to be redone last
        self._begun: WeakSet[OpenStep] = WeakSet()

    def add(self, item: Item, before: Live, after: Live) -> None:
        """Take note of a step that was just made."""
        self._undone.clear()
        self._done.append(_Step((item[0], item[-1]), before, after))

    @contextmanager
    def joined_into(self, into: OpenStep) -> Iterator[None]:
        """Make the step that is written meanwhile, if any, part of an earlier one.

        What the user painted in between stays steps of its own, to be undone before.
        """
        undo = histories(self._labels).undo
        oldest = self._oldest()
        last = undo[-1] if undo else None
        yield
        if not undo or undo[-1] is last:  # a viewer that keeps no steps undoes nothing anyway
            return
        if into.first is None:
            into.first = undo[-1][0]
            self._begun.add(into)
        else:
            self._merge_last(into.first, oldest)

    def is_open(self, step: OpenStep) -> bool:
        """Tell whether more can be written into a step: it can be undone."""
        undo, first = histories(self._labels).undo, step.first
        return first is None or any(
            step.ends[0] is first and step.lies_in(undo) for step in self._done
        )

    def _oldest(self) -> tuple[Item | None, _Step | None]:
        """Return what full lists forget when one more step is made."""
        undo = histories(self._labels).undo
        item = undo[0] if undo and len(undo) == undo.maxlen else None
        return item, self._done[0] if self._done and len(self._done) == self._done.maxlen else None

    def _merge_last(self, first: object, oldest: tuple[Item | None, _Step | None]) -> None:
        """Make the step that was made last part of one that begins with an edit.

        What full lists forgot for it (:meth:`_oldest`) is remembered again.
        """
        undo = histories(self._labels).undo
        added, item = self._done.pop(), undo.pop()
        if oldest[0] is not None:
            undo.appendleft(oldest[0])
        if oldest[1] is not None:
            self._done.appendleft(oldest[1])
        place = next(i for i, step in enumerate(self._done) if step.ends[0] is first)
        step = self._done[place]
        into = next(one for one in undo if one[0] is step.ends[0] and one[-1] is step.ends[1])
        assert isinstance(into, list)
        into.extend(item)
        grow = partial(_with_difference, before=added.before, after=added.after)
        self._done[place] = _Step((into[0], into[-1]), step.before, grow(step.after))
        for later in range(place + 1, len(self._done)):
            after = self._done[later]
            self._done[later] = replace(after, before=grow(after.before), after=grow(after.after))

    def followed(self, live: Live) -> Live:
        """Return the live objects after what the user has undone and redone since."""
        undo, redo = now = histories(self._labels)
        if not (now.undo is self._histories.undo and now.redo is self._histories.redo):
            # The viewer has begun new ones, and can't come back to any of our steps.
            self._histories = now
            self.clear()
        while self._done and self._was_undone(self._done[-1], undo, redo):
            self._undone.append(self._done.pop())
            live = self._undone[-1].before
            self._note(self._undone[-1], undone=True)
        while self._undone and self._undone[-1].lies_in(undo):
            self._done.append(self._undone.pop())
            live = self._done[-1].after
            self._note(self._done[-1], undone=False)
        if not redo:  # also when something new was done after undoing
            self._undone.clear()
        return live

    def _note(self, step: _Step, *, undone: bool) -> None:
        for begun in self._begun:
            if begun.first is step.ends[0]:
                begun.undone = undone

    def _was_undone(self, step: _Step, undo: deque[Item], redo: deque[Item]) -> bool:
        if step.lies_in(redo):
            return True
        # A full list forgets its oldest steps; else one that is in neither can't be redone any
        # more, since something else was done after it was undone.
        return len(undo) != undo.maxlen and not step.lies_in(undo)

    def join(self, live: Live) -> None:
        """Have undo and redo come back to what changed without a pixel: an object under others."""
        if self._done:
            self._done[-1] = replace(self._done[-1], after=live)
        if self._undone:
            self._undone[-1] = replace(self._undone[-1], before=live)

    def let_go(self, live: Live, gone: frozenset[int], only: Plane | None) -> Live:
        """Return live objects less some, which no step brings back to life either.

        - `only`: where they go; on all planes for None
        """

        def less(objects: Objects) -> Objects:
            return objects if gone.isdisjoint(objects) else freeze(objects, gone)

        return self._changed(live, less, only)

    def converted(self, live: Live, dtype: np.dtype[Any]) -> Live:
        """Return live objects as they are in data of another dtype, in which all steps are too.

        An object whose number the dtype can't hold is live no longer.
        """
        highest, one = np.iinfo(dtype).max, cache(partial(_converted, dtype=dtype))
        return self._changed(
            live, lambda objects: {n: one(p) for n, p in objects.items() if n <= highest}
        )

    def _changed(self, live: Live, change: Change, only: Plane | None = None) -> Live:
        """Change live objects, those around all steps too.

        - `only`: on which plane; on all for None
        """
        changed = partial(_with_change, change=change, only=only, known={})
        for steps in (self._done, self._undone):
            new = [replace(s, before=changed(s.before), after=changed(s.after)) for s in steps]
            steps.clear()
            steps.extend(new)
        return changed(live)

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()


def _with_difference(live: Live, before: Live, after: Live) -> Live:
    """Return live objects with what a step changed in them."""
    changed = dict(live)
    for plane in before.keys() | after.keys():
        old, new = before.get(plane, {}), after.get(plane, {})
        if old is new:
            continue
        objects = {n: painted for n, painted in changed.get(plane, {}).items() if n not in old}
        unchanged = {n: p for n, p in changed.get(plane, {}).items() if old.get(n) is new.get(n)}
        changed[plane] = {**objects, **unchanged, **{
            n: painted for n, painted in new.items() if old.get(n) is not painted
        }}  # fmt: skip
    return changed


def _with_change(
    live: Live, change: Change, only: Plane | None, known: dict[int, tuple[Objects, Objects]]
) -> Live:
    """Return live objects after a change, without planes on which none is left.

    A hundred steps share the objects of most planes, and are to go on sharing them: `known` are the
    objects by their id, so that these do not pass to others, and what became of them.
    """
    left = {}
    for plane, objects in live.items():
        if only in (None, plane):
            if id(objects) not in known:
                known[id(objects)] = objects, change(objects)
            objects = known[id(objects)][1]
        if objects:
            left[plane] = objects
    return left


def _converted(painted: Painted, dtype: np.dtype[Any]) -> Painted:
    """Return an object in data of another dtype; a label under it that can't be there is gone."""
    covered = painted.covered.astype(dtype)
    covered[covered != painted.covered] = 0
    return replace(painted, covered=covered)
