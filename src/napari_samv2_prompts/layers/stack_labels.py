"""What was found of objects along an axis of a Labels layer, and what of it stands in the layer.

What is missing follows from that and from the pixels: there is nothing else to remember, and
cancelling and going on are the same as asking again.

Not here: what the user says of objects there (``endings``), the algorithm (``propagation``), when
it runs (``engine``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import EMPTY_MASK, MaskCrop
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.propagation import (
    Anchors,
    End,
    Filled,
    Found,
    Lineage,
    Section,
    current_ends,
    doubts_of_planes,
)

from .anchors import is_untouched, labels_near, read_anchors, read_mask
from .labels_target import LabelsTarget
from .remains import Remains
from .undo_steps import OpenStep

if TYPE_CHECKING:
    from numpy.typing import NDArray


Writing = Callable[[], AbstractContextManager[object]]
"""Returns a context in which labels are changed without it being the user's doing."""


@dataclass(slots=True, eq=False)
class StackLabels:
    """One Labels layer along one axis, at one index of the other axes."""

    target: LabelsTarget  # where objects are known, and where what is found of them goes
    axis: int
    planes: Sequence[Plane]
    found: Found = field(default_factory=Found)  # changed by whoever follows
    remains: Remains = field(default_factory=Remains)  # what the layer took of found sections
    # By object the places where the user said that it is not, by daughter its parent: as long as
    # the step in which that was done is not undone.
    ended: dict[int, dict[int, OpenStep]] = field(default_factory=dict)
    divided: dict[int, tuple[int, OpenStep]] = field(default_factory=dict)
    # The step of undo that the run under way writes into.
    step: OpenStep = field(default_factory=OpenStep)
    policy: Policy = "keep"
    hand_edits: int = 0  # of the layer, when that run began

    @classmethod
    def along(cls, axis: int, plane: Plane, target: LabelsTarget) -> StackLabels:
        """Return what is known through a plane, however that is turned.

        See :func:`place_on` for the error.
        """
        place_on(plane, axis)
        plane = plane.in_data_order()
        indices = (
            tuple(place if at == axis else here for at, here in enumerate(plane.index))
            for place in range(target.labels.data.shape[axis])
        )
        return cls(target, axis, [replace(plane, index=index) for index in indices])

    def read_anchors(self, objects: frozenset[int]) -> Anchors:
        """Return the anchors as they are now, and forget what is gone.  In the worker."""
        data = self.target.labels.data
        self.remains.follow_undo(data, self.planes, self.found)
        anchors = read_anchors(data, self.planes, objects, self.remains.now)
        for number in objects:
            for place, step in self.ended.get(number, {}).items():
                if not step.undone:
                    anchors.setdefault(number, {}).setdefault(place, EMPTY_MASK)
        ends, current = self.found.ends, current_ends(anchors, self.found)
        for key, end in list(ends.items()):
            gone = not self.found.sections.get(end.object)
            if gone or (end.object in objects and key not in current):
                ends.pop(key, None)
        return {n: places for n, places in anchors.items() if any(c.area for c in places.values())}

    @property
    def has_found(self) -> bool:
        """Whether there is any found section that was not undone."""
        return self.remains.has_sections

    @property
    def doubtful(self) -> dict[tuple[int, int], float]:
        """Place and object of what was found, with its doubt, the most doubtful first."""
        ranked = sorted(
            (-doubt, place, number)
            for number, places in list(self.found.sections.items())  # the worker may change them
            for place, doubt in doubts_of_planes(dict(places)).items()
        )
        return {(place, number): -doubt for doubt, place, number in ranked}

    def is_found(self, place: int, number: int) -> bool:
        """Tell whether an object is on a plane as it was found there."""
        data, left = self.target.labels.data, self.remains.at(number, place)
        plane = self.planes[place]
        if not self.target.has(plane):
            return False
        seen = left is not None and bool(read_mask(data, plane, number, left).mask.any())
        return left is not None and seen and is_untouched(data, plane, number, left)

    @property
    def ends(self) -> str:
        """Who was lost where, in sentences."""
        ends = sorted(self.found.ends.values(), key=lambda end: (end.object, end.plane))
        return " ".join(map(str, ends))

    # --- changing it ------------------------------------------------------------------------

    def begin(self, policy: Policy) -> None:
        """Begin a run, which is one step of undo."""
        self.step, self.policy = OpenStep(), policy
        self.hand_edits = self.target.hand_edits

    def write(self, filled: Filled, writing: Writing) -> bool:
        """Write what a plane gained; return False if the user took the run back meanwhile.

        An object that the user drew or changed on that plane since it was begun stays as it is, and
        so do others that are the user's there.

        Raises TargetError if the labels can't be written.
        """
        if not self.target.is_open(self.step):
            if self.step.undone:
                return False
            self.step = OpenStep()  # the viewer, which keeps a hundred, has forgotten it
        if not filled.tells_something:
            return True
        plane = self.planes[filled.plane]
        self.target.check_plane(plane)
        sections = {n: s for n, s in filled.sections.items() if self._is_ours(n, filled.plane, s)}
        masks: dict[int, MaskCrop | None] = {n: s.crop for n, s in sections.items()}
        with writing():
            self._write(filled.plane, masks, self.step, self.policy)
            for end in filled.ends:
                self.remains.note_end(end, self.step)
                self._remove_beyond(end)
        data = self.target.labels.data
        for number, section in filled.sections.items():
            left = read_mask(data, plane, number, section.crop) if number in sections else None
            self.remains.note(number, filled.plane, self.step, section, left)
        return True

    def _is_ours(self, number: int, place: int, section: Section) -> bool:
        """Tell whether a plane holds no more of an object than was found of it.

        Only what came since the run began is not an anchor: it was painted, or has prompts.
        """
        left, plane, target = self.remains.at(number, place), self.planes[place], self.target
        if left is None and number in target.live(plane):
            return False
        if left is None:
            left = MaskCrop(section.crop.top, section.crop.left, np.zeros_like(section.crop.mask))
        painted = target.hand_edits != self.hand_edits
        return is_untouched(target.labels.data, plane, number, left, everywhere=painted)

    def _write(
        self,
        place: int,
        masks: Mapping[int, MaskCrop | None],
        step: OpenStep,
        policy: Policy = "keep",
    ) -> None:
        """Write masks without a change to what is the user's there; None takes one away."""
        plane = self.planes[place]
        known = [self.remains.at(number, place) for number in masks]
        boxes = [crop for crop in (*masks.values(), *known) if crop is not None]
        own = self._users_own(place, boxes) - masks.keys()
        corrected = frozenset(n for n in own if self.remains.at(n, place) is not None)
        keep = own if policy != "replace" else frozenset[int]()
        with self.target.joined(step):
            self.target.write(plane, masks, policy, keep, corrected)

    def _users_own(self, place: int, crops: Sequence[MaskCrop]) -> frozenset[int]:
        """Return the labels within the boxes of masks that are not as they were found."""
        data, plane = self.target.labels.data, self.planes[place]
        own = set()
        for number in {n for crop in crops for n in labels_near(data, plane, crop)}:
            left = self.remains.at(number, place)
            if left is None or not is_untouched(data, plane, number, left):
                own.add(number)
        return frozenset(own)

    @property
    def parents(self) -> dict[int, int]:
        """Who came from whom, by daughter."""
        divided = tuple(self.divided.items())  # at once: it is asked for in the worker, too
        return {n: parent for n, (parent, step) in divided if not step.undone}

    def lineage(self) -> Lineage:
        """Return the tracks of all labels along the axis.

        The labels are copied first, which takes a moment, and then measured, which takes long:
        meanwhile the user goes on, who may divide objects.
        """
        return Lineage.of(*self.film())

    def film(self) -> tuple[NDArray[Any], dict[int, int]]:
        """Return a copy of the labels of all planes, ``(planes, rows, columns)``, and parents."""
        return np.stack(list(self._frames())), self.parents

    def _frames(self) -> Iterator[NDArray[Any]]:
        data = self.target.labels.data
        for plane in self.planes:
            yield np.asarray(plane.oriented(np.asarray(data[plane.indexer()])))

    def accept(self, number: int) -> None:
        """Take what was found of an object for the user's own."""
        self.remains.forget(number)
        self.found.forget(number)

    def _remove_beyond(self, end: End) -> None:
        """Take away what was found beyond an end before it was known, but nothing of the user's."""
        number, limit = end.object, end.between[1 if end.way == 1 else 0]
        painted = self.target.hand_edits != self.hand_edits
        for place in self.remains.places(number):
            beyond = (place - end.plane) * end.way >= 0
            if beyond and (limit is None or (limit[0] - place) * end.way > 0):
                data, plane = self.target.labels.data, self.planes[place]
                left = self.remains.at(number, place)
                if left is None:
                    self.remains.remove(number, place, self.step)
                elif is_untouched(data, plane, number, left, everywhere=painted):
                    self.remove(number, place, self.step)

    def remove(self, number: int, place: int, step: OpenStep) -> None:
        """Take an object away from a plane, as part of a step.

        Raises TargetError if the labels can't be written.
        """
        self.found.sections.get(number, {}).pop(place, None)
        self._write(place, {number: None}, step)
        self.remains.remove(number, place, step)


def place_on(plane: Plane, axis: int) -> int:
    """Return the place of a plane on an axis.

    Raises ValueError if the axis is shown.
    """
    place = plane.index[axis]
    if place is None:
        raise ValueError("The axis to go through is shown: choose another, or turn the image.")
    return place
