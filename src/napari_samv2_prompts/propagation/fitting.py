"""The end of a run: what was followed is fitted to the walls between objects, or smoothed.

All stretches that were followed with the same anchors are fitted together, also if some of their
planes were fitted before: so whoever stops in between, and goes on, gets the same to the bit.  An
object that reaches further than it was followed is found there, too; one that was followed into
another ends where it does.  Those ends come with the last plane, since until then what was followed
beyond them still tells where objects are.

Here: :func:`fitted`.  Not here: how masks are fitted (``walls.py``, ``smoothing.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from napari_samv2_prompts.mask_crops import EMPTY_MASK, MaskCrop

from .basins import BESIDE
from .competition import rivals_on
from .patches import overlap, without
from .stretches import Wanted, is_current, own_planes, rough_in, sorted_keys
from .values import Anchors, Between, End, Filled, Fitter, Found, Masks, Section, Way

UNSEEN = 0.75
"""Least doubt where an object was followed, but the walls say that it is not there."""
ALONE = 0.9
"""What agreement with one plane counts at an object's end, in place of the lower of two."""


def fitted(fitter: Fitter, anchors: Anchors, found: Found, wanted: Wanted) -> Iterator[Filled]:
    """Fit what is still rough.

    - `found`: it is changed as planes come
    - yields planes without sections as the work goes on, then what planes gained
    """
    fitting = _Fitting(anchors, found, wanted, judged=fitter.judges)
    if not fitting.rough:
        return
    masks: Masks = {}
    for done in fitter.fitted(fitting.planes, fitting.certain, fitting.followed):
        if done is None:
            yield Filled(next(iter(fitting.rough)), {})
        else:
            masks = done
    for filled in fitting.filled(masks):
        found.add(filled)
        yield filled


@dataclass(slots=True)
class _Stretch:
    """What was followed of an object between the same anchors, by plane.

    - `beyond`: planes on which it was found since
    """

    number: int
    between: Between
    sections: dict[int, Section] = field(default_factory=dict)
    beyond: set[int] = field(default_factory=set)

    @property
    def is_rough(self) -> bool:
        """Whether some of it is still to be fitted."""
        return any(section.rough for section in self.sections.values())


