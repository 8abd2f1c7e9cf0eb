"""Following objects through a stack: which objects and axis, what is asked of the engine.

Not here: what was found and written (``layers/stack_labels.py``), buttons
(``form/background.py``), the algorithm (``propagation`` of the package).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_samv2_prompts.engine import WorkUpdate
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    LabelsTarget,
    TargetError,
    kept_labels,
    layer_shape,
    shown_plane,
    view_of,
)
from napari_samv2_prompts.layers.label_planes import labels_by_plane

from .cluster_help import ClusterHelp
from .cluster_work import follow_objects, seen_file
from .labels_writer import place_of
from .messages import axis_name
from .models import input_sides
from .viewer_events import Connections
from .widget_state import Axis, Direction, PropagationState

if TYPE_CHECKING:
    from napari.layers import Image, Tracks
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_samv2_prompts.engine import Propagation
    from napari_samv2_prompts.layers.stack_labels import StackLabels
    from napari_samv2_prompts.propagation import Filled, Lineage, Method

    from .controller import Controller
    from .saved_prompts import Recorder

# Opening the window must not wait for what following objects needs: it is imported when they are.

__all__ = ["StackPropagation"]


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """The image and its labels, and the plane that is shown of them."""

    image: Image
    target: LabelsTarget
    plane: Plane


class StackPropagation:
    """Follows objects of the chosen layers through planes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    controller : Controller
    recorder : Recorder
        Told what is done, so that it can be done again.
    cluster : ClusterHelp
        Follows them, where the user names one.

    Attributes
    ----------
    state : PropagationState
    """

    changed = Signal(PropagationState)

    def __init__(
        self, viewer: Viewer, controller: Controller, recorder: Recorder, cluster: ClusterHelp
    ) -> None:
        self.state, self._cluster = PropagationState(), cluster
        self._viewer, self._controller, self._recorder = viewer, controller, recorder
        self._tracks: dict[Hashable, StackLabels] = {}
        self._track: StackLabels | None = None  # the one that is shown
        self._running: tuple[StackLabels, Propagation] | None = None
        self._last_doubtful: tuple[int, int] | None = None
        self._links = Connections()
        self._links.add(self._on_update, controller.session.propagated)
        self._links.add(self._on_state, controller.state_changed)

    @property
    def running(self) -> bool:
        """Whether objects are being followed."""
        return self._running is not None

    def axes(self) -> tuple[Axis, ...]:
        """Return the axes that can be gone through, the one whose slider was moved last first."""
        try:
            shown = self._shown()
        except ValueError:
            return ()
        plane, last = shown.plane, self._controller.reader.other_planes.axis
        sizes, names = layer_shape(shown.image), self._viewer.dims.axis_labels[-plane.ndim :]
        axes = [
            Axis(axis, axis_name(axis, names[axis]), sizes[axis], int(plane.index[axis] or 0))
            for axis in plane.hidden
            if sizes[axis] > 1
        ]
        return tuple(sorted(axes, key=lambda axis: axis.number != last))

    # --- what the user does -----------------------------------------------------------------

    def propagate(
        self,
        objects: Collection[int] | None = None,
        direction: Direction = "both",
        first: int | None = None,
        last: int | None = None,
        axis: int | None = None,
        stop_when_lost: bool = True,
        method: Method = "auto",
    ) -> None:
        """Follow objects along an axis in the background; see the widget's ``propagate``."""
        from napari_samv2_prompts.engine import Propagation
        from napari_samv2_prompts.propagation import METHODS, Wanted

        self._controller.flush()
        shown, options = self._shown(), self._controller.options
        through = self._axis(axis)
        planes = layer_shape(shown.image)[through]
        low, high = first or 0, planes - 1 if last is None else last
        if not 0 <= low <= high < planes:
            raise ValueError(f"There are no planes from {low} to {high}: the axis has {planes}.")
        if direction not in ("forward", "back", "both"):
            raise ValueError(f"direction is {direction!r}: 'forward', 'back' or 'both'.")
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}: it is one of {', '.join(METHODS)}.")
        numbers = self._objects(shown) if objects is None else frozenset(map(int, objects))
        if not numbers:
            raise ValueError(
                "There is no object to follow: draw one, or go to a plane with labels."
            )
        track = self._track = self._track_of(shown, through)
        track.begin(options.policy)
        layers, dims = self._viewer.layers, self._viewer.dims
        request = Propagation(
            [view_of(layers, shown.image, here, dims, options.rendering) for here in track.planes],
            options.model,
            input_sides(options.model),
            partial(track.read_anchors, numbers),
            Wanted(low, high, direction, objects=numbers, stop_when_lost=stop_when_lost),
            track.found,
            [place_of(self._controller.chosen, here) for here in track.planes],
            method=method,
        )
        self._running = track, request
        labels = shown.target.labels.unique_id
        self._recorder.follow(labels, shown.plane, through, request, options.policy)
        self._tell(replace(self.state, running=True, done=0, total=0, said=""))
        seen = partial(seen_file, shown.image, options.rendering, layers)
        follow_objects(self._cluster, seen, self._controller.session, request, track.planes)

    def cancel(self) -> None:
        """Stop; what was found stays, and following again goes on from there."""
        if self._running is not None:
            self._controller.session.propagate(None)

    def next_doubtful(self) -> tuple[int, int] | None:
        """Go to the next doubtful plane, from the most doubtful on; return place and object."""
        track, ranked = self._track, self._track.doubtful if self._track else ()
        if track is None or not ranked:
            return None
        last = self._last_doubtful
        index = ranked.index(last) + 1 if last in ranked else 0
        place, number = self._last_doubtful = ranked[index % len(ranked)]
        dims = self._viewer.dims
        dims.set_current_step(track.axis + dims.ndim - track.planes[0].ndim, place)
        self._controller.pick_object(number)
        doubt = track.found.sections[number][place].doubt
        said = f"Object {number} on plane {place}: doubt {doubt:.2f}. Correct it, or press again."
        self._tell(replace(self.state, said=said))
        return place, number

    def end_here(self, number: int | None = None) -> None:
        """Say that an object, the current one by default, is not on the shown plane."""
        shown, axis, track, number = self._told(number)
        track.end(number, shown.plane, self._controller.events.blocked)
        self._recorder.ended(shown.target.labels.unique_id, shown.plane, axis, number)
        said = f"Object {number} ends here: not on plane {shown.plane.index[axis]}, nor beyond."
        self._tell(replace(self.state, doubtful=track.has_found, said=said))

    def divide_here(self, number: int | None = None) -> tuple[int, int]:
        """Say that an object, the current one by default, is two from the shown plane on."""
        shown, axis, track, number = self._told(number)
        new = track.divide(number, shown.plane, self._controller.events.blocked)
        self._recorder.divided(shown.target.labels.unique_id, shown.plane, axis, number, new)
        said = f"Object {number} divides here into {new[0]} and {new[1]}."
        self._tell(replace(self.state, doubtful=track.has_found, said=said))
        return new

    def lineage(self) -> Lineage:
        """Return the tracks of all labels along the axis that is gone through."""
        self._controller.flush()
        return self._track_of(self._shown(), self._axis(None)).lineage()

    def film(self) -> Callable[[], tuple[NDArray[Any], Mapping[int, int]]] | None:
        """Return what reads all labels and who came from whom, for a worker; None of one plane."""
        self._controller.flush()
        try:
            return self._track_of(self._shown(), self._axis(None)).film
        except ValueError:
            return None

    def show_tracks(self) -> Tracks:
        """Add a Tracks layer with the middles of all labels, and who came from whom."""
        read, show = self.tracks_in_steps()
        return show(read())

    def tracks_in_steps(self) -> tuple[Callable[[], Lineage], Callable[[Lineage], Tracks]]:
        """Return what reads all labels, for a worker, and what then adds the layer."""
        self._controller.flush()
        shown, axis = self._shown(), self._axis(None)
        if axis != 0 or shown.plane.ndim != 3:
            raise ValueError("A Tracks layer needs time as the first of three axes.")
        return self._track_of(shown, axis).lineage, partial(self._add_tracks, shown)

    def _add_tracks(self, shown: _Shown, lineage: Lineage) -> Tracks:
        labels = shown.target.labels
        if not len(lineage.spots):
            raise ValueError("There are no labels to show tracks of.")
        turned = shown.plane.axes[0] > shown.plane.axes[1]
        rows = lineage.spots[:, [0, 1, 3, 2]] if turned else lineage.spots
        name = f"{labels.name} tracks"
        if name in self._viewer.layers:
            self._viewer.layers.remove(name)  # as it was before
        return self._viewer.add_tracks(
            rows,
            graph={daughter: [parent] for daughter, parent in lineage.parents.items()},
            name=name,
            scale=labels.scale,
            translate=labels.translate,
            units=labels.units,
            axis_labels=labels.axis_labels,
        )

    def _told(self, number: int | None) -> tuple[_Shown, int, StackLabels, int]:
        """Stop following, since the user says something of an object on the shown plane."""
        self._controller.flush()
        shown, axis = self._shown(), self._axis(None)
        self.cancel()
        number = self._controller.state().current if number is None else number
        track = self._track = self._track_of(shown, axis)
        return shown, axis, track, number

    def accepted(self, objects: Collection[int]) -> None:
        """Leave what was found of objects to the user."""
        for track in self._tracks.values():
            for number in objects:
                track.accept(number)
        self._tell(replace(self.state, doubtful=False))

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._links.close()
        self._running = self._track = None
        self._tracks.clear()

    # --- what there is to follow ------------------------------------------------------------

    def _shown(self) -> _Shown:
        """Return what is shown; ValueError if nothing can be followed in it."""
        now, chosen = self._controller, self._controller.chosen
        if chosen.image is None or chosen.labels is None:
            raise ValueError("Open an image and draw an object first.")
        shown = shown_plane(self._viewer.dims, chosen.image)
        target = now.prompts.target(shown)
        if target is None:
            reading = "The labels are being read: try again in a moment."
            raise ValueError(now.targets.problem or reading)
        return _Shown(chosen.image, target, shown.plane)

    def _axis(self, axis: int | None) -> int:
        axes = [one.number for one in self.axes()]
        if axis is None and axes:
            return axes[0]
        if axis not in axes:
            raise ValueError("There is no such axis to go through: the image has one plane there.")
        return axis

    def _objects(self, shown: _Shown) -> frozenset[int]:
        """Return the objects that have prompts, or else the labels of the shown plane."""
        labels = shown.target.labels
        prompted = self._controller.prompts.prompted
        numbers = prompted or labels_by_plane(labels.data[shown.plane.indexer()], ()).keys()
        return frozenset(numbers) - kept_labels(labels)

    def _track_of(self, shown: _Shown, axis: int) -> StackLabels:
        plane = shown.plane
        others = tuple(index for at, index in enumerate(plane.index) if at != axis)
        key = id(shown.target), plane.axes, axis, others
        if key not in self._tracks:
            from napari_samv2_prompts.layers.stack_labels import StackLabels

            self._tracks[key] = StackLabels.along(axis, plane, shown.target)
        return self._tracks[key]

    # --- what comes back --------------------------------------------------------------------

    def _on_update(self, update: WorkUpdate[Propagation]) -> None:
        if self._running is None or update.request is not self._running[1]:
            return
        track, state = self._running[0], self.state
        if update.part is not None:
            if not self._write(track, update.part):
                return
            self._recorder.followed()
            state = replace(
                state, place=update.part.plane, done=update.done, total=update.total,
                seconds_left=update.seconds_left,
            )  # fmt: skip
        if update.finished:
            self._running = None
            self._cluster.stop()
            self._recorder.follow_no_more()
            state = replace(state, running=False, said=update.problem or track.ends)
        self._tell(replace(state, doubtful=track.has_found))

    def _write(self, track: StackLabels, part: Filled) -> bool:
        """Write what a plane gained; where that can't be done, follow no more."""
        try:
            written = track.write(part, self._controller.events.blocked)
        except TargetError as error:
            self.cancel()
            self._tell(replace(self.state, said=str(error)))
            return False
        if not written:
            self.cancel()
        return written

    def _on_state(self, now: object) -> None:
        """Let go of the layers that are gone; tell what can be followed now."""
        there = self._controller.targets.all
        self._tracks = {key: track for key, track in self._tracks.items() if track.target in there}
        if self._running is not None and self._running[0].target not in there:
            self.cancel()
        if self._track is not None and self._track.target not in there:
            self._track = None
        self.changed.emit(replace(self.state))

    def _tell(self, state: PropagationState) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)
