"""The Labels layers that results go to, and what stands in the way of writing.

The edits themselves are :class:`.layers.LabelsTarget`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.engine import (
    Done,
    Job,
    Outcome,
    Place,
    Removal,
    Request,
    Results,
    Runner,
    Session,
    Task,
)
from napari_samv2_prompts.engine.jobs import ignore_report
from napari_samv2_prompts.geometry import AffineMap, Plane, PlaneError
from napari_samv2_prompts.layers import Chosen, LabelsTarget, TargetError, check_numbers, id_of
from napari_samv2_prompts.layers.labels_checks import LabelNumbers
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import Policy

from .viewer_events import Connections, ViewerEvents

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels

QUICK = 4_000_000  # labels that are searched for the highest one in a few milliseconds


class Targets:
    """One :class:`.LabelsTarget` per Labels layer that was worked on.

    - `runner`: searches large layers for their highest label
    - `.problem`: why the last write or check did not work, in a sentence; empty if it did
    """

    searched = Signal()  # a large layer's highest label was found
    painted = Signal()  # by hand: a label above all others of its layer

    def __init__(self, runner: Runner) -> None:
        self.problem = ""
        self._wider: Any = None
        self._offer: Any = None
        self._runner = runner
        self._searching: set[UUID] = set()
        self._targets: dict[UUID, LabelsTarget] = {}
        self._unwritten: dict[tuple[UUID | None, Plane], set[int]] = {}

    def of(self, labels: Labels, highest: int | None = None) -> LabelsTarget:
        """Return the target for a layer, whose highest label may be known."""
        key = labels.unique_id
        if key not in self._targets:
            self._targets[key] = target = LabelsTarget(labels, highest)
            target.painted.connect(self.painted.emit)
        return self._targets[key]

    def known(self, key: UUID | None) -> LabelsTarget | None:
        """Return the target for a layer that was worked on and is there."""
        return None if key is None else self._targets.get(key)

    @property
    def all(self) -> tuple[LabelsTarget, ...]:
        """The targets of all layers."""
        return tuple(self._targets.values())

    @property
    def offer(self) -> Any:
        """The dtype that would solve the problem, or hold what was refused last; None if none."""
        return self._wider if self._offer is None else self._offer

    @contextmanager
    def offering(self) -> Iterator[None]:
        """Offer another dtype, too, if labels refuse what the user asks for; the error goes on."""
        self._wider = None
        try:
            yield
        except TargetError as error:
            self._wider = error.dtype
            raise

    @property
    def searching(self) -> bool:
        """Whether a layer is being searched for its highest label."""
        return bool(self._searching)

    def numbered(self, labels: Labels) -> bool:
        """Whether new objects can have their number; if not, the search for it is under way."""
        target, key = self.of(labels), labels.unique_id
        if key in self._searching:
            return False
        if not target.numbers.needs_scan or labels.data.size <= QUICK:
            return True
        self._searching.add(key)
        search = target.numbers.scan_job(labels)
        job = Job(key, lambda task: search())
        self._runner.submit(Task(job), partial(self._on_searched, target.numbers), ignore_report)
        return False

    def hold_numbers(self, labels: Labels, on: bool) -> None:
        """Have new objects wait for their number while labels are being made, or no longer."""
        (self._searching.add if on else self._searching.discard)(labels.unique_id)

    def _on_searched(self, numbers: LabelNumbers, task: Task, outcome: Outcome) -> None:
        key: UUID = task.job.key  # type: ignore[assignment]
        self._searching.discard(key)
        if isinstance(outcome, Done):  # of the data that were there then: others have new numbers
            numbers.set_highest(outcome.value)  # type: ignore[arg-type]
        self.searched.emit()

    def check(self, labels: Labels, image: Image, dims: Dims, at: AffineMap | None = None) -> bool:
        """Whether masks of an image can be written to a layer; if not, the problem says why.

        The image's place `at` need not be worked out again where it is known.
        """
        try:
            self.of(labels).check(image, dims, at)
        except (TargetError, PlaneError) as error:
            self._refuse(error)
            return False
        self._solved()
        return True

    def misfit(self, labels: Labels, image: Image, dims: Dims, at: AffineMap | None = None) -> str:
        """Return why masks of an image can't be written to a layer; empty if they can.

        Unlike :meth:`check` it leaves what is said of the layer alone.
        """
        try:
            self.of(labels).check(image, dims, at)
        except (TargetError, PlaneError) as error:
            return str(error)
        return ""

    def check_objects(self, labels: Labels, objects: Iterable[int]) -> None:
        """Say so if a layer can't hold all of these objects; it takes the others."""
        try:
            check_numbers(labels, objects)
        except TargetError as error:
            self._refuse(error)

    def write(
        self, key: UUID | None, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy
    ) -> None:
        """Write masks, unless their layer is gone; None takes an object away.

        What can't be written is remembered (:meth:`unwritten`), and does not keep back the rest.
        """
        target = self.known(key)
        if target is None:
            return
        live, refused = target.live(plane), self._unwritten.setdefault((key, plane), set())
        wanted = {n: mask for n, mask in masks.items() if mask is not None or n in live}
        refused -= set(masks)
        fitting = {n: m for n, m in wanted.items() if m is None or _holds(target.labels, n)}
        try:
            if fitting:
                target.write(plane, fitting, policy)
        except TargetError as error:
            self._refuse(error)
            refused |= {number for number, mask in wanted.items() if mask is not None}
        else:
            refused |= wanted.keys() - fitting.keys()
            self.check_objects(target.labels, refused)

    def unwritten(self, key: UUID | None, plane: Plane) -> frozenset[int]:
        """Return the objects of a plane that a layer refused and that it can hold now."""
        target = self.known(key)
        if target is None:
            return frozenset()
        refused = self._unwritten.get((key, plane), set())
        return frozenset(number for number in refused if _holds(target.labels, number))

    def without_pixels(
        self, chosen: Chosen, objects: Iterable[tuple[Place, int]]
    ) -> frozenset[int]:
        """Return the objects of which a layer shows nothing on a plane where they have a mask.

        A mask may be in no layer, or have no pixel; other labels or a label that is kept may lie
        where it is; it may have been undone.
        """
        key, layers, by_plane = id_of(chosen.labels), chosen.ids, dict[Plane, set[int]]()
        target = self.known(key)
        for place, number in objects:
            if place.labels in (key, None) and not layers.isdisjoint(place.layers):
                by_plane.setdefault(place.plane, set()).add(number)
        missing = set[int]()
        for plane, numbers in by_plane.items():
            missing |= numbers - (target.shown(plane, numbers) if target else frozenset())
        return frozenset(missing)

    def covered(self, place: Place | None) -> frozenset[int]:
        """Return the objects whose masks other labels cover entirely."""
        target = self.known(place.labels) if place else None
        return target.covered(place.plane) if place and target else frozenset()

    def refused(self, labels: Labels | None) -> frozenset[int]:
        """Return the objects that have a mask which their layer could not take."""
        key = id_of(labels)
        return frozenset(n for at, some in self._unwritten.items() if at[0] == key for n in some)

    def accept(self, key: UUID | None, objects: frozenset[int]) -> None:
        """Leave objects of a layer to the user."""
        target = self.known(key)
        if target is not None:
            target.accept(objects)

    def solved(self) -> None:
        """Forget the problem, and what was refused."""
        self._solved()
        self._wider = None

    def keep(self, there: set[UUID]) -> tuple[UUID, ...]:
        """Let go of all layers but these; return those that went."""
        gone = tuple(key for key in self._targets if key not in there)
        for key in gone:
            self._targets.pop(key).close()
        self._unwritten = {at: n for at, n in self._unwritten.items() if at[0] in self._targets}
        return gone

    def close(self) -> None:
        """Let go of all layers; idempotent."""
        self._runner.close()
        self._searching.clear()
        self.keep(set())

    def _solved(self) -> None:
        self.problem, self._offer = "", None

    def _refuse(self, error: ValueError) -> None:
        self.problem, self._offer = str(error), getattr(error, "dtype", None)


