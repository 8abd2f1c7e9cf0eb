"""The undo steps that we made, and the live objects around them.

Here: which of our steps the user has undone or redone.  The viewer has no event for that, but its
lists of steps tell: a step lies in the one for undo as long as it is done, and in the one for redo
after it was undone.  Pixels can't tell, since different steps may leave the same behind.

Not here: writing (``labels_target``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.private_api import histories
from napari_samv2_prompts.masks import Painted, release

if TYPE_CHECKING:
    from napari.layers import Labels

__all__ = ["Live", "UndoSteps", "less"]

Live = Mapping[Plane, Mapping[int, Painted]]
Item = Sequence[Any]
"""A step as the viewer records it: edits, in the order in which they are made or taken back."""


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
    """Our undo steps of a Labels layer.

    Parameters
    ----------
    labels : napari.layers.Labels
    """

    def __init__(self, labels: Labels) -> None:
        self._labels = labels
        self._histories = histories(labels)
        # As many as the viewer can undo; of one that does not tell, what is undone is a hand edit.
        self._done: deque[_Step] = deque(maxlen=self._histories.undo.maxlen)
        self._undone: list[_Step] = []  # the next one to be redone last

    def add(self, item: Item, before: Live, after: Live) -> None:
        """Take note of a step that was just made."""
        self._undone.clear()
        self._done.append(_Step((item[0], item[-1]), before, after))

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
        while self._undone and self._undone[-1].lies_in(undo):
            self._done.append(self._undone.pop())
            live = self._done[-1].after
        if not redo:  # also when something new was done after undoing
            self._undone.clear()
        return live

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

    def change(self, change: Callable[[Live], Live]) -> None:
        """Change the live objects that any step comes back to."""
        for steps in (self._done, self._undone):
            changed = [replace(s, before=change(s.before), after=change(s.after)) for s in steps]
            steps.clear()
            steps.extend(changed)

    def clear(self) -> None:
        """Forget all steps."""
        self._done.clear()
        self._undone.clear()


def less(live: Live, gone: frozenset[int], only: Plane | None) -> Live:
    """Return the live objects without some: on one plane, or on all for None."""
    return {
        plane: release(objects, gone) if only in (None, plane) else objects
        for plane, objects in live.items()
    }
