"""Between the viewer and the session: layers become snapshots, results become labels.

A :class:`Controller` listens to the viewer, makes one snapshot of everything whenever something
settled, hands it to the session, and writes what comes back.  It knows no form: what is chosen in
one is handed in, what is to be shown in one is announced as a frozen
:class:`~.hints.Situation`.

Not here: widgets (``widget.py``), numbering of objects (``objects.py``), what the layers mean
(``layers``), what to compute when (``session``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_samv2_prompts.engine import (
    Place,
    Request,
    Runner,
    Session,
    Status,
)
from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    layer_shape,
    make_layers,
    remove_objects,
    shown_plane,
    view_of,
)
from napari_samv2_prompts.prompts import MaskCrop, PromptBatch

from .events import CAMERA, SOON, Connections, Watch, tool_in_hand
from .hints import Situation
from .label_tools import LabelTools
from .models import input_sides
from .preview import PreviewAtMouse
from .prompting import Prompting
from .situation import Options, place_of, situation_of
from .stack_work import StackWork
from .targets import LabelsWriting, Targets
from .threads import Later
from .viewing import Framing, OtherPlanes

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["Controller"]

OPENING = 200  # ms: loading libraries blocks the first drawing of a window
MANY = 8  # prompts: drawing so many is work for all cores, as is decoding them


class Controller:
    """One user's work in one viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    session : Session
        Closed together with the controller.
    runner : Runner
        For chores that must not wait for the model; closed together with the controller.
    """

    situation_changed = Signal(Situation)

    def __init__(self, viewer: Viewer, session: Session, runner: Runner) -> None:
        self.session = session
        self._viewer = viewer
        self._chosen, self._options = Chosen(), Options()
        self._targets, self._watch = Targets(runner), Watch(viewer)
        self._writing = LabelsWriting(session, self._targets, self._watch)
        self._prompts = Prompting(viewer, self._targets, self._watch)
        self._object, self._framing = self._prompts.current, Framing(viewer)
        self.label_tools = LabelTools(viewer, session, self._targets, self._object, self._watch)
        self._hovering = PreviewAtMouse(viewer, session, self._object, self.label_tools.start)
        self._n_prompts = 0  # on all planes, when last looked at
        self._others = OtherPlanes()
        self.held = False  # whether layers may change without anything coming of it
        self._closed, self._opening, self._refreshing = False, True, False
        self._later = Later(self.refresh)
        self._links = Connections()
        self._links.add(self._on_status, session.status_changed)
        self._links.add(self._on_written, self._writing.written)
        self._links.add(self.schedule, self._watch.changed)
        self._links.add(self._on_camera, self._watch.camera_moved)
        self._links.add(self.refresh, self._targets.searched)
        self._links.add(self._on_tool, self._watch.tool_changed)
        self._links.add(self._on_shapes, self._watch.shapes_changed)
        self._links.add(self.pick_object, self._watch.pointed_at)
        self._links.add(self._on_label_tool, self.label_tools.done)

    # --- what is chosen ---------------------------------------------------------------------

    @property
    def chosen(self) -> Chosen:
        """The layers to work on."""
        return self._chosen

    def choose(self, chosen: Chosen) -> None:
        """Work on these layers from now on."""
        if self._closed:
            return
        if chosen.image != self._chosen.image:
            self._others = OtherPlanes()
        self._chosen = self._prompts.chosen = chosen
        self._watch.choose(chosen)
        self._hovering.choose(chosen)
        self.label_tools.choose(chosen)
        self._targets.solved()
        gone = self._targets.keep({layer.unique_id for layer in self._viewer.layers})
        self.session.forget_places(p for p in self.session.places if p.labels in gone)
        self._prompts.take_rows()  # at once: what is drawn next needs its number
        self.schedule()

    @contextmanager
    def quietly(self) -> Iterator[LabelsTarget | None]:
        """Change layers without it being the user's doing; yields where masks can go."""
        with self._watch.paused():
            yield self._prompts.take_rows()
            self._prompts.take_as_known()

    def set_options(self, options: Options) -> None:
        """Work with these options from now on."""
        self._options = options
        self._writing.policy = options.policy
        self._hovering.on = options.preview
        self.schedule()

    def schedule(self, delay: int = SOON) -> None:
        """Look at everything again in a moment, once for any number of events."""
        if self._closed:
            return
        if self._opening:  # let the window be drawn before the model is loaded beside it
            self._later.after_drawing(OPENING)
        elif delay == SOON and self._chosen.n_prompts - self._n_prompts > MANY:
            self._later.after_drawing()  # both at once take longer
        elif delay == SOON:
            self._later.soon()
        else:
            self._later.after(delay)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        status = self.session.status
        working = status.busy or status.embedding_all or status.requested
        return not (self._later.waiting or working or self._targets.searching)

    # --- what the user does -----------------------------------------------------------------

    def new_layers(self) -> Chosen:
        """Add the layers that are missing to the viewer; all three if none is.

        Returns
        -------
        Chosen
            The layers, to be chosen.

        Raises
        ------
        ValueError
            If there is no image to make them for.
        """
        now = self._chosen
        if None not in (now.points, now.shapes, now.labels):
            now = Chosen(now.image)  # another set, beside the one that is there
        if now.image is None:
            raise ValueError("Open an image first: the new layers take its size and place.")
        with self._watch.paused():
            points, shapes, labels = make_layers(
                self._viewer, now.image, points=now.points, shapes=now.shapes, labels=now.labels
            )
        if now.labels is None:
            self._targets.of(labels, highest=0)
        return Chosen(now.image, points, shapes, labels)

    def next_object(self) -> None:
        """End the current object, so that the next click starts another."""
        self.flush()
        self._object.next()
        self._prepare()

    def pick_object(self, number: int) -> None:
        """Make an object current, so that clicks refine it."""
        self._object.pick(number)
        self._prepare()

    def flip_sign(self) -> None:
        """Have the next clicks say what does not belong to the object, or what does."""
        self._object.positive = not self._object.positive
        self._prepare()

    def cycle_mask(self) -> None:
        """Use the current object's next candidate."""
        self.flush()
        self.session.next_candidate(self._object.number)
        self._announce()

    def choose_mask(self, index: int) -> None:
        """Use one of the current object's candidates."""
        self.flush()
        self.session.choose(self._object.number, index)
        self._announce()

    def accept(self) -> tuple[int, ...]:
        """Keep the labels and clear the prompts of all objects that have their mask.

        Returns
        -------
        tuple of int
            The objects.  One that still waits for its mask keeps its prompts.
        """
        self.flush()
        objects = self._writing.accept()
        self.label_tools.accepted(objects)
        with self._watch.paused():
            remove_objects((self._chosen.points, self._chosen.shapes), objects)
        self.refresh()
        self.next_object()
        return tuple(sorted(objects))

    @property
    def largest_side(self) -> int:
        """Side of the largest picture that the model sees in its own resolution, in pixels."""
        return input_sides(self._options.model).most

    def add_labels(self, place: Place, crops: Sequence[MaskCrop]) -> tuple[int, ...]:
        """Write masks as new labels, as one step of undo; see :meth:`.Targets.add`."""
        with self._watch.paused():
            numbers = self._targets.add(place, crops, max(self._prompts.prompted, default=0))
        self.refresh()
        return numbers

    def undo(self) -> None:
        """Bring a shape again that was taken back, or take back the last change of the labels."""
        if self._prompts.bring_again():
            self.refresh()
        elif self._chosen.labels is not None:
            self._chosen.labels.undo()

    def select_left_out(self) -> None:
        """Select the prompts that are left out, in their layer."""
        self._prompts.select_left_out()

    def run(self) -> None:
        """Predict now, without waiting for anything to change."""
        self.flush()
        self.session.run()

    def embed_all(self, wanted: bool) -> None:
        """Embed all planes of the image while there is nothing else to do, or stop that."""
        self._others.wanted = wanted
        self.refresh()

    # --- for following objects through planes -----------------------------------------------

    def writing(self) -> AbstractContextManager[object]:
        """Return a context in which labels are changed without it being the user's doing."""
        return self._watch.paused()

    def targets_there(self) -> tuple[LabelsTarget, ...]:
        """Return where masks can go, of all layers that are worked on."""
        return self._targets.all

    def stack_work(self) -> StackWork:
        """Return what following objects needs.

        Raises
        ------
        ValueError
            If they can't be followed now; it says why.
        """
        chosen, options, dims = self._chosen, self._options, self._viewer.dims
        if chosen.image is None or chosen.labels is None:
            raise ValueError("Open an image and draw an object first.")
        shown = shown_plane(dims, chosen.image)
        target = self._prompts.target(shown)
        if target is None:
            reading = "The labels are being read: try again in a moment."
            raise ValueError(self._targets.problem or reading)
        layers, image = self._viewer.layers, chosen.image
        view_at = partial(view_of, layers, image, dims=dims, look=options.look)
        return StackWork(
            image, target, shown.plane, view_at, options.model, options.policy,
            self._prompts.prompted, self._others.axis,
        )  # fmt: skip

    # --- from layers to a snapshot ----------------------------------------------------------

    def flush(self) -> None:
        """Look at what was scheduled now."""
        if self._later.waiting:
            self.refresh()

    def refresh(self) -> None:
        """Look at everything and tell the session."""
        if self._refreshing:  # through a signal: once more, when this is done
            self.schedule()
            return
        self._later.begun()
        if self._closed or self.held:
            return
        self._opening, self._refreshing = False, True
        try:
            self._refresh()
        finally:
            self._refreshing = False
        self._announce()

    def _refresh(self) -> None:
        self._prompts.state, self._n_prompts = None, self._chosen.n_prompts
        try:
            snapshot = self._snapshot()
        except PlaneError as error:
            self._framing.clear()
            self._prompts.take_rows()
            self.session.update(None, str(error))
        else:
            self.session.update(snapshot)
            if snapshot is not None:
                self._writing.write_refused(snapshot, self._chosen.labels, self._prompts.prompted)

    def _snapshot(self) -> Request | None:
        chosen, options = self._chosen, self._options
        if chosen.image is None:
            self._framing.clear()
            return None
        dims = self._viewer.dims
        shown = shown_plane(dims, chosen.image)
        whole_at = partial(view_of, self._viewer.layers, chosen.image, dims=dims, look=options.look)
        view_at = self._framing.choose(shown, input_sides(options.model), options.part, whole_at)
        view = view_at(shown.plane)
        target, batch = self._prompts.read(shown), PromptBatch(())
        if target is not None:
            prompts = self._prompts.reading.prompts
            batch = PromptBatch(tuple(map(self.label_tools.adopt, prompts)))
        if options.download:
            return None
        # While masks can't be written, no object of these labels is gone: theirs is another place.
        place = place_of(chosen if target else replace(chosen, labels=None), shown.plane)
        request = Request(view, place, options.model, batch, options.live)
        return self._others.added_to(request, shown.plane, layer_shape(chosen.image), view_at)

    def _prepare(self) -> None:
        self._prompts.prepare()
        self._announce()

    def _on_written(self) -> None:
        self._prompts.forget_taken()  # undo is for the labels again
        self._announce()

    def _on_label_tool(self) -> None:
        self.refresh()
        self._prepare()

    def _on_camera(self) -> None:
        self._framing.follow()
        if self._framing.follows_camera:
            self.schedule(CAMERA)

    def _on_tool(self) -> None:
        self._prepare()  # the viewer takes the features of what is selected for the next prompt

    def _on_shapes(self) -> None:
        self._prompts.take_rows()

    # --- news -------------------------------------------------------------------------------

    def _on_status(self, status: Status) -> None:
        if status.planes is not None and status.planes.finished:
            self._others.wanted = False
        self._announce()

    def _announce(self) -> None:
        if not self._closed:
            self.situation_changed.emit(self.situation())

    def situation(self) -> Situation:
        """Return everything that decides what is shown."""
        tool = tool_in_hand(self._viewer, self._chosen)
        reading = self._prompts.reading
        prompted = tuple(prompt.object for prompt in reading.prompts)
        return situation_of(
            self.session, self._chosen, self._options, self._object, self._targets,
            self.label_tools, tool, self._others, self._framing.seen, prompted,
            self._prompts.note, bool(reading.left_out),
        )  # fmt: skip

    # --- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything and let go of viewer and layers; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._later.close()
        self._links.close()
        self._watch.close()
        self._writing.close()
        self._hovering.close()
        self.label_tools.choose(Chosen())
        self._framing.close()
        self.session.close()
        self._targets.close()
        self._chosen = self._prompts.chosen = Chosen()