class _Fitting:
    """What is fitted together, and what comes of it."""

    def __init__(self, anchors: Anchors, found: Found, wanted: Wanted, *, judged: bool) -> None:
        self._anchors, self._wanted, self._judged = anchors, wanted, judged
        self.rough = rough_in(anchors, found, wanted)
        self._own = own_planes(anchors, wanted)
        keys = {number: sorted_keys(crops) for number, crops in anchors.items()}
        self._digest = blake2b(repr(sorted(keys.items())).encode(), digest_size=8).hexdigest()
        self._sections = {
            number: {
                plane: section
                for plane, section in found.sections.get(number, {}).items()
                if plane in self._own and is_current(section, plane, keys[number])
            }
            for number in anchors
        }
        self._stretches = list(self._fitted_together())
        self.planes = self._planes()
        self.certain, self.followed = self._masks()

    def _fitted_together(self) -> Iterator[_Stretch]:
        """Yield what was followed with these anchors, whether it has been fitted or not."""
        numbers = self._wanted.objects
        for number in sorted(self._anchors if numbers is None else numbers & self._anchors.keys()):
            stretches: dict[Between, _Stretch] = {}
            for plane, section in sorted(self._sections[number].items()):
                if section.rough or section.fitted_to == self._digest:
                    empty = _Stretch(number, section.between)
                    stretch = stretches.setdefault(section.between, empty)
                    if section.followed is None or section.followed.area:
                        stretch.sections[plane] = section
                    else:
                        stretch.beyond.add(plane)
            yield from (stretch for stretch in stretches.values() if stretch.sections)

    def _planes(self) -> range:
        """Return the planes from the anchors of what is fitted to somewhat beyond it.

        Nothing beyond what is wanted is looked at.
        """
        first, last = [], []
        for stretch in self._stretches:
            before, after = stretch.between
            low, high = min(stretch.sections), max(stretch.sections)
            beyond = max(low - BESIDE, min(low, self._wanted.first))
            first.append(beyond if before is None else before[0])
            beyond = min(high + BESIDE, max(high, self._wanted.last))
            last.append(beyond if after is None else after[0])
        low, high = max(min(first, default=0), self._own.start), max(last, default=0)
        return range(low, min(high + 1, self._own.stop))

    def _masks(self) -> tuple[Masks, Masks]:
        """Return the masks that stay as they are, and those as they were followed."""
        certain: dict[int, dict[int, MaskCrop]] = {}
        followed: dict[int, dict[int, MaskCrop]] = {}
        for number, anchors in self._anchors.items():
            for plane, crop in anchors.items():
                certain.setdefault(plane, {})[number] = crop
        for stretch in self._stretches:
            for plane, section in stretch.sections.items():
                followed.setdefault(plane, {})[stretch.number] = section.followed or section.crop
        for number, sections in self._sections.items():
            for plane, section in sections.items():
                if self._stays(section):
                    certain.setdefault(plane, {})[number] = section.crop
        return certain, followed

    def _stays(self, section: Section) -> bool:
        """Tell whether it is none of what is fitted together, and fitted already."""
        return not section.rough and section.fitted_to != self._digest

    def filled(self, masks: Masks) -> Iterator[Filled]:
        """Yield what planes gained, and with the last of them all ends.

        First where objects were not followed: on which planes an object is must be known for as
        long as some of it is rough.
        """
        apart = {plane: self._apart(plane, crops) for plane, crops in masks.items()}
        beyond: dict[int, dict[int, Section]] = {}
        gained: dict[int, dict[int, Section]] = {}
        ends: list[End] = []
        for stretch in self._stretches:
            if not stretch.is_rough and not stretch.beyond:
                continue
            planes, end = self._extent(stretch, masks)
            held = self._held(stretch, masks)
            ends += [] if end is None else [end]
            number = stretch.number
            crops = {at: apart[at][number] for at in planes if number in apart.get(at, {})}
            for plane in set(planes) - stretch.beyond:
                section = self._section(stretch, plane, crops, held)
                if section is not None:
                    part = gained if plane in stretch.sections else beyond
                    part.setdefault(plane, {})[number] = section
        last = max(gained, default=min(self.rough))
        for part in (beyond, gained):
            for plane, sections in sorted(part.items()):
                own = tuple(ends) if part is gained and plane == last else ()
                yield Filled(plane, sections, own)
        if last not in gained:
            yield Filled(last, {}, tuple(ends))

    def _extent(self, stretch: _Stretch, masks: Masks) -> tuple[list[int], End | None]:
        """Return the planes on which an object is, and where it ends if that is elsewhere now."""
        number, way = stretch.number, self._way(stretch)
        planes = sorted(stretch.sections, reverse=way == -1)
        seen = [plane for plane in planes if number in masks.get(plane, {})]
        if not stretch.is_rough:  # it was fitted before an interrupt, and goes on as it did then
            planes = seen = sorted({*planes, *stretch.beyond}, reverse=way == -1)
        if way is None or not seen or not self._wanted.stop_when_lost:
            return planes, None
        last = seen[-1]
        while stretch.is_rough and last == planes[-1] and self._goes_on(stretch, last, way, masks):
            last += way
            planes.append(last)
        planes = planes[: planes.index(last) + 1]
        if set(planes) == stretch.sections.keys():
            return planes, None
        reason = "not seen" if self._is_wanted(last + way, way) else ""
        return planes, End(number, last + way, way, stretch.between, reason)

    def _way(self, stretch: _Stretch) -> Way | None:
        """Return the direction in which an object may end; None if it is on either side."""
        before, after = (
            key is not None and self._anchors[stretch.number][key[0]].area > 0
            for key in stretch.between
        )
        return None if before and after else 1 if before else -1

    def _goes_on(self, stretch: _Stretch, last: int, way: Way, masks: Masks) -> bool:
        """Tell whether an object is on the plane beyond the last on which it was followed."""
        plane = last + way
        known = plane in self._anchors[stretch.number]
        wanted = self._is_wanted(plane, way) and plane in self._own
        return wanted and not known and stretch.number in masks.get(plane, {})

    def _is_wanted(self, plane: int, way: Way) -> bool:
        """Tell whether a plane is in the range, or on the way there."""
        return plane <= self._wanted.last if way == 1 else plane >= self._wanted.first

    def _held(self, stretch: _Stretch, masks: Masks) -> float:
        """Return how well what was fitted agrees with the anchors of a stretch, on their planes.

        They are given, but what the walls make of them tells whether object and walls go together.
        """
        anchors = self._anchors[stretch.number]
        known = [
            overlap(anchors[key[0]], masks.get(key[0], {}).get(stretch.number, EMPTY_MASK))
            for key in stretch.between
            if key is not None and anchors[key[0]].area
        ]
        return sum(known) / max(len(known), 1)

    def _section(
        self, stretch: _Stretch, plane: int, crops: Mapping[int, MaskCrop], held: float
    ) -> Section | None:
        """Return what an object is on a plane, None if that is known already.

        - `crops`: what was fitted, by plane, as far as the object goes
        - `held`: see :meth:`_held`
        """
        old, crop = stretch.sections.get(plane), crops.get(plane)
        if old is None:
            assert crop is not None
            near = min(stretch.sections, key=lambda at: abs(at - plane))
            old = replace(stretch.sections[near], crop=EMPTY_MASK, rough=True)
        if not old.rough:
            return None
        if crop is None:
            doubt = max(old.doubt, UNSEEN)
            return replace(old, doubt=doubt, rough=False, fitted_to=self._digest)
        section = replace(old, crop=crop, rough=False, followed=old.crop, fitted_to=self._digest)
        if not self._judged:
            return section
        beside = self._agreement(stretch.number, plane, crops)
        here = (overlap(old.crop, crop) + 2 * beside) / 3
        return replace(section, doubt=1 - (here + held) / 2)

    def _agreement(self, number: int, plane: int, crops: Mapping[int, MaskCrop]) -> float:
        """Return how well a mask agrees with those of the object on the planes beside it."""
        beside = [
            self.certain.get(at, {}).get(number) or crops.get(at) for at in (plane - 1, plane + 1)
        ]
        known = [
            overlap(crops[plane], other) for other in beside if other is not None and other.area
        ]
        return min(known, default=0.0) * (1.0 if len(known) == 2 else ALONE)

    def _apart(self, plane: int, crops: Mapping[int, MaskCrop]) -> dict[int, MaskCrop]:
        """Take from fitted masks what belongs to what stays as it is."""
        found = {n: s for n in self._anchors if (s := self._sections[n].get(plane)) is not None}
        staying = {n: s for n, s in found.items() if self._stays(s)}
        own = {n for n in crops if n not in staying and plane not in self._anchors[n]}
        rivals = rivals_on(plane, self._anchors.keys() - own, self._anchors, staying)
        apart = {number: without(crops[number], rivals) for number in own}
        return {number: crop if crop.area else crops[number] for number, crop in apart.items()}