class LabelsWriter:
    """Writes what a session brings to the Labels layers.

    - `events`: blocked while labels are written
    - `.policy`: {"keep", "replace", "background"}
    """

    written = Signal()

    def __init__(self, session: Session, targets: Targets, events: ViewerEvents) -> None:
        self.policy: Policy = "keep"
        self._session, self._targets, self._events = session, targets, events
        self._links = Connections()
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)

    def accept(self, chosen: Chosen) -> tuple[frozenset[int], frozenset[int]]:
        """Leave all objects whose masks are in their labels to the user.

        - `chosen`: the layers whose prompts are to be cleared
        - returns the objects, and those that have a mask of which nothing is in the labels: without
          their prompts they would be lost
        """
        waiting = {*self._session.pending}
        nothing = self._targets.without_pixels(chosen, self._session.prompted)
        left = nothing | self._targets.refused(chosen.labels)
        done = self._session.accept(but=left, layers=chosen.ids)
        objects = frozenset(number for _, number in done)
        for key in {place.labels for place, _ in done}:
            self._targets.accept(key, objects)
        return objects, left - waiting

    def write_refused(
        self, request: Request, labels: Labels | None, prompted: frozenset[int]
    ) -> None:
        """Write what the labels could not take before, and can now.

        `request` is what was asked for last, `prompted` are all objects that have a prompt.
        """
        place = request.place
        if labels is None or place.labels is None:
            return
        waiting = self._targets.unwritten(place.labels, place.plane)
        results = self._session.results(waiting & set(request.prompts.objects))
        for item in results:
            if item.is_released:
                self._session.forget_object(item.object, place)  # predicted anew
        masks = {item.object: item.crop for item in results if not item.is_released}
        if masks:
            self._write(place, masks)
        self._targets.check_objects(labels, prompted)

    def close(self) -> None:
        """Write nothing any more; idempotent."""
        self._links.close()

    def _on_decoded(self, results: Results) -> None:
        self._write(results.place, {item.object: item.crop for item in results.items})

    def _on_removed(self, removal: Removal) -> None:
        self._write(removal.place, dict.fromkeys(removal.objects))

    def _write(self, place: Place, masks: Mapping[int, MaskCrop | None]) -> None:
        with self._events.blocked():
            self._targets.write(place.labels, place.plane, masks, self.policy)
        self.written.emit()


def place_of(chosen: Chosen, plane: Plane) -> Place:
    """Return the place of the chosen layers on a plane."""
    return Place(plane, id_of(chosen.points), id_of(chosen.shapes), id_of(chosen.labels))


def _holds(labels: Labels, number: int) -> bool:
    dtype = labels.data.dtype
    return dtype.kind in "iu" and number <= np.iinfo(dtype).max
