"""Which planes of an object are missing, from its anchors and what was found: nothing else is kept.

Here: :class:`Stretch`, :class:`Wanted` and :func:`missing`.  A section belongs to the anchors
beside it (:attr:`.Section.between`); where they changed, it is missing again.  So a correction,
which is a new anchor, makes the two stretches beside it missing and no other.  An anchor without a
pixel says that the object is not there: it ends the stretch, and nothing is filled beyond it.

Not here: filling them (``run.py``).
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, cast, get_args

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.words import counted

from .values import Anchors, End, EndKey, Found, Key, Section, Way, key_of

Direction = Literal["forward", "back", "both"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be filled.

    - `.first`, `.last`: planes, both included; what lies between them and an anchor is filled as
      well
    - `.direction`: ``"forward"`` (to higher planes), ``"back"`` or ``"both"``.  What lies between
      two anchors is filled from both sides in any case.
    - `.objects`: all that have anchors by default
    - `.stop_when_lost`: whether an object ends where it is not seen, or is followed to the end of
      the range
    - `.shown`: the plane that somebody looks at: what holds it is done first, where that makes no
      difference to what is found
    """

    first: int
    last: int
    direction: Direction = "both"
    objects: frozenset[int] | None = None
    stop_when_lost: bool = True
    shown: int | None = field(default=None, compare=False)

    @classmethod
    def of(
        cls,
        planes: int,
        first: int | None,
        last: int | None,
        direction: str,
        objects: frozenset[int] | None = None,
        stop_when_lost: bool = True,
    ) -> Wanted:
        """Return what a user wants of a stack of so many planes, by default all of them.

        Raises ValueError if there are no such planes, or there is no such direction.
        """
        if direction not in get_args(Direction):
            raise ValueError(f"direction is {direction!r}: it is 'forward', 'back' or 'both'.")
        low, high = first or 0, planes - 1 if last is None else last
        for plane in (low, high):
            if not 0 <= plane < planes:
                there = counted(planes, "plane")
                raise ValueError(
                    f"There is no plane {plane}: the stack has {there}, counted from 0."
                )
        if low > high:
            raise ValueError(f"The first plane, {low}, lies behind the last, {high}.")
        return cls(low, high, cast("Direction", direction), objects, stop_when_lost)

    def ways(self) -> tuple[Way, ...]:
        """Return the directions in which open stretches are filled."""
        return {"forward": (1,), "back": (-1,), "both": (1, -1)}[self.direction]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Planes of an object between two anchors, or beyond one, of which some are missing.

    - `.before`, `.after`: keys of the anchors at its ends; one of them is None in an open stretch
    - `.planes`: those to be filled, in rising order: all of a closed stretch, the rest of an open
      one
    - `.ways`: from which sides it is filled
    """

    object: int
    before: Key | None
    after: Key | None
    planes: range
    ways: tuple[Way, ...]

    @property
    def is_closed(self) -> bool:
        """Whether the object is known on both sides of it."""
        return len(self.ways) == 2


def missing(anchors: Anchors, found: Found, wanted: Wanted) -> list[Stretch]:
    """Return the stretches that have to be filled, object by object, in rising order."""
    stretches: list[Stretch] = []
    for number in sorted(anchors):
        if anchors[number] and (wanted.objects is None or number in wanted.objects):
            stretches += _missing_of(number, anchors[number], found, wanted)
    return stretches


def _missing_of(
    number: int, anchors: Mapping[int, MaskCrop], found: Found, wanted: Wanted
) -> list[Stretch]:
    keys = sorted_keys(anchors)
    there = {key: anchors[key[0]].area > 0 for key in keys}
    sections = found.sections.get(number, {})
    stretches = []
    for before, after in pairwise([None, *keys, None]):
        ways: list[Way] = []
        if before is not None and there[before] and (after is not None or 1 in wanted.ways()):
            ways.append(1)
        if after is not None and there[after] and (before is not None or -1 in wanted.ways()):
            ways.append(-1)
        if not ways:
            continue
        start = wanted.first if before is None else max(before[0] + 1, wanted.first)
        stop = wanted.last + 1 if after is None else min(after[0], wanted.last + 1)
        if start < stop and before is not None and 1 in ways:
            start = before[0] + 1  # there is no other way to the range than from the anchor
        if start < stop and after is not None and -1 in ways:
            stop = after[0]
        gaps = range(start, stop)
        if len(ways) == 1:
            gaps = _before_end(gaps, found.ends.get((number, ways[0], (before, after))))
        gaps_here = [p for p in gaps if not _fits(sections.get(p), before, after)]
        if not gaps_here:
            continue
        if len(ways) == 2:
            planes = gaps
        elif ways[0] == 1:
            planes = range(gaps_here[0], gaps.stop)
        else:
            planes = range(gaps.start, gaps_here[-1] + 1)
        stretches.append(Stretch(number, before, after, planes, tuple(ways)))
    return stretches


def _before_end(planes: range, end: End | None) -> range:
    """Return the planes that come before the one on which an object was lost."""
    if end is None:
        return planes
    if end.way == 1:
        return range(planes.start, min(planes.stop, end.plane))
    return range(max(planes.start, end.plane + 1), planes.stop)


def _fits(section: Section | None, before: Key | None, after: Key | None) -> bool:
    return section is not None and section.between == (before, after)


def rough_in(anchors: Anchors, found: Found, wanted: Wanted) -> dict[int, list[int]]:
    """Return the objects of each plane that are still to be fitted to walls, planes in order."""
    own, rough = own_planes(anchors, wanted), dict[int, list[int]]()
    numbers = anchors.keys() if wanted.objects is None else wanted.objects & anchors.keys()
    for number in sorted(numbers):
        keys = sorted_keys(anchors[number])
        for plane, section in found.sections.get(number, {}).items():
            if section.rough and plane in own and is_current(section, plane, keys):
                rough.setdefault(plane, []).append(number)
    return dict(sorted(rough.items()))


def own_planes(anchors: Anchors, wanted: Wanted) -> range:
    """Return the planes on which what is wanted may be found.

    As far as the ends of what is wanted, if all of its objects are known there; what lies between
    an anchor and the range is filled as well, so else there is no limit.
    """
    numbers = anchors.keys() if wanted.objects is None else wanted.objects & anchors.keys()

    def is_end(plane: int) -> bool:
        return all(plane in anchors[number] for number in numbers)

    first = wanted.first if is_end(wanted.first) else 0
    return range(first, (wanted.last if is_end(wanted.last) else sys.maxsize - 1) + 1)


def sorted_keys(anchors: Mapping[int, MaskCrop]) -> list[Key]:
    """Return the keys of an object's anchors, lower planes first."""
    return [key_of(plane, crop) for plane, crop in sorted(anchors.items())]


def is_current(section: Section, plane: int, keys: list[Key]) -> bool:
    """Tell whether a section belongs to the anchors with these keys (:func:`sorted_keys`)."""
    place = bisect_left(keys, (plane, ""))
    before = keys[place - 1] if place else None
    after = keys[place] if place < len(keys) else None
    at_anchor = after is not None and after[0] == plane
    return not at_anchor and section.between == (before, after)


def current(anchors: Anchors, found: Found) -> dict[int, dict[int, Section]]:
    """Return the sections that belong to the anchors as they are now; others are out of date."""
    kept: dict[int, dict[int, Section]] = {}
    for number, sections in found.sections.items():
        keys = sorted_keys(anchors.get(number, {}))
        valid = {p: section for p, section in sections.items() if is_current(section, p, keys)}
        if valid:
            kept[number] = valid
    return kept


def current_ends(anchors: Anchors, found: Found) -> dict[EndKey, End]:
    """Return the ends that belong to the anchors as they are now, as :func:`current` does."""
    pairs = {
        number: set(pairwise([None, *sorted_keys(crops), None]))
        for number, crops in anchors.items()
    }
    return {key: end for key, end in found.ends.items() if end.between in pairs.get(key[0], ())}
