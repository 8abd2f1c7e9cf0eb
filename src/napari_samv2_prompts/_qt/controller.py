"""When to look at the layers and tell the session; what the user can do with objects.

A :class:`Controller` listens to the viewer, has everything read (``reading.py``) whenever something
settled, and hands the session one request; what comes back is written by ``labels_writer.py``.  It
knows no form: what is chosen in one is handed in, what is to be shown in one is announced as a
frozen :class:`~.widget_state.WidgetState`.

Not here: widgets (``widget.py``), numbers of objects (``prompting.py``), what to compute when
(``engine``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from psygnal import Signal

from napari_samv2_prompts.engine import Runner, Session, Status
from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import Chosen, make_layers, remove_objects
from napari_samv2_prompts.layers.other_planes import OtherPlanes

from .label_tools import LabelTools
from .labels_writer import LabelsWriter, Targets
from .models import input_sides
from .preview import PreviewAtMouse
from .prompting import Prompting
from .reading import Reader
from .threads import DelayedCall
from .viewer_events import CAMERA, SOON, Connections, ViewerEvents
from .widget_state import Options, WidgetState

if TYPE_CHECKING:
    from napari.viewer import Viewer

OPENING = 50  # ms: importing torch beside it makes the first drawing of a window later
MANY = 8  # prompts: drawing so many is work for all cores, as is decoding them


class Controller:
    """One user's work in one viewer.

    - `session`: closed together with the controller
    - `runner`: for chores that must not wait for the model; closed together with the controller
    - `.chosen`, `.options`: what to work on and how; see :meth:`choose` and :meth:`set_options`
    - `.targets`, `.events`, `.prompts`, `.label_tools`, `.reader`: what it is made of
    - `.paused`: whether layers may change without anything coming of it
    """

    state_changed = Signal(WidgetState)

    def __init__(self, viewer: Viewer, session: Session, runner: Runner) -> None:
        self.session = session
        self.chosen, self.options = Chosen(), Options()
        self.targets, self.events = Targets(runner), ViewerEvents(viewer)
        self.prompts = Prompting(viewer, self.targets, self.events)
        self.paused = False
        self._viewer = viewer
        self._writer = LabelsWriter(session, self.targets, self.events)
        self._object = self.prompts.current
        self.label_tools = LabelTools(viewer, session, self.targets, self._object, self.events)
        self.reader = Reader(viewer, session, self.prompts, self.targets, self.label_tools)
        self._preview = PreviewAtMouse(viewer, session, self._object, self.label_tools.start)
        self._n_prompts = 0  # on all planes, when last looked at
        self._closed, self._opening, self._refreshing = False, True, False
        self._later = DelayedCall(self.refresh)
        self._links = Connections()
        add, events = self._links.add, self.events
        add(self._on_status, session.status_changed)
        add(self._on_written, self._writer.written)
        add(self.schedule, events.changed)
        add(self._on_camera, events.camera_moved)
        add(self.refresh, self.targets.searched)
        add(self.schedule, self.targets.painted)
        add(self._prepare, events.tool_changed)
        add(self.prompts.take_rows, events.shapes_changed)
        add(self.pick_object, events.pointed_at)
        add(self._on_label_tool, self.label_tools.done)

    # --- what is chosen ---------------------------------------------------------------------

    def choose(self, chosen: Chosen) -> None:
        """Work on these layers from now on."""
        if self._closed:
            return
        if chosen.image != self.chosen.image:
            self.reader.other_planes = OtherPlanes()
        self.chosen = self.prompts.chosen = chosen
        self.events.choose(chosen)
        self._preview.choose(chosen)
        self.label_tools.choose(chosen)
        self.targets.solved()
        self._let_go()
        self.prompts.take_rows()  # at once: what is drawn next needs its number
        self.schedule()

    def set_options(self, options: Options) -> None:
        """Work with these options from now on."""
        self.options, self.reader.sides = options, input_sides(options.model)
        self._writer.policy = options.policy
        self._preview.on = options.preview
        self.schedule()

    def schedule(self, delay: int = SOON) -> None:
        """Look at everything again in a moment, once for any number of events."""
        if self._closed:
            return
        if self._opening:  # let the window be drawn before the model is loaded beside it
            self._later.after_drawing(OPENING)
        elif delay == SOON and self.chosen.n_prompts - self._n_prompts > MANY:
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
        return not (self._later.waiting or working or self.targets.searching)

    # --- what the user does -----------------------------------------------------------------

    def new_layers(self) -> Chosen:
        """Add the layers that are missing, or all if none is; return the layers, to be chosen.

        Raises ValueError if there is no image to make them for.
        """
        now = self.chosen
        if None not in (now.points, now.shapes, now.labels):
            now = Chosen(now.image)  # another set, beside the one that is there
        if now.image is None:
            raise ValueError("Open an image first: the new layers take its size and place.")
        with self.events.blocked():
            points, shapes, labels = make_layers(
                self._viewer, now.image, points=now.points, shapes=now.shapes, labels=now.labels
            )
        if now.labels is None:
            self.targets.of(labels, highest=0)
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

    def choose_mask(self, index: int | None = None) -> None:
        """Use one of the current object's candidates, or the next."""
        self.flush()
        self.session.choose(self._object.number, index)
        self._announce()

    @property
    def written(self) -> frozenset[UUID]:
        """The Labels layers that masks of the chosen layers went to."""
        ids, places = self.chosen.ids, self.session.places
        return frozenset(p.labels for p in places if p.labels and not ids.isdisjoint(p.layers))

    def accept(self) -> tuple[int, ...]:
        """Keep the labels and clear the prompts of all objects that have any; return them."""
        self.flush()
        objects, left = self._writer.accept(self.chosen)
        self.label_tools.accepted(objects, left)
        with self.events.blocked():
            remove_objects((self.chosen.points, self.chosen.shapes), objects)
        self.refresh()
        self.next_object()
        return tuple(sorted(objects))

    def undo(self) -> None:
        """Bring a shape again that was taken back, or take back the labels' last change."""
        if self.prompts.bring_again():
            self.refresh()
        elif self.chosen.labels is not None:
            self.chosen.labels.undo()
            self.label_tools.undone()

    def run(self) -> None:
        """Predict now, without waiting for anything to change."""
        self.flush()
        self.session.run()

    def embed_all(self, wanted: bool) -> None:
        """Embed all planes of the image while there is nothing else to do, or stop that."""
        self.reader.other_planes.wanted = wanted
        self.refresh()

    # --- from layers to a request -----------------------------------------------------------

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
        if self._closed or self.paused:
            return
        self._opening, self._refreshing = False, True
        self._let_go()
        self.prompts.read_here, self._n_prompts = None, self.chosen.n_prompts
        try:
            self._tell_session()
        finally:
            self._refreshing = False
        self._announce()

    def _let_go(self) -> None:
        """Forget labels that are not in the viewer any more."""
        gone = self.targets.keep({layer.unique_id for layer in self._viewer.layers})
        self.session.forget_places(p for p in self.session.places if p.labels in gone)

    def _tell_session(self) -> None:
        try:
            request = self.reader.request(self.chosen, self.options)
        except PlaneError as error:
            self.reader.region.clear()
            self.prompts.take_rows()
            self.session.update(None, str(error))
        else:
            self.session.update(request)
            if request is not None:
                self._writer.write_refused(request, self.chosen.labels, self.prompts.prompted)

    def _prepare(self) -> None:
        """Say what is drawn next; the viewer takes the features of what is selected for it."""
        self.prompts.prepare()
        self._preview.again()
        self._announce()

    def _on_written(self) -> None:
        self.prompts.forget_taken()  # undo is for the labels again
        self._announce()

    def _on_label_tool(self) -> None:
        self.refresh()
        self._prepare()

    def _on_camera(self) -> None:
        self.reader.region.follow()
        if self.reader.region.follows_camera:
            self.schedule(CAMERA)

    # --- what is told -----------------------------------------------------------------------

    def _on_status(self, status: Status) -> None:
        if status.planes is not None and status.planes.finished:
            self.reader.other_planes.wanted = False
        self._announce()

    def _announce(self) -> None:
        if not self._closed:
            self.state_changed.emit(self.state())

    def state(self) -> WidgetState:
        """Return everything that decides what is shown."""
        return self.reader.state(self.chosen, self.options)

    # --- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything and let go of viewer and layers; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._later.close()
        self._links.close()
        self.events.close()
        self._writer.close()
        self._preview.close()
        self.label_tools.choose(Chosen())
        self.reader.region.close()
        self.session.close()
        self.targets.close()
        self.chosen = self.prompts.chosen = Chosen()
