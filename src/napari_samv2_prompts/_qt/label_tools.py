"""What can be done with labels that are there: refine, merge, delete, keep and convert them.

Each is for the shown plane, except keeping.  What was done, or why it was not, is a sentence in
:attr:`LabelTools.said`.

Not here: the controls (``form/layers.py``), the edits (``layers.labels_target``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.engine import Removal, Session
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    TargetError,
    converted_labels,
    id_of,
    kept_labels,
    label_at,
    label_mask,
    make_layers,
    plane_if_shown,
    prompted_objects,
    prompts_on_plane,
    remove_objects,
    shown_plane,
    starting_from,
)
from napari_samv2_prompts.layers.plane_pixels import transposed
from napari_samv2_prompts.layers.undo_steps import OpenStep
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import MAX_OBJECT, Prompt

from .labels_writer import Targets, place_of
from .messages import left_line, listed
from .prompting import CurrentObject
from .viewer_events import ViewerEvents

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer


class LabelTools:
    """Works on the labels of the chosen layer.

    - `events`: blocked while prompts are cleared
    - `.said`: what was done last, or why it was not, in a sentence
    """

    done = Signal()  # something may have changed: look again
    editing = Signal()  # a label was made the current object
    taken = Signal(object)  # numbers of labels that are the user's from now on
    removed = Signal(Removal)  # labels were deleted, or are part of others, on a plane

    def __init__(
        self,
        viewer: Viewer,
        session: Session,
        targets: Targets,
        current: CurrentObject,
        events: ViewerEvents,
    ) -> None:
        self.said = ""
        self._viewer = viewer
        self._session = session
        self._targets = targets
        self._current = current
        self._events = events
        self._chosen = Chosen()
        self._starts: dict[tuple[UUID | None, Plane, int], MaskCrop] = {}

    def choose(self, chosen: Chosen) -> None:
        """Work on these layers from now on."""
        if chosen.labels != self._chosen.labels:
            self.said = ""
        self._chosen = chosen
        there = {layer.unique_id for layer in self._viewer.layers}
        self._starts = {key: mask for key, mask in self._starts.items() if key[0] in there}

    def accepted(self, objects: Collection[int], left: Collection[int] = ()) -> None:
        """Take it that these objects are finished.

        - `left`: those that keep their prompts, since the labels have nothing of them
        """
        self.said = left_line(sorted(left))
        labels = id_of(self._chosen.labels)
        for key in tuple(self._starts):
            if key[0] == labels and key[2] in objects:
                del self._starts[key]

    def undone(self) -> None:
        """Say no more what was done last, as it may not be so any longer."""
        self.said = ""
        self.done.emit()

    @property
    def kept(self) -> tuple[int, ...]:
        """The labels that no result changes."""
        labels = self._chosen.labels
        return () if labels is None else tuple(sorted(kept_labels(labels)))

    @property
    def under_mouse(self) -> int:
        """The label under the mouse; 0 if there is none."""
        labels, plane = self._chosen.labels, self._plane()
        if labels is None or plane is None or self._target() is None:
            return 0
        return label_at(labels, self._viewer.cursor.position, plane, self._viewer.dims)

    # --- what the user does -----------------------------------------------------------------

    def edit(self, number: int) -> bool:
        """Make a label the current object, so that the next prompts refine its mask.

        Nothing changes before there is a prompt.  Returns whether there is such a label.
        """
        if number > MAX_OBJECT:
            return self._say(f"Label {number} is too high to work on: {MAX_OBJECT} is the highest.")
        found = self._find(number)
        if found is None:
            return False
        labels, plane, target = found
        if number not in target.live(plane):
            mask = label_mask(labels, plane.in_data_order(), number)
            if mask is None:
                return self._say(f"There is no label {number} on this plane.")
            self._starts[id_of(labels), plane, number] = (
                transposed(mask) if plane.is_transposed else mask
            )
        self._current.pick(number)
        self._finish(f"Label {number}: prompts refine its mask now.")
        self.editing.emit()
        return True

    def merge(self, number: int) -> bool:
        """Make a label part of the current object; returns whether that was done."""
        into = self._current.number
        if number == into:
            return self._say(f"Label {number} is the current object: choose another to merge.")
        if into in self.kept:
            return self._say(f"Label {into} is kept: release it first.")
        if not self._relabel([number], into):
            return False
        return self._finish(f"Label {number} is part of label {into} now.")

    def delete(self, *numbers: int) -> bool:
        """Remove labels and their prompts, as one step of undo; returns whether that was done.

        Of several, those that are kept stay.
        """
        kept = [number for number in numbers if number in self.kept]
        gone = [number for number in numbers if number not in kept] or kept
        if not self._relabel(gone, 0):
            return False
        stay = f" {_release(kept)}" if kept else ""
        return self._finish(f"{_which(gone)} deleted.{stay}")

    def keep(self, *numbers: int, on: bool) -> bool:
        """Have no result change labels any more, on all planes, or let results change them again.

        Their prompts are cleared, as when they are accepted.
        """
        labels, target = self._chosen.labels, self._target()
        if labels is None or target is None or min(numbers, default=0) < 1:
            return self._say("There is no label to keep.")
        for number in numbers:
            target.keep(number, on)
        if not on:
            return self._finish(f"{_which(numbers)} not kept any more.")
        ours = [p for p in self._session.places if not self._chosen.ids.isdisjoint(p.layers)]
        for number in numbers:
            for place in ours:
                self._session.forget_object(number, place)
        self.accepted(numbers)
        self.taken.emit(numbers)
        with self._events.blocked():
            remove_objects((self._chosen.points, self._chosen.shapes), numbers)
        return self._finish(f"{_which(numbers)} kept: no result changes {_it(numbers)}.")

    def refines(self, number: int) -> bool:
        """Whether prompts of an object refine a label that was there, on the shown plane."""
        return self._start_of(number) is not None

    def convert(self) -> Chosen:
        """Give the labels the dtype that was offered; return the layers, to be chosen.

        Labels that can't be edited where they are come as a copy.
        """
        now, labels = self._chosen, self._chosen.labels
        if labels is None or now.image is None or self._targets.offer is None:
            return now
        data = converted_labels(labels, self._targets.offer)
        self._targets.solved()
        if not (isinstance(labels.data, np.ndarray) and labels.editable):
            with self._events.blocked():
                *_, labels = make_layers(
                    self._viewer, now.image, points=now.points, shapes=now.shapes
                )
        labels.data = data
        return replace(now, labels=labels)

    # --- for the controller -----------------------------------------------------------------

    def start(self, prompt: Prompt) -> Prompt:
        """Return a prompt with the mask of the label that it refines."""
        mask = self._start_of(prompt.object)
        return prompt if mask is None else starting_from(prompt, mask)

    def unfreeze(self, prompt: Prompt) -> Prompt:
        """Let results change the label that a prompt refines; return it with the label's mask."""
        mask = self._start_of(prompt.object)
        if mask is None:
            return prompt
        plane, target = self._plane(), self._target()
        if plane is not None and target is not None:
            target.unfreeze(plane, prompt.object)
        return starting_from(prompt, mask)

    # --- inside -----------------------------------------------------------------------------

    def _start_of(self, number: int) -> MaskCrop | None:
        if all(number != other for _, _, other in self._starts):
            return None  # quick, since it is asked for each of a thousand prompts
        plane = self._plane()
        if plane is None:
            return None
        return self._starts.get((id_of(self._chosen.labels), plane, number))

    def _relabel(self, numbers: Sequence[int], new: int) -> bool:
        found = self._find(*numbers)
        image = self._chosen.image
        if found is None or image is None:
            return False
        _, plane, target = found
        prompts = self._chosen.points, self._chosen.shapes
        dims, step = self._viewer.dims, OpenStep()
        here = partial(prompts_on_plane, shown=shown_plane(dims, image), dims=dims)
        prompted = prompted_objects(*prompts).intersection(numbers)
        try:
            with self._targets.offering(), target.joined(step):
                changed = target.relabel(plane, numbers, new)
        except TargetError as error:
            return self._say(str(error))
        place = place_of(self._chosen, plane)
        for number in numbers:
            self._session.forget_object(number, place)
            self._starts.pop((place.labels, plane, number), None)
        self.removed.emit(Removal(place, tuple(numbers)))
        with self._events.blocked():
            remove_objects(prompts, numbers, here)
            with target.joined(step):  # what was followed on other planes
                target.remove(prompted - prompted_objects(*prompts))
        return changed > 0 or self._say(f"There is no label {listed(numbers)} on this plane.")

    def _find(self, *numbers: int) -> tuple[Labels, Plane, LabelsTarget] | None:
        """Return what is needed to work on labels; None, with the reason said, if it can't be."""
        kept = [number for number in numbers if number in self.kept]
        labels, plane, target = self._chosen.labels, self._plane(), self._target()
        if labels is None or plane is None or target is None:
            self._say("There are no labels here to work on.")
        elif min(numbers, default=0) < 1:
            self._say("There is no label under the mouse.")
        elif kept:
            self._say(_release(kept))
        else:
            return labels, plane, target
        return None

    def _target(self) -> LabelsTarget | None:
        image, labels = self._chosen.image, self._chosen.labels
        if image is None or labels is None:
            return None
        fits = not self._targets.misfit(labels, image, self._viewer.dims)
        return self._targets.of(labels) if fits else None

    def _plane(self) -> Plane | None:
        return plane_if_shown(self._viewer.dims, self._chosen.image)

    def _say(self, sentence: str) -> bool:
        """Say why nothing was done."""
        self.said = sentence
        self.done.emit()
        return False

    def _finish(self, sentence: str) -> bool:
        self.said = sentence
        self.done.emit()
        return True


def _which(numbers: Sequence[int]) -> str:
    """Return the subject of a sentence on labels, with its verb."""
    return f"Label {numbers[0]} is" if len(numbers) == 1 else f"Labels {listed(numbers)} are"


def _it(numbers: Sequence[int]) -> str:
    return "it" if len(numbers) == 1 else "them"


def _release(kept: Sequence[int]) -> str:
    return f"{_which(kept)} kept: release {_it(kept)} first."
