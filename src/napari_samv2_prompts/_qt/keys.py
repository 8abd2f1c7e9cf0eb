"""Keys of a viewer that our widgets in it share.

A keymap holds what is bound strongly: the keys are unbound when the last of the widgets goes.

Not here: which key does what (``wiring.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["Keys"]

Slot = Callable[..., object]


class _SharedKey:
    """One key of a viewer, for all of our widgets in it: it does what the one used last wants."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []  # the widget used last is the last

    def press(self, viewer: object) -> object:
        """Do it."""
        return self.slots[-1]()


class Keys:
    """Keys bound on one viewer, where nobody else has them.

    Widgets of ours in the same viewer share them; see :meth:`use`.

    Parameters
    ----------
    wanted : iterable of (str, callable)
        A letter, and what it does.
    """

    def __init__(self, viewer: Viewer, wanted: Iterable[tuple[str, Slot]]) -> None:
        self._viewer = viewer
        self._bound: dict[str, tuple[_SharedKey, Slot]] = {}
        taken = {str(key).upper() for key in (*type(viewer).class_keymap, *viewer.keymap)}
        for letter, slot in wanted:
            shared = self._shared(letter)
            if shared is None and letter.upper() not in taken:
                shared = _SharedKey()
                viewer.bind_key(letter, shared.press)
            if shared is not None:
                shared.slots.append(slot)
                self._bound[letter] = shared, slot

    def _shared(self, letter: str) -> _SharedKey | None:
        bound = {str(key).upper(): slot for key, slot in self._viewer.keymap.items()}
        owner = getattr(bound.get(letter.upper()), "__self__", None)
        return owner if isinstance(owner, _SharedKey) else None

    @property
    def letters(self) -> frozenset[str]:
        """The letters that are ours."""
        return frozenset(self._bound)

    @property
    def are_used(self) -> bool:
        """Whether they do what is wanted here, not in another widget."""
        return all(shared.slots[-1] == slot for shared, slot in self._bound.values())

    def use(self) -> None:
        """Have the keys do what is wanted here from now on, and not in another widget."""
        for shared, slot in self._bound.values():
            shared.slots.remove(slot)
            shared.slots.append(slot)

    def close(self) -> None:
        """Unbind what is still ours and no other widget's; idempotent."""
        while self._bound:
            letter, (shared, slot) = self._bound.popitem()
            shared.slots.remove(slot)
            if not shared.slots and self._shared(letter) is shared:
                self._viewer.bind_key(letter, None)
