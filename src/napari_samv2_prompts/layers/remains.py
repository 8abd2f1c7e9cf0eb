"""What propagation found of objects on the planes of a Labels layer, and left of them there.

What a run found stands as long as the run was not undone; so does what was removed.

Not here: what an anchor is (``anchors``), what is written and removed (``stack_labels``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import End, EndKey, Found, Section

from .anchors import read_mask
from .undo_steps import OpenStep

LATEST = 16
"""So many versions of an object on a plane are remembered: runs that undo may come back to."""


@dataclass(frozen=True, slots=True, eq=False)
class _Version:
    """What a step made of an object on a plane.

    - `.section`: None where it was removed
    - `.left`: the pixels that the layer took of it, None where the user had the object there
    """

    step: OpenStep
    section: Section | None = None
    left: MaskCrop | None = None


class Remains:
    """The pixels that were left of each object on each plane."""

    def __init__(self) -> None:
        self._now: dict[int, dict[int, MaskCrop]] = {}
        self._versions: dict[int, dict[int, tuple[_Version, ...]]] = {}  # the latest last
        self._ends: dict[EndKey, tuple[tuple[OpenStep, End], ...]] = {}

    @property
    def now(self) -> Mapping[int, Mapping[int, MaskCrop]]:
        """By object and place along the axis, what was left there last."""
        return self._now

    def at(self, number: int, place: int) -> MaskCrop | None:
        """Return what was left of an object on a plane, None if nothing was written there."""
        return self._now.get(number, {}).get(place)

    def note(
        self, number: int, place: int, step: OpenStep, section: Section, left: MaskCrop | None
    ) -> None:
        """Take note of what was found; `left` is None where the user had the object there."""
        self._add(number, place, _Version(step, section, left))

    def note_end(self, end: End, step: OpenStep) -> None:
        """Take note of where an object was lost."""
        self._ends[end.key] = (*self._ends.get(end.key, ()), (step, end))[-LATEST:]

    def remove(self, number: int, place: int, step: OpenStep) -> None:
        """Take note of an object that was removed from a plane."""
        version = _standing(self._versions.get(number, {}).get(place, ()))
        if version is not None and version.section is not None:
            self._add(number, place, _Version(step))

    @property
    def has_sections(self) -> bool:
        """Whether anything stands that was found."""
        standing = (
            _standing(versions)
            for places in list(self._versions.values())
            for versions in list(places.values())
        )
        return any(version is not None and version.section is not None for version in standing)

    def places(self, number: int) -> list[int]:
        """Return where an object was ever found, in order."""
        return sorted(self._versions.get(number, {}))

    def forget(self, number: int) -> None:
        """Take all that was left of an object for the user's own."""
        self._versions.pop(number, None)  # first: see follow_undo
        self._now.pop(number, None)
        self._ends = {key: ends for key, ends in self._ends.items() if key[0] != number}

    def follow_undo(self, data: Any, planes: Sequence[Plane], found: Found) -> None:
        """Take what was found to where undo and redo took the pixels; forget what is gone.

        - `data`: of the Labels layer
        - `found`: changed in place
        """
        for number in found.sections.keys() | self._versions.keys():
            # This takes its time in a worker, and the object may be accepted meanwhile: what is
            # changed then are tables that nobody looks at any more.
            sections = found.sections.setdefault(number, {})
            now = self._now.setdefault(number, {})
            versions = self._versions.get(number, {})
            for place in sections.keys() | versions.keys():
                version = _standing(versions.get(place, ()))
                section = version.section if version is not None else None
                if version is not None and _is_gone(data, planes[place], number, version):
                    section = None  # nothing may have been left from the first: that stays true
                    version = version if version.left and not version.left.area else None
                _set(now, place, version)
                if section is not None:
                    sections[place] = section
                else:
                    sections.pop(place, None)

        for key in found.ends.keys() | self._ends.keys():
            ends = [end for step, end in self._ends.get(key, ()) if not step.undone]
            if ends and ends[-1].reason:
                found.ends[key] = ends[-1]
            else:
                found.ends.pop(key, None)

    def _add(self, number: int, place: int, version: _Version) -> None:
        versions = self._versions.setdefault(number, {})
        versions[place] = (*versions.get(place, ()), version)[-LATEST:]
        _set(self._now.setdefault(number, {}), place, version)


def _set(now: dict[int, MaskCrop], place: int, version: _Version | None) -> None:
    if version is None or version.left is None:
        now.pop(place, None)
    else:
        now[place] = version.left


def _is_gone(data: Any, plane: Plane, number: int, version: _Version) -> bool:
    """Tell whether nothing is seen of what was written: deleted, or covered and now it need not be.

    What other labels cover altogether would be found again with every run.
    """
    section, left = version.section, version.left
    if section is None or left is None or read_mask(data, plane, number, left).mask.any():
        return False
    free = read_mask(data, plane, 0, section.crop).mask & section.crop.mask
    return bool(left.mask.any() or free.any())


def _standing(versions: Sequence[_Version]) -> _Version | None:
    return next((v for v in reversed(versions) if not v.step.undone), None)
