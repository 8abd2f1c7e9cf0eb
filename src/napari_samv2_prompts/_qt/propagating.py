"""Following objects through planes, in the viewer: what to ask of the engine, where results go.

A :class:`Propagating` keeps, per Labels layer and axis, what was found and what it left in the
layer.  What is missing follows from that and from the pixels: there is nothing else to remember,
and cancelling and going on are the same as asking again.

Not here: the algorithm (``propagation``), buttons (``panels/through.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.engine import News, Propagation, Session
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.layers import LabelsTarget, OpenStep, TargetError
from napari_samv2_prompts.layers.anchors import read_anchors, read_mask
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.propagation import Anchors, End, Filled, Found, Wanted
from napari_samv2_prompts.regions import InputSides

if TYPE_CHECKING:
    from napari_samv2_prompts.engine import ModelChoice

__all__ = ["Direction", "Propagating", "Through"]

Direction = Literal["forward", "back", "both"]

EMPTY = MaskCrop(0, 0, np.zeros((0, 0), bool))


@dataclass(frozen=True, slots=True)
class Through:
    """How far following objects is.

    Attributes
    ----------
    running : bool
    place : int
        The plane that was done last.
    done, total : int
        Sections found, and to be found, since the work was taken up.
    seconds_left : float, optional
    doubtful : tuple of (int, int)
        Place and object of found sections, the most doubtful first.
    said : str
        What there is to say: who ended where, or why nothing can be done.
    """

    running: bool = False
    place: int = 0
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    doubtful: tuple[tuple[int, int], ...] = ()
    said: str = ""


@dataclass(slots=True, eq=False)
class _Track:
    """One Labels layer along one axis, at one index of the other axes."""

    target: LabelsTarget
    planes: Sequence[Plane]
    found: Found = field(default_factory=Found)
    written: dict[int, dict[int, MaskCrop]] = field(default_factory=dict)
    ended: dict[int, set[int]] = field(default_factory=dict)
    step: OpenStep = field(default_factory=OpenStep)
    policy: Policy = "keep"

    def read_anchors(self, objects: frozenset[int]) -> Anchors:
        """Return the anchors as they are now.  In the worker."""
        anchors = read_anchors(self.target.labels.data, self.planes, objects, self.written)
        for number in objects:
            for place in self.ended.get(number, ()):
                anchors.setdefault(number, {}).setdefault(place, EMPTY)
        return {n: places for n, places in anchors.items() if any(c.area for c in places.values())}


class Propagating:
    """What is followed in one viewer.

    Parameters
    ----------
    session : Session
    writing : callable
        Returns a context in which the labels are changed without it being the user's doing.
    """

    changed = Signal(Through)

    def __init__(
        self, session: Session, writing: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._session, self._writing = session, writing
        self.axis = 0
        self._tracks: dict[Hashable, _Track] = {}
        self._running: tuple[_Track, Propagation] | None = None
        self._track: _Track | None = None  # the one that is shown
        self._last_doubtful: tuple[int, int] | None = None
        self.state = Through()
        session.propagated.connect(self._on_news)

    @property
    def running(self) -> bool:
        """Whether objects are being followed."""
        return self._running is not None

    def start(
        self,
        target: LabelsTarget,
        plane: Plane,
        axis: int,
        objects: Collection[int],
        view_at: Callable[[Plane], ImageView],
        model: ModelChoice,
        sides: InputSides,
        policy: Policy,
        wanted: Wanted,
    ) -> None:
        """Follow objects along an axis.

        Parameters
        ----------
        target : LabelsTarget
            Where they are known, and where what is found goes.
        plane : Plane
            The shown one; of the image, whose shape the labels have.
        axis : int
        objects : collection of int
        view_at : callable
            Returns the view of a plane.
        model, sides
            Which model, and its input.
        policy : {"keep", "replace", "background"}
        wanted : Wanted
        """
        track = self._track = self._track_of(target, plane, axis)
        self.axis = axis
        track.step, track.policy = OpenStep(), policy
        self._forget_lost(track)
        numbers = frozenset(objects)
        request = Propagation(
            [view_at(here) for here in track.planes],
            model,
            sides,
            partial(track.read_anchors, numbers),
            replace(wanted, objects=numbers),
            track.found,
        )
        self._running = track, request
        self._tell(replace(self.state, running=True, done=0, total=0, said=""))
        self._session.propagate(request)

    def cancel(self) -> None:
        """Stop; what was found stays, and starting again goes on from there."""
        if self._running is not None:
            self._session.propagate(None)

    def end(self, target: LabelsTarget, plane: Plane, axis: int, number: int) -> None:
        """Say that an object is not on a plane; what was found of it beyond goes with it."""
        track = self._track = self._track_of(target, plane, axis)
        here = _place(plane, axis)
        track.ended.setdefault(number, set()).add(here)
        sections = track.found.sections.get(number, {})
        anchors = track.read_anchors(frozenset({number})).get(number, {})
        known = [place for place, crop in anchors.items() if crop.area and place != here]
        before = max((place for place in known if place < here), default=None)
        after = min((place for place in known if place > here), default=None)
        gone = [
            place
            for place in {here, *sections}
            if (before is None or place > before) and (after is None or place < after)
            and (place >= here if after is None else place <= here if before is None
                 else place == here)
        ]  # fmt: skip
        step = OpenStep()
        with self._writing():
            for place in sorted(gone):
                sections.pop(place, None)
                track.written.get(number, {}).pop(place, None)
                target.write_into(step, track.planes[place], {number: None})
        self._tell(replace(self.state, doubtful=_doubtful(track.found)))

    def next_doubtful(self) -> tuple[int, int] | None:
        """Return place and object of the next doubtful section, from the most doubtful on."""
        if self._track is None:
            return None
        ranked = _doubtful(self._track.found)
        if not ranked:
            return None
        last = self._last_doubtful
        index = ranked.index(last) + 1 if last in ranked else 0
        self._last_doubtful = ranked[index % len(ranked)]
        return self._last_doubtful

    def accepted(self, objects: Collection[int]) -> None:
        """Take what was found of objects for the user's own."""
        for track in self._tracks.values():
            for number in objects:
                track.written.pop(number, None)
                track.found.forget(number)
        self._tell(replace(self.state, doubtful=()))

    def keep(self, there: Collection[LabelsTarget]) -> None:
        """Let go of all but these targets."""
        self._tracks = {k: t for k, t in self._tracks.items() if t.target in there}
        if self._running is not None and self._running[0].target not in there:
            self.cancel()
        if self._track is not None and self._track.target not in there:
            self._track = None

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._session.propagated.disconnect(self._on_news, missing_ok=True)
        self._running = self._track = None
        self._tracks.clear()

    # --- inside -----------------------------------------------------------------------------

    def _track_of(self, target: LabelsTarget, plane: Plane, axis: int) -> _Track:
        others = tuple(index for at, index in enumerate(plane.index) if at != axis)
        key = id(target), plane.axes, axis, others
        if key not in self._tracks:
            count = target.labels.data.shape[axis]
            planes = [_at(plane, axis, place) for place in range(count)]
            self._tracks[key] = _Track(target, planes)
        return self._tracks[key]

    @staticmethod
    def _forget_lost(track: _Track) -> None:
        """Forget sections whose pixels are gone: undone, or deleted."""
        data = track.target.labels.data
        for number, places in track.written.items():
            for place in list(places):
                if not read_mask(data, track.planes[place], number, places[place]).mask.any():
                    del places[place]
                    track.found.sections.get(number, {}).pop(place, None)
        for end in list(track.found.ends.values()):
            if not track.found.sections.get(end.object):
                track.found.ends.pop((end.object, end.way))

    def _on_news(self, news: News[Propagation]) -> None:
        if self._running is None or news.request is not self._running[1]:
            return
        track = self._running[0]
        state = self.state
        if news.part is not None and not self._write(track, news.part):
            return
        if news.part is not None:
            state = replace(
                state, place=news.part.plane, done=news.done, total=news.total,
                seconds_left=news.seconds_left,
            )  # fmt: skip
        if news.finished:
            self._running = None
            ends = _about_ends(track.found.ends.values())
            state = replace(state, running=False, said=news.problem or ends)
        self._tell(replace(state, doubtful=_doubtful(track.found)))

    def _write(self, track: _Track, filled: Filled) -> bool:
        """Write what a plane gained; whether that could be done."""
        if not track.target.is_open(track.step):
            self.cancel()  # the user took the run back while it went on
            return False
        plane = track.planes[filled.plane]
        masks: dict[int, MaskCrop | None] = {n: s.crop for n, s in filled.sections.items()}
        try:
            with self._writing():
                track.target.write_into(track.step, plane, masks, track.policy)
                for end in filled.ends:
                    self._remove_beyond(track, end)
        except TargetError as error:
            self.cancel()
            self._tell(replace(self.state, said=str(error)))
            return False
        data = track.target.labels.data
        for number, section in filled.sections.items():
            left = read_mask(data, plane, number, section.crop)
            track.written.setdefault(number, {})[filled.plane] = left
        return True

    @staticmethod
    def _remove_beyond(track: _Track, end: End) -> None:
        """Take away what was found beyond an end before it was known."""
        limit = end.between[1 if end.way == 1 else 0]
        sections = track.found.sections.get(end.object, {})
        for place in sorted(sections):
            beyond = (place - end.plane) * end.way >= 0
            if beyond and (limit is None or (limit[0] - place) * end.way > 0):
                del sections[place]
                track.written.get(end.object, {}).pop(place, None)
                track.target.write_into(track.step, track.planes[place], {end.object: None})

    def _tell(self, state: Through) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)


def _place(plane: Plane, axis: int) -> int:
    place = plane.index[axis]
    if place is None:
        raise ValueError("The axis to go through is shown: choose another, or turn the image.")
    return place


def _at(plane: Plane, axis: int, place: int) -> Plane:
    _place(plane, axis)
    index = tuple(place if at == axis else here for at, here in enumerate(plane.index))
    return replace(plane, index=index)


def _doubtful(found: Found) -> tuple[tuple[int, int], ...]:
    ranked = sorted(
        (-section.doubt, place, number)
        for number, places in found.sections.items()
        for place, section in places.items()
    )
    return tuple((place, number) for _, place, number in ranked)


def _about_ends(ends: Collection[End]) -> str:
    return " ".join(map(str, sorted(ends, key=lambda end: (end.object, end.plane))))
