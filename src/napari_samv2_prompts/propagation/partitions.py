"""Cutting what is to be followed into partitions that can be followed at once, anywhere.

A partition is a group of objects that lie together, and the planes between two on which all of them
are known.  Partitions know nothing of what others find, so that the result is the same in whichever
order they are followed, and by however many.  How they are cut depends on the anchors alone.

Objects of a group are decoded together and leave each other's pixels alone; those of two groups may
both claim a pixel, and whoever paints decides (:func:`.painted`).

Not here: following one (``run.py``), doing it on other machines (``units.stacks``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

from .patches import centre
from .run import propagate
from .stretches import Wanted, missing, rough_in
from .values import Anchors, Filled, Follower, Found

GROUP = 64
"""Objects of a group at most.  What groups cost: ``benchmarks/groups.py``."""


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Some objects through some planes.

    - `.anchors`: of these objects, and of others where they may be in the way
    - `.found`: what was found of them before
    """

    anchors: Anchors
    found: Found
    wanted: Wanted

    @property
    def size(self) -> int:
        """How many sections are missing, or still to be fitted to walls."""
        rough = rough_in(self.anchors, self.found, self.wanted)
        return self.missing + sum(map(len, rough.values()))

    @property
    def missing(self) -> int:
        """How many sections are missing."""
        return sum(len(s.planes) for s in missing(self.anchors, self.found, self.wanted))


def partitions_of(anchors: Anchors, found: Found, wanted: Wanted) -> list[Partition]:
    """Return the partitions in which something is missing; see :func:`.propagate`."""
    numbers = [
        n for n in sorted(anchors)
        if anchors[n] and (wanted.objects is None or n in wanted.objects)
    ]  # fmt: skip
    partitions = []
    for group in _groups(anchors, numbers):
        without = set(numbers) - group
        for first, last in _ranges(anchors, group, wanted):
            partition = Partition(
                _seen(anchors, without, first, last),
                Found(
                    {n: planes for n, planes in found.sections.items() if n not in without},
                    {key: end for key, end in found.ends.items() if key[0] not in without},
                ),
                replace(wanted, first=first, last=last, objects=frozenset(group)),
            )
            if partition.size:
                partitions.append(partition)
    return partitions


def propagate_partitions(follower: Follower, partitions: Iterable[Partition]) -> Iterator[Filled]:
    """Follow partitions here; see :func:`.propagate`.

    Those that hold the shown plane come first, then higher planes.  Groups on the same planes take
    turns, a plane each: so a plane is embedded once for all of them.
    """
    for _, together in groupby(sorted(partitions, key=_turn), _turn):
        runs = deque(propagate(follower, s.anchors, s.found, s.wanted) for s in together)
        while runs:
            run = runs.popleft()
            filled = next(run, None)
            if filled is not None:
                runs.append(run)
                yield filled


def _turn(partition: Partition) -> tuple[bool, int, int]:
    """Return what partitions are sorted by."""
    wanted = partition.wanted
    holds = wanted.shown is not None and wanted.first <= wanted.shown <= wanted.last
    return not holds, -wanted.first, -wanted.last


def _groups(anchors: Anchors, numbers: Sequence[int]) -> list[set[int]]:
    """Cut objects in halves, across the longer side of where they lie, until they are few."""
    if len(numbers) <= GROUP:
        return [set(numbers)] if numbers else []
    places = np.array([_place(anchors, number) for number in numbers])
    axis = int(np.ptp(places, axis=0).argmax())
    order = np.argsort(places[:, axis], kind="stable")
    half = len(numbers) // 2
    return [
        group
        for part in (order[:half], order[half:])
        for group in _groups(anchors, [numbers[n] for n in sorted(part)])
    ]


def _place(anchors: Anchors, number: int) -> tuple[float, float]:
    """Return the middle of an object where it is first known."""
    for _, crop in sorted(anchors[number].items()):
        if crop.area:
            return centre(crop)
    return 0.0, 0.0


def _ranges(anchors: Anchors, group: set[int], wanted: Wanted) -> list[tuple[int, int]]:
    """Cut the wanted planes at those on which all objects of a group are known."""
    known = set.intersection(*(set(anchors[number]) for number in group))
    inside = sorted(plane for plane in known if wanted.first < plane < wanted.last)
    return list(pairwise([wanted.first, *inside, wanted.last])) or [(wanted.first, wanted.last)]


def _seen(anchors: Anchors, without: set[int], first: int, last: int) -> Anchors:
    """Return the anchors that a group sees: of other groups those in its range."""
    seen = {
        number: {p: c for p, c in planes.items() if number not in without or first <= p <= last}
        for number, planes in anchors.items()
    }
    return {number: planes for number, planes in seen.items() if planes}
