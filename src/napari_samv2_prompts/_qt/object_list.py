"""Between the work and the list of objects: where its rows come from, what a press on one does.

The rows are gathered while the list is open only, a moment after something changed; which label
stands on which plane is looked for in a worker.

Not here: the table (``form/objects.py``), what is done to labels (``label_tools.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.engine import Done, Job, Outcome, Removal, Results, Runner, Task
from napari_samv2_prompts.engine.jobs import ignore_report
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    data_at,
    label_mask,
    object_numbers,
    plane_if_shown,
    show_plane,
    world_map,
)
from napari_samv2_prompts.layers.classes import object_classes, set_class
from napari_samv2_prompts.layers.labels_reading import PlaneIndex, labels_by_plane
from napari_samv2_prompts.prompts import MAX_OBJECT

from .form.objects import ObjectRow
from .threads import timer_for
from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from .controller import Controller

SETTLED = 300  # ms after the last change before the list is made anew
QUICK = 4_000_000  # pixels in which an object is found in a few milliseconds

Planes = Mapping[int, tuple[PlaneIndex, ...]]


class _FoundPlanes:
    """The planes that each label of a layer stands on, by the indices of its hidden axes."""

    def __init__(
        self,
        labels: Labels | None = None,
        hidden: tuple[int, ...] = (),
        planes: Planes = MappingProxyType({}),
    ) -> None:
        self.labels, self.planes = labels, planes
        self._hidden = hidden
        self._by_place: dict[tuple[int | None, ...], set[int]] = {}
        for number, places in planes.items():
            for at in places:
                self._by_place.setdefault(at, set()).add(number)

    def on(self, plane: Plane) -> Collection[int] | None:
        """Return the labels on a plane; None where that was not looked for."""
        if self.labels is None or plane.hidden != self._hidden:
            return None
        return self._by_place.get(tuple(plane.index[axis] for axis in self._hidden), ())


class ObjectList:
    """Makes the rows of one widget's list, and does what is asked for with them.

    - `runner`: closed together with this
    """

    changed = Signal(tuple, int)  # the rows, and the current object

    def __init__(self, viewer: Viewer, controller: Controller, runner: Runner) -> None:
        self._viewer, self._controller, self._runner = viewer, controller, runner
        self._open = self._closed = False
        self._rows: tuple[ObjectRow, ...] = ()
        self._scores: dict[tuple[UUID | None, int], dict[object, float]] = {}
        self._found: set[tuple[UUID | None, int]] = set()  # without prompts, and accepted
        self._planes = _FoundPlanes()
        self._task: Task | None = None
        self._stale = True  # the planes may have changed since they were looked for
        self._timer = timer_for(self.refresh)
        self._links = Connections()
        self._links.add(self._on_change, controller.state_changed)
        self._links.add(self._on_decoded, controller.session.decoded)
        removals = controller.session.removed, controller.label_tools.removed
        self._links.add(self._on_removed, *removals)
        self._links.add(self._on_layer_gone, viewer.layers.events.removed)
        self._watched: Labels | None = None  # whose pixels are listened to
        self._pixels = Connections()

    @property
    def is_open(self) -> bool:
        """Whether anybody looks at the list."""
        return self._open

    @is_open.setter
    def is_open(self, value: bool) -> None:
        self._open = value
        self.refresh()

    @property
    def busy(self) -> bool:
        """Whether planes are being looked for."""
        return self._task is not None

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._closed = True  # the timer goes on: at exit Qt may have deleted it by now
        self._links.close()
        self._pixels.close()
        if self._task is not None:
            self._task.cancel()
        self._task, self._planes = None, _FoundPlanes()
        self._runner.close()

    # --- rows -------------------------------------------------------------------------------

    def _on_change(self, now: object) -> None:
        self._stale = True
        if self._open:
            self._timer.start(SETTLED)

    def _watch(self, labels: Labels | None) -> None:
        """Listen to what the user paints and undoes: nothing else tells of it."""
        if labels is not self._watched:
            self._pixels.close()
            self._watched = labels
            if labels is not None:
                self._pixels.add(self._on_change, labels.events.paint, labels.events.set_data)

    def _on_decoded(self, results: Results) -> None:
        place = results.place
        for item in results.items:
            known = self._scores.setdefault((place.labels, item.object), {})
            known[place.plane] = item.score

    def _on_removed(self, removal: Removal) -> None:
        for number in removal.objects:
            key = removal.place.labels, number
            known = self._scores.get(key, {})
            known.pop(removal.place.plane, None)
            if not known:
                self._scores.pop(key, None)

    def _on_layer_gone(self, event: Any) -> None:
        gone = event.value.unique_id
        self._scores = {key: known for key, known in self._scores.items() if key[0] != gone}
        self._found = {key for key in self._found if key[0] != gone}
        if self._watched is event.value:
            self._watch(None)
        if self._planes.labels is event.value:
            self._planes = _FoundPlanes()

    def take_found(self, labels: UUID, scores: Mapping[int, float]) -> None:
        """Take note of labels that were found without prompts, and accepted."""
        for number, score in scores.items():
            self._scores[labels, number] = {None: score}
        self._found.update((labels, number) for number in scores)

    def refresh(self) -> None:
        """List what is there, and look for the planes of its labels if they may have changed."""
        if self._closed or not self._open:
            return
        labels = self._controller.chosen.labels
        self._watch(labels)
        if labels is not None and self._stale and self._task is None:
            self._search(labels)
        self._show(labels)

    def _show(self, labels: Labels | None) -> None:
        self._rows = tuple(self._listed(labels))
        self.changed.emit(self._rows, self._controller.state().current)

    def _listed(self, labels: Labels | None) -> Iterator[ObjectRow]:
        now = self._controller.chosen
        counts: dict[int, int] = {}
        for layer in (now.points, now.shapes):
            for number in () if layer is None else object_numbers(layer).tolist():
                counts[number] = counts.get(number, 0) + 1
        counts.pop(0, None)
        there = self._planes if self._planes.labels is labels else _FoundPlanes()
        planes = there.planes
        key = labels.unique_id if labels is not None else None
        classes = object_classes(now.points, now.shapes, labels)
        kept = set(self._controller.label_tools.kept)
        origins = self._controller.session.provenance(key, there.on)
        numbers = sorted(counts.keys() | planes.keys())
        colours = _colours(labels, numbers)
        for number, colour in zip(numbers, colours, strict=True):
            scores = self._scores.get((key, number), {}).values()
            prompts = counts.get(number, 0)
            other = "found" if (key, number) in self._found else "by hand"
            origin, doubt = origins.get(number, (other if number in planes else "", 0.0))
            yield ObjectRow(
                number,
                colour,
                planes.get(number, ()),
                min(scores, default=None),
                prompts,
                "kept" if number in kept else str(origin) if planes or prompts else "",
                classes.get(number, ""),
                doubt,
            )

    def _search(self, labels: Labels) -> None:
        if not isinstance(labels.data, np.ndarray):
            return
        self._stale = False
        hidden = self._hidden_axes(labels)
        data = labels.data
        job: Job[Planes] = Job(
            labels.unique_id, lambda task: labels_by_plane(data, hidden, task.check)
        )
        self._task = Task(job)
        self._runner.submit(self._task, partial(self._on_found, labels, hidden), ignore_report)

    def _on_found(
        self, labels: Labels, hidden: tuple[int, ...], task: Task, outcome: Outcome
    ) -> None:
        self._task = None
        if isinstance(outcome, Done) and not self._closed:
            self._planes = _FoundPlanes(labels, hidden, outcome.value)  # type: ignore[arg-type]
            self._show(self._controller.chosen.labels)
        if self._stale and self._open and not self._closed:
            self._timer.start(SETTLED)

    def _hidden_axes(self, labels: Labels) -> tuple[int, ...]:
        dims = self._viewer.dims
        first = dims.ndim - labels.ndim
        return tuple(sorted(axis - first for axis in dims.not_displayed if axis >= first))

    # --- what is asked for ------------------------------------------------------------------

    def pick(self, number: int) -> None:
        """Make an object current and show it; a label too high for an object is shown alone."""
        if number <= MAX_OBJECT:
            self._controller.pick_object(number)
        labels = self._controller.chosen.labels
        row = next((row for row in self._rows if row.number == number), None)
        if labels is not None and row is not None:
            self._go_to(labels, row)

    def delete(self, numbers: Iterable[int]) -> None:
        """Remove objects with their prompts from the shown plane, as one step of undo."""
        self._controller.label_tools.delete(*numbers)

    def keep(self, numbers: Iterable[int]) -> None:
        """Let no result change some objects any more."""
        self._controller.label_tools.keep(*numbers, on=True)

    def name(self, number: int, name: str) -> None:
        """Give an object a class."""
        now = self._controller.chosen
        set_class(now.points, now.shapes, now.labels, number, name)
        self.refresh()

    def _go_to(self, labels: Labels, row: ObjectRow) -> None:
        """Show a plane that the object stands on, and the part of it."""
        dims, hidden = self._viewer.dims, self._hidden_axes(labels)
        here = np.rint(data_at(labels, dims.point, dims)).astype(int)
        if row.planes and tuple(here[list(hidden)]) not in row.planes:
            places = dict(zip(hidden, row.planes[0], strict=True))
            show_plane(dims, labels, [places.get(axis) for axis in range(labels.ndim)])
        self._look_at(labels, row.number)

    def _look_at(self, labels: Labels, number: int) -> None:
        """Move the camera only if the object is not in sight."""
        plane = plane_if_shown(self._viewer.dims, labels)
        if plane is None or plane.is_transposed or np.prod(plane.shape) > QUICK:
            return
        if not isinstance(labels.data, np.ndarray):  # a pyramid, or what has to be read first
            return
        mask = label_mask(labels, plane.in_data_order(), number)
        if mask is None:
            return
        top, left, bottom, right = mask.box
        middle = plane.to_data([[(left + right) / 2, (top + bottom) / 2]])
        world = world_map(labels, self._viewer.dims)(middle)[0]
        shown = [axis - (self._viewer.dims.ndim - labels.ndim) for axis in
                 self._viewer.dims.displayed]  # fmt: skip
        viewer, camera = self._viewer, self._viewer.scene.camera
        reach = np.array(viewer.canvas.viewbox_size(viewer.layers)) / camera.zoom / 2
        away = np.abs(world[shown] - np.array(camera.center[-2:]))
        if (away > reach).any():
            camera.center = (*camera.center[:-2], *world[shown])


def _colours(labels: Labels | None, numbers: list[int]) -> list[tuple[int, int, int]]:
    if labels is None or not numbers:
        return [(200, 200, 200)] * len(numbers)
    mapped = np.asarray(labels.colormap.map(np.array(numbers))).reshape(-1, 4)
    return [tuple(row) for row in np.rint(255 * mapped[:, :3]).astype(int).tolist()]
