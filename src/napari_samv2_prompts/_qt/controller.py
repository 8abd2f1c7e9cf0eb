"""Between the viewer and the session: layers become snapshots, results become labels.

A :class:`Controller` listens to the viewer, makes one snapshot of everything whenever something
settled, hands it to the session, and writes what comes back.  It knows no form: what is chosen in
one is handed in, what is to be shown in one is announced as a frozen
:class:`~.hints.Situation`.

Not here: widgets (``widget.py``), numbering of objects (``objects.py``), what the layers mean
(``layers``), what to compute when (``session``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_samv2_prompts.engine import (
    Removal,
    Request,
    Results,
    Runner,
    Session,
    Status,
)
from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    LayerState,
    PromptReader,
    PromptTables,
    Reading,
    Shown,
    layer_shape,
    make_layers,
    read_layers,
    read_tables,
    remove_objects,
    shown_plane,
    view_of,
    write_next,
    write_tables,
)
from napari_samv2_prompts.layers.rows import MAX_OBJECT, FreeNumber
from napari_samv2_prompts.layers.strays import stray_shape
from napari_samv2_prompts.prompts import MaskCrop, PromptBatch

from .binding import Connections
from .framing import Framing
from .hints import Situation
from .hovering import Hovering
from .label_tools import LabelTools
from .mailbox import Mailbox
from .models import input_sides
from .objects import CurrentObject
from .other_planes import OtherPlanes
from .reporting import situation_of
from .taken_back import SAID, TakenBack, take_back
from .targets import Targets
from .watching import CAMERA, SOON, Watch, tool_in_hand
from .wishes import Options, Place, place_of

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
        self._object, self._targets = CurrentObject(), Targets(runner)
        self._watch, self._framing = Watch(viewer), Framing(viewer)
        self.label_tools = LabelTools(viewer, session, self._targets, self._object, self._watch)
        self._hovering = Hovering(viewer, session, self._object, self.label_tools.start)
        self._tables, self._reader = PromptTables(), PromptReader()
        self._state: LayerState | None = None  # of the shown plane, if there is one
        self._n_prompts = 0  # on all planes, when last looked at
        self._others = OtherPlanes()
        self.held = False  # whether layers may change without anything coming of it
        self._closed, self._opening, self._posted = False, True, False
        self._refreshing = False
        self._taken: TakenBack | None = None
        self._said = ""  # what was done to prompts by itself, in a sentence
        self._drawn: tuple[int, ...] = ()  # shapes that were not looked at on a plane yet
        self._mailbox = Mailbox()
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.refresh)
        self._links = Connections()
        self._links.add(self._on_status, session.status_changed)
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)
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
        self._chosen = chosen
        self._watch.choose(chosen)
        self._hovering.choose(chosen)
        self.label_tools.choose(chosen)
        self._targets.solved()
        gone = self._targets.keep({layer.unique_id for layer in self._viewer.layers})
        self.session.forget_places(p for p in self.session.places if p.labels in gone)
        with self._watch.paused():
            self._take_rows(None)  # at once: what is drawn next needs its number
        self.schedule()

    @contextmanager
    def quietly(self) -> Iterator[LabelsTarget | None]:
        """Change layers without it being the user's doing; yields where masks can go."""
        with self._watch.paused():
            yield self._take_rows(None)
            # What came has its objects; nothing of it is new, or a copy.
            self._tables = read_tables(self._chosen, self._viewer.dims, None)

    def set_options(self, options: Options) -> None:
        """Work with these options from now on."""
        self._options = options
        self._hovering.on = options.preview
        self.schedule()

    def schedule(self, delay: int = SOON) -> None:
        """Look at everything again in a moment, once for any number of events."""
        if self._closed:
            return
        if self._opening:  # let the window be drawn before the model is loaded beside it
            self._timer.start(OPENING)
        elif delay == SOON and self._chosen.n_prompts - self._n_prompts > MANY:
            self._timer.start(0)  # after what waits to be painted: both at once take longer
        elif delay == SOON and not self._posted:
            self._timer.stop()
            self._posted = True
            self._mailbox.post(self.flush)
        elif not self._posted:
            self._timer.start(max(delay, self._timer.remainingTime()))

    @property
    def _waiting(self) -> bool:
        return self._posted or self._timer.isActive()

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        status = self.session.status
        working = status.busy or status.embedding_all or status.requested
        return not (self._waiting or working or self._targets.searching)

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
        objects = frozenset(n for _, n in self.session.accept(_AllBut(self._targets.refused)))
        self._targets.accept(objects)
        self.label_tools.accepted(objects)
        with self._watch.paused():
            remove_objects((self._chosen.points, self._chosen.shapes), objects)
        self.refresh()
        self.next_object()
        return tuple(sorted(objects))

    def undo(self) -> None:
        """Bring a shape again that was taken back, or take back the last change of the labels."""
        taken, self._taken, self._said = self._taken, None, ""
        if taken is not None and taken.layer == self._chosen.shapes:
            with self.quietly():
                taken.bring_again()
            self.refresh()
        elif self._chosen.labels is not None:
            self._chosen.labels.undo()

    def select_left_out(self) -> None:
        """Select the prompts that are left out, in their layer."""
        left_out = self._state.reading.left_out if self._state else ()
        for kind in ("points", "shapes"):
            layer = self._chosen.points if kind == "points" else self._chosen.shapes
            rows = {row for item in left_out if item.layer == kind for row in item.rows}
            if layer is not None and rows:
                self._viewer.layers.selection.active = layer
                layer.mode = "select"
                layer.selected_data = rows
                return

    def run(self) -> None:
        """Predict now, without waiting for anything to change."""
        self.flush()
        self.session.run()

    def embed_all(self, wanted: bool) -> None:
        """Embed all planes of the image while there is nothing else to do, or stop that."""
        self._others.wanted = wanted
        self.refresh()

    # --- from layers to a snapshot ----------------------------------------------------------

    def flush(self) -> None:
        """Look at what was scheduled now."""
        if self._waiting:
            self.refresh()

    def refresh(self) -> None:
        """Look at everything and tell the session."""
        if self._refreshing:  # through a signal: once more, when this is done
            self.schedule()
            return
        self._timer.stop()
        self._posted = False
        if self._closed or self.held:
            return
        self._opening, self._refreshing = False, True
        try:
            self._refresh()
        finally:
            self._refreshing = False
        self._announce()

    def _refresh(self) -> None:
        self._state, self._n_prompts = None, self._chosen.n_prompts
        try:
            snapshot = self._snapshot()
        except PlaneError as error:
            self._framing.clear()
            with self._watch.paused():
                self._take_rows(None)
            self.session.update(None, str(error))
        else:
            self.session.update(snapshot)
            if snapshot is not None:
                self._write_refused(snapshot)

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
        with self._watch.paused():
            target = self._take_rows(shown)
        batch = PromptBatch(())
        self._state = read_layers(self._tables, chosen, dims, shown, self._reader)
        if target is not None:
            batch = PromptBatch(tuple(map(self.label_tools.adopt, self._state.reading.prompts)))
        if options.download:
            return None
        # While masks can't be written, no object of these labels is gone: theirs is another place.
        place = place_of(chosen if target else replace(chosen, labels=None), shown.plane)
        request = Request(view, place, options.model, batch, options.live)
        return self._others.added_to(request, shown.plane, layer_shape(chosen.image), view_at)

    def _take_rows(self, shown: Shown | None) -> LabelsTarget | None:
        """Read the prompt layers, give them what they lack, and return where masks can go."""
        chosen = self._chosen
        target, free = self._target(shown)
        tables = read_tables(chosen, self._viewer.dims, free, self._tables)
        write_tables(chosen, tables, numbers=free is not None)
        tables = self._without_stray(tables, shown, free)
        self._said = _said_of(tables) or (self._said if tables.same_rows(self._tables) else "")
        if target is not None and shown is not None:
            target.remove(target.live() & tables.lost)
            tables = tables.without_lost()
        self._tables = tables
        self._object.follow(tables, free(tables.prompted) if free else 0)
        write_next(chosen, self._object.following)
        return target

    def _without_stray(
        self, tables: PromptTables, shown: Shown | None, free: FreeNumber | None
    ) -> PromptTables:
        """Take back the shape that was just drawn if it can't have been meant."""
        shapes, dims = self._chosen.shapes, self._viewer.dims
        self._drawn += tables.drawn
        if shapes is None or shown is None or not self._drawn:
            return tables
        drawn, self._drawn, self._taken = self._drawn, (), None
        row = stray_shape(shapes, drawn, shown, dims, self._watch.take_click())
        if row is None:
            return tables
        self._taken = take_back(shapes, row)
        self._said = SAID
        self._tables = read_tables(self._chosen, dims, free, self._tables)
        return self._tables

    def _target(self, shown: Shown | None) -> tuple[LabelsTarget | None, FreeNumber | None]:
        """Return where masks can go, and what gives new objects their number, if that is known."""
        image, labels = self._chosen.image, self._chosen.labels
        if image is None or labels is None:
            return None, _next
        at = None if shown is None else shown.to_world
        if not self._targets.check(labels, image, self._viewer.dims, at):
            return None, _next
        target = self._targets.of(labels)
        if not self._targets.numbered(labels):
            return None, None
        return target, lambda used: target.next_free(max(used, default=0))

    def _prepare(self) -> None:
        with self._watch.paused():
            write_next(self._chosen, self._object.following)
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
        with self._watch.paused():
            self._take_rows(None)

    # --- from results to labels -------------------------------------------------------------

    def _on_decoded(self, results: Results) -> None:
        self._taken = None  # undo is for the labels again
        self._write(results.place, {item.object: item.crop for item in results.items})

    def _on_removed(self, removal: Removal) -> None:
        self._write(removal.place, dict.fromkeys(removal.objects))

    def _write_refused(self, snapshot: Request) -> None:
        """Write what the labels could not take before, and can now."""
        place, labels = snapshot.place, self._chosen.labels
        if labels is None or place.labels is None:
            return
        waiting = self._targets.unwritten(place.labels, place.plane)
        results = self.session.results(waiting & set(snapshot.prompts.objects))
        masks = {item.object: item.crop for item in results if not item.is_released}
        for item in results:
            if item.is_released:
                self.session.forget_object(item.object, place)  # predicted anew
        if masks:
            self._write(place, masks)
        self._targets.check_objects(labels, self._tables.prompted)

    def _write(
        self, place: object, masks: dict[int, MaskCrop | None] | dict[int, MaskCrop]
    ) -> None:
        if isinstance(place, Place):
            with self._watch.paused():
                self._targets.write(place.labels, place.plane, masks, self._options.policy)
        self._announce()

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
        reading = self._state.reading if self._state else Reading()
        prompted = tuple(prompt.object for prompt in reading.prompts)
        note = " ".join(filter(None, (self._said, *reading.notes)))
        return situation_of(
            self.session, self._chosen, self._options, self._object, self._targets,
            self.label_tools, tool, self._others, self._framing.seen, prompted,
            note, bool(reading.left_out),
        )  # fmt: skip

    # --- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop everything and let go of viewer and layers; idempotent."""
        if self._closed:
            return
        self._closed = True  # the timer goes on: at exit Qt may have deleted it by now
        self._mailbox.close()
        self._links.close()
        self._watch.close()
        self._hovering.close()
        self.label_tools.choose(Chosen())
        self._framing.close()
        self.session.close()
        self._targets.close()
        self._object = CurrentObject()
        self._chosen = Chosen()


def _said_of(tables: PromptTables) -> str:
    """Say which values of the user's were no objects, and what became of them."""
    if not tables.odd:
        return ""
    listed = ", ".join(tables.odd[:3]) + (", …" if tables.odd[3:] else "")
    which = f"{listed} is no object" if len(tables.odd) == 1 else f"{listed} are no objects"
    return f"{which}, which are whole numbers from 1 to {MAX_OBJECT}: a new one was given."


def _next(used: frozenset[int]) -> int:
    """Return the number after all that are used, where no labels have any."""
    return max(used, default=0) + 1


class _AllBut:
    """All objects but some."""

    def __init__(self, others: frozenset[int]) -> None:
        self._others = others

    def __contains__(self, number: object) -> bool:
        return number not in self._others
