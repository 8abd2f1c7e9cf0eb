"""Following objects through a stack: which objects and axis, what is asked of the engine.

Not here: the stack itself (``shown_stack.py``), what was found and written
(``layers/stack_labels.py``), the buttons (``through_buttons.py``), the algorithm (``propagation``
of the package).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_samv2_prompts.engine import WorkUpdate
from napari_samv2_prompts.layers import (
    TargetError,
    current_plane,
    kept_labels,
    layer_shape,
    show_plane,
    view_of,
)
from napari_samv2_prompts.layers.labels_reading import labels_by_plane

from .cluster import ClusterHelp
from .labels_writer import place_of
from .models import input_sides
from .shown_stack import ShownPlane, ShownStack
from .viewer_events import Connections
from .widget_state import Direction, PropagationState
from .work_layers import WorkLayers

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_samv2_prompts.engine import Propagation, Removal
    from napari_samv2_prompts.io.recorder import Recorder
    from napari_samv2_prompts.layers.stack_labels import StackLabels
    from napari_samv2_prompts.propagation import Filled, Method

    from .controller import Controller

STOPPED = " Following stopped: press again to go on."
REMOVED = "Following stopped, since what is followed was removed: press again to go on."
NOTHING = "Nothing was missing: the objects have no mask yet, or are on all these planes already."
UNDONE = "Following stopped, since it was undone: press again to go on."
NO_LAYERS = "Following stopped, since the image or its labels were removed or have other data."

# Opening the window must not wait for what following objects needs: it is imported when they are.


class StackPropagation:
    """Follows objects of the chosen layers through planes.

    - `recorder`: told what is done, so that it can be done again
    - `cluster`: follows them, where the user names one
    - `.stack`: what there is to follow
    """

    changed = Signal(PropagationState)

    def __init__(
        self, viewer: Viewer, controller: Controller, recorder: Recorder, cluster: ClusterHelp
    ) -> None:
        self.state, self._cluster = PropagationState(), cluster
        self._viewer, self._controller, self._recorder = viewer, controller, recorder
        self.stack = ShownStack(viewer, controller)
        self._track: StackLabels | None = None  # the one that is shown
        self._running: tuple[StackLabels, Propagation, WorkLayers] | None = None
        self._last_doubtful: tuple[int, int] | None = None
        self._links = Connections()
        self._links.add(self._on_update, controller.session.propagated)
        self._links.add(self._on_state, controller.state_changed)
        self._links.add(self.accepted, controller.label_tools.taken)
        self._links.add(self._on_removed, controller.label_tools.removed)
        self._links.add(self._on_lost, controller.prompts.lost)

    @property
    def running(self) -> bool:
        """Whether objects are being followed."""
        return self._running is not None

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
        from napari_samv2_prompts.propagation import Wanted, check_method

        self._controller.flush()
        shown, options = self.stack.now(), self._controller.options
        through = self.stack.axis(axis)
        planes = layer_shape(shown.image)[through]
        wanted = Wanted.of(planes, first, last, direction, None, stop_when_lost)
        check_method(method)
        track = self.stack.track(shown, through)
        numbers = self._objects(shown, track) if objects is None else frozenset(map(int, objects))
        self._check(numbers)
        self._track = track
        track.begin(options.policy)
        layers, dims = self._viewer.layers, self._viewer.dims
        request = Propagation(
            [view_of(layers, shown.image, here, dims, options.rendering) for here in track.planes],
            options.model,
            input_sides(options.model),
            partial(track.read_anchors, numbers),
            replace(wanted, objects=numbers, shown=shown.plane.index[through]),
            track.found,
            [place_of(self._controller.chosen, here) for here in track.planes],
            method=method,
        )
        self._running = track, request, WorkLayers.of(shown.image, shown.target)
        labels = shown.target.labels.unique_id
        self._recorder.follow(labels, shown.plane, through, request, options.policy)
        self._tell(replace(self.state, running=True, done=0, total=0, said=""))
        self._cluster.follow(self._controller.session, request, track.planes)

    def cancel(self) -> None:
        """Stop; what was found stays, and following again goes on from there."""
        if self._running is not None:
            self._controller.session.propagate(None)

    def next_doubtful(self) -> tuple[int, int] | None:
        """Go to the next doubtful plane, from the most doubtful on; return place and object."""
        track, doubts = self._track, self._track.doubtful if self._track else {}
        last, ranked = self._last_doubtful, tuple(doubts)
        first = ranked.index(last) + 1 if last in ranked else 0
        following = (*ranked[first:], *ranked[:first])
        there = next((one for one in following if track and track.is_found(*one)), None)
        if track is None or there is None:
            said = "Nothing that was found is left to look at."
            self._tell(replace(self.state, doubtful=False, said=said))
            return None
        place, number = self._last_doubtful = there
        show_plane(self._viewer.dims, track.target.labels, track.planes[place].index)
        self._controller.pick_object(number)
        doubt = doubts[there]
        said = f"Object {number} on plane {place}: doubt {doubt:.2f}. Correct it, or press again."
        self._tell(replace(self.state, said=said))
        return place, number

    def end_here(self, number: int | None = None) -> None:
        """Say that an object, the current one by default, is not on the shown plane."""
        from napari_samv2_prompts.io.records import EndHere
        from napari_samv2_prompts.layers.endings import end_object

        stopped = self.running
        shown, axis, track, number = self._told(number)
        end_object(track, number, shown.plane, self._controller.events.blocked)
        self._recorder.add(shown.target.labels.unique_id, EndHere(shown.plane, axis, number))
        said = f"Object {number} ends here: not on plane {shown.plane.index[axis]}, nor beyond."
        said += STOPPED if stopped else ""
        self._tell(replace(self.state, doubtful=track.has_found, said=said))

    def divide_here(self, number: int | None = None) -> tuple[int, int]:
        """Say that an object, the current one by default, is two from the shown plane on."""
        from napari_samv2_prompts.io.records import Divide
        from napari_samv2_prompts.layers.endings import divide_object

        stopped = self.running
        shown, axis, track, number = self._told(number)
        prompts = self._controller.prompts
        used = max(prompts.current.number, *prompts.prompted, 0)
        try:
            with self._controller.targets.offering():
                new = divide_object(
                    track, number, shown.plane, self._controller.events.blocked, used
                )
        finally:
            self._controller.refresh()  # the next box has another number than the daughters
        self._recorder.add(shown.target.labels.unique_id, Divide(shown.plane, axis, number, new))
        said = f"Object {number} divides here into {new[0]} and {new[1]}."
        said += STOPPED if stopped else " Follow them on from here."
        self._tell(replace(self.state, doubtful=track.has_found, said=said))
        return new

    def _told(self, number: int | None) -> tuple[ShownPlane, int, StackLabels, int]:
        """Stop following, since the user says something of an object on the shown plane."""
        self._controller.flush()
        shown, axis = self.stack.now(), self.stack.axis(None)
        self.cancel()
        number = self._controller.state().current if number is None else number
        track = self._track = self.stack.track(shown, axis)
        return shown, axis, track, number

    def accepted(self, objects: Collection[int]) -> None:
        """Leave what was found of objects to the user; if there are no others, follow no more."""
        if self._running is not None:
            track, request, _ = self._running
            ours = track.target.labels is self._controller.chosen.labels
            if ours and (request.wanted.objects or set()) <= {*objects}:
                self.cancel()
        self.stack.accept(objects)
        found = self._track is not None and self._track.has_found
        self._tell(replace(self.state, doubtful=found))

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._links.close()
        self._running = self._track = None
        self.stack.let_go(())

    # --- what there is to follow ------------------------------------------------------------

    def _check(self, objects: frozenset[int]) -> None:
        """Raise ValueError if these can't be followed now."""
        if self._controller.session.request is None:
            raise ValueError("Choose a model that is on this machine first.")
        if not objects:
            raise ValueError(
                "There is no object to follow: draw one, or go to a plane with labels."
            )
        if min(objects) < 1:
            raise ValueError(f"There is no object {min(objects)}: they are counted from 1.")

    def _objects(self, shown: ShownPlane, track: StackLabels) -> frozenset[int]:
        """Return the objects that have prompts, or else the labels of the shown plane.

        What an object divided into goes with it, until it is accepted.
        """
        labels = shown.target.labels
        prompted = self._controller.prompts.prompted
        numbers = prompted or labels_by_plane(labels.data[shown.plane.indexer()], ()).keys()
        daughters = frozenset(track.parents) & track.target.live()
        return (frozenset(numbers) | daughters) - kept_labels(labels)

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
            nothing = NOTHING if update.complete and not track.has_found else ""
            state = replace(state, running=False, said=update.problem or track.ends or nothing)
        self._tell(replace(state, doubtful=track.has_found))

    def _write(self, track: StackLabels, part: Filled) -> bool:
        """Write what a plane gained; where that can't be done, follow no more."""
        try:
            written = track.write(part, partial(self._writing, track, part))
        except TargetError as error:
            self.cancel()
            self._tell(replace(self.state, said=str(error)))
            return False
        if not written:
            self.cancel()
            self._tell(replace(self.state, said=UNDONE))
        return written

    @contextmanager
    def _writing(self, track: StackLabels, part: Filled) -> Iterator[None]:
        """Write without telling the window of pixels that it does not show: it would paint all."""
        redraw: AbstractContextManager[object] = nullcontext()
        if not (part.ends or self._shows(track, part.plane)):  # ends change other planes, too
            redraw = track.target.labels.events.labels_update.blocker()
        with self._controller.events.blocked(), redraw:
            yield

    def _shows(self, track: StackLabels, place: int) -> bool:
        """Tell whether a plane is in sight, or may be."""
        try:
            shown = current_plane(self._viewer.dims, track.target.labels)
        except ValueError:  # such as in 3-D
            return True
        return shown.meets(track.planes[place])

    def _on_state(self, now: object) -> None:
        """Let go of the layers that are gone; tell what can be followed now."""
        there = self._controller.targets.all
        self.stack.let_go(there)
        if self._running is not None:
            track, _, work = self._running
            if not (self.stack.holds(track) and work.has_picture(self._viewer.layers)):
                self.cancel()
                self.state = replace(self.state, said=NO_LAYERS)
        if self._running is None and self._track is not (last := self.stack.last()):
            self._track = last
            self.state = replace(self.state, doubtful=last is not None and last.has_found)
        self.changed.emit(replace(self.state))

    def _on_removed(self, removal: Removal) -> None:
        self._on_lost(removal.objects)

    def _on_lost(self, objects: Collection[int]) -> None:
        """Follow objects that were removed no more: they would come again on other planes."""
        if self._running is None:
            return
        track, request, _ = self._running
        ours = track.target.labels is self._controller.chosen.labels
        if ours and not (request.wanted.objects or frozenset()).isdisjoint(objects):
            self.cancel()
            self._tell(replace(self.state, said=REMOVED))

    def _tell(self, state: PropagationState) -> None:
        if state != self.state:
            self.state = state
            self.changed.emit(state)
