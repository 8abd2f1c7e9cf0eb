"""Filling what is missing, plane by plane: an iterator that can be left at any time.

Here: :func:`propagate`.  First the stretches between two anchors, one after the other: each is
followed up and down, and joined.  Then those beyond an object's anchors, all objects together, up
and then down.  The part that holds the shown plane goes ahead of those that have no plane in common
with it, since objects stand in each other's way on the same plane only.  In the end what was
followed is fitted to the walls between objects, or smoothed where there are none.  So what is asked
of the method depends on anchors and results alone, and whoever stops between two results, and
starts again with what was found, gets the rest as if nothing had happened, the same to the bit.

Not here: how one plane is done (``handover.py``), which planes there are to do (``stretches.py``),
what is done in the end (``fitting.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from napari_samv2_prompts.mask_crops import MaskCrop

from .competition import rivals_on
from .fitting import fitted
from .joining import joined
from .stretches import Stretch, Wanted, is_current, missing, sorted_keys
from .values import Anchors, End, Filled, Follower, Found, Guess, History, Section, Way

BEHIND = 3
"""Planes behind the wanted one that are handed to the method."""
GONE = 0.5
"""From this certainty on an object counts as gone."""


def propagate(
    follower: Follower, anchors: Anchors, found: Found, wanted: Wanted
) -> Iterator[Filled]:
    """Fill what is missing, one plane a step.

    - `follower`: the method
    - `anchors`: never changed
    - `found`: what was found before; it is not changed.  Out-of-date parts count as missing.
    - yields planes in the order they are done.  A plane may come more than once, with other
      objects, or with none: then the work goes on, and it can be stopped.
    """
    run = _Run(follower, anchors, found.copy(), wanted)
    for part in run.parts():
        yield from part()
    if run.fitter is not None:
        yield from fitted(run.fitter, anchors, run.found, wanted)


class _Run:
    """One run, with what it has found so far."""

    def __init__(self, follower: Follower, anchors: Anchors, found: Found, wanted: Wanted) -> None:
        self.follower, self.anchors, self.found, self.wanted = follower, anchors, found, wanted
        self._keys = {number: sorted_keys(crops) for number, crops in anchors.items()}
        self.fitter = follower.fitter(anchors)

    def parts(self) -> list[Callable[[], Iterator[Filled]]]:
        """Return what is to be done one after the other, what holds the shown plane early."""
        stretches = missing(self.anchors, self.found, self.wanted)
        parts: list[tuple[set[int], Callable[[], Iterator[Filled]]]] = [
            (set(s.planes), partial(self.between, s)) for s in stretches if s.is_closed
        ]
        ways: tuple[Way, ...] = (1, -1)
        for way in ways:
            own = (s.planes for s in stretches if not s.is_closed and way in s.ways)
            parts.append((set(chain.from_iterable(own)), partial(self.beyond, way)))
        for place, (planes, _) in enumerate(parts):
            if self.wanted.shown in planes:
                if all(planes.isdisjoint(others) for others, _ in parts[:place]):
                    parts.insert(0, parts.pop(place))
                break
        return [part for _, part in parts]

    def between(self, stretch: Stretch) -> Iterator[Filled]:
        """Fill a stretch between two anchors."""
        up = self._followed(stretch, 1)
        down: dict[int, Guess] = {}
        lost = False
        for plane in reversed(stretch.planes):
            if not lost:
                guess = self._next(stretch, plane, -1, down)
                lost = guess is None
                if guess is not None:
                    down[plane] = guess
            anchors = self.anchors[stretch.object]
            section = joined(stretch, plane, up.get(plane), down.get(plane), anchors)
            section = replace(section, rough=self.fitter is not None)
            yield self._kept(Filled(plane, {stretch.object: section}))

    def _followed(self, stretch: Stretch, way: Way) -> dict[int, Guess]:
        guesses: dict[int, Guess] = {}
        for plane in stretch.planes if way == 1 else reversed(stretch.planes):
            guess = self._next(stretch, plane, way, guesses)
            if guess is None:
                break
            guesses[plane] = guess
        return guesses

    def _next(
        self, stretch: Stretch, plane: int, way: Way, guesses: Mapping[int, Guess]
    ) -> Guess | None:
        """Follow an object by one plane; None if it is lost."""
        number = stretch.object
        known = {p: guess.crop for p, guess in guesses.items()}
        history = _history(self.anchors[number], known, plane, way)
        rivals = self._rivals(plane, {number})
        then = plane + way if plane + way in stretch.planes else None
        guess = self.follower.follow(plane, {number: history}, rivals, then)[number]
        return guess if self._is_seen(guess) else None

    def beyond(self, way: Way) -> Iterator[Filled]:
        """Fill the stretches beyond the anchors in one direction."""
        open_ones = [
            stretch
            for stretch in missing(self.anchors, self.found, self.wanted)
            if not stretch.is_closed and way in stretch.ways
        ]
        lost: set[Stretch] = set()
        planes = {plane for stretch in open_ones for plane in stretch.planes}
        for plane in sorted(planes, reverse=way == -1):
            active = [s for s in open_ones if plane in s.planes and s not in lost]
            if active:
                filled = self._step(plane, way, active)
                ended = {end.object for end in filled.ends}
                lost |= {stretch for stretch in active if stretch.object in ended}
                yield self._kept(filled)

    def _step(self, plane: int, way: Way, active: Sequence[Stretch]) -> Filled:
        """Follow objects by one plane together."""
        histories = {}
        for number in (stretch.object for stretch in active):
            behind = (plane - way * step for step in range(1, BEHIND + 1))
            known = {p: s.crop for p in behind if (s := self._section(number, p)) is not None}
            histories[number] = _history(self.anchors[number], known, plane, way)
        rivals = self._rivals(plane, set(histories))
        then = plane + way if any(plane + way in s.planes for s in active) else None
        guesses = self.follower.follow(plane, histories, rivals, then)
        sections: dict[int, Section] = {}
        ends: list[End] = []
        for stretch in active:
            guess, between = guesses[stretch.object], (stretch.before, stretch.after)
            if self._is_seen(guess):
                section = Section(guess.crop, guess.score, guess.doubt, between)
                sections[stretch.object] = replace(section, rough=self.fitter is not None)
            else:
                ends.append(End(stretch.object, plane, way, between, "not seen"))
        return Filled(plane, sections, tuple(ends))

    def _is_seen(self, guess: Guess) -> bool:
        there = guess.gone <= GONE or not self.wanted.stop_when_lost
        return guess.crop.area > 0 and there

    def _rivals(self, plane: int, without: set[int]) -> list[MaskCrop]:
        """Return the masks of other objects on a plane; see :func:`.rivals_on`."""
        others = self.anchors.keys() - without
        sections = {n: s for n in others if (s := self._section(n, plane)) is not None}
        return rivals_on(plane, others, self.anchors, sections)

    def _section(self, number: int, plane: int) -> Section | None:
        """Return what was found of an object on a plane, unless it is out of date."""
        section = self.found.sections.get(number, {}).get(plane)
        if section is None or not is_current(section, plane, self._keys[number]):
            return None
        return section

    def _kept(self, filled: Filled) -> Filled:
        self.found.add(filled)
        return filled


def _history(
    anchors: Mapping[int, MaskCrop], found: Mapping[int, MaskCrop], plane: int, way: Way
) -> History:
    """Return an object on the planes behind one, back to its anchor."""
    behind: list[tuple[int, MaskCrop]] = []
    for step in range(1, BEHIND + 1):
        place = plane - way * step
        crop = anchors.get(place, found.get(place))
        if crop is None or not crop.area:
            break
        behind.append((place, crop))
        if place in anchors:
            break
    return History(tuple(reversed(behind)), anchors)
