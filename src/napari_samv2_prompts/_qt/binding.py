"""Connections to the viewer as lists that can be undone: event emitters and keys.

Emitters hold bound methods weakly, keymaps strongly; either way the lists here are walked at
teardown, so that nothing of ours is called or kept alive afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["Connections", "Keys"]

Slot = Callable[..., object]


class Connections:
    """A list of (emitter, slot), connected when added and disconnected together.

    Slots are bound methods, never lambdas, so that an emitter can't keep their owner alive.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Slot]] = []

    def add(self, slot: Slot, *emitters: Any) -> None:
        """Connect one slot to emitters of napari or psygnal."""
        for emitter in emitters:
            emitter.connect(slot)
            self._pairs.append((emitter, slot))

    def close(self) -> None:
        """Disconnect everything; idempotent."""
        while self._pairs:
            emitter, slot = self._pairs.pop()
            emitter.disconnect(slot)


class Keys:
    """Keys bound on one viewer, where nobody else has them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    wanted : iterable of (str, callable)
        A letter, and what it does: called with the viewer.
    """

    def __init__(self, viewer: Viewer, wanted: Iterable[tuple[str, Slot]]) -> None:
        self._viewer = viewer
        self._bound: dict[str, Slot] = {}
        taken = {str(key).upper() for key in (*type(viewer).class_keymap, *viewer.keymap)}
        for letter, slot in wanted:
            if letter.upper() not in taken:
                viewer.bind_key(letter, slot)
                self._bound[letter] = slot

    @property
    def letters(self) -> frozenset[str]:
        """The letters that are ours."""
        return frozenset(self._bound)

    def close(self) -> None:
        """Unbind what is still ours; idempotent."""
        ours = {str(key): slot for key, slot in self._viewer.keymap.items()}
        while self._bound:
            letter, slot = self._bound.popitem()
            if ours.get(letter) == slot:
                self._viewer.bind_key(letter, None)
