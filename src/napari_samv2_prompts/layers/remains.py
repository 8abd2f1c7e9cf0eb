"""What propagation left of objects on the planes of a Labels layer, whatever was undone since.

Not here: what an anchor is (``anchors``), what is written and removed (``stack_labels``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.propagation import Found, Section

from .anchors import is_untouched, read_mask

Left = tuple[MaskCrop, Section]
"""The pixels that the layer took of a found section."""

LATEST = 16
"""So many of them are remembered of an object on a plane: runs that undo may come back to."""


class Remains:
    """The pixels that were left of each object on each plane, as they are now and were before."""

    def __init__(self) -> None:
        self._now: dict[int, dict[int, MaskCrop]] = {}
        self._known: dict[int, dict[int, tuple[Left, ...]]] = {}  # the latest last

    @property
    def now(self) -> Mapping[int, Mapping[int, MaskCrop]]:
        """By object and place along the axis, what stands there or was changed by the user."""
        return self._now

    def at(self, number: int, place: int) -> MaskCrop | None:
        """Return what was left of an object on a plane, None if it was not found there."""
        return self._now.get(number, {}).get(place)

    def note(self, number: int, place: int, left: MaskCrop, section: Section) -> None:
        """Take note of what was just written."""
        self._now.setdefault(number, {})[place] = left
        known = self._known.setdefault(number, {})
        known[place] = (*known.get(place, ()), (left, section))[-LATEST:]

    def drop(self, number: int, place: int) -> None:
        """Take it that an object was removed from a plane, which can be undone."""
        self._now.get(number, {}).pop(place, None)

    def forget(self, number: int) -> None:
        """Take all that was left of an object for the user's own."""
        self._now.pop(number, None)
        self._known.pop(number, None)

    def follow_undo(self, data: Any, planes: Sequence[Plane], found: Found) -> None:
        """Take sections to where undo and redo took the pixels; forget those that are gone.

        - `data`: of the Labels layer
        - `found`: changed in place
        """
        for number, places in list(self._known.items()):
            for place, known in list(places.items()):
                stands = _standing(data, planes[place], number, known)
                if stands is not None:
                    self._now.setdefault(number, {})[place] = stands[0]
                    found.sections.setdefault(number, {})[place] = stands[1]
                elif not _is_seen(data, planes[place], number, self.at(number, place)):
                    self.drop(number, place)
                    found.sections.get(number, {}).pop(place, None)


def _standing(data: Any, plane: Plane, number: int, known: Sequence[Left]) -> Left | None:
    """Return the latest of what was left that is still seen, and that nobody has touched."""
    for left in reversed(known):
        if _is_seen(data, plane, number, left[0]) and is_untouched(data, plane, number, left[0]):
            return left
    return None


def _is_seen(data: Any, plane: Plane, number: int, left: MaskCrop | None) -> bool:
    return left is not None and bool(read_mask(data, plane, number, left).mask.any())
