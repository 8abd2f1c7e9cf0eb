"""The dock widget: what scripts can call, and its life in a window.

Looks are in ``form.py``, the work is the controller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.engine import EmbeddingStore, PredictorFactory, Runner, Session, State

from .binding import Keys
from .choices import LayerChoices
from .controller import Controller
from .disk import Disk
from .dock_title import DockTitle
from .exporting import ask_and_export
from .finding import Finding
from .form import Form
from .hints import Situation
from .label_tools import LabelTools
from .models import DEVICES, make_predictor
from .new_layers import NewLayers
from .object_list import ObjectList
from .picker import ModelPicker
from .prompt_files import PromptFiles
from .propagating import Direction, Through
from .runner import QtRunner
from .saving import Saving
from .settings import Remembered, settings_file
from .through_stack import ThroughStack
from .watching import take_tool
from .wishes import Options
from .work import Work

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from napari.layers import Labels, Points, Shapes
    from napari.viewer import Viewer

__all__ = ["SAMV2PromptsWidget"]


class SAMV2PromptsWidget(QWidget):
    """Segment with points and shapes, one label per object.

    Attributes
    ----------
    image, points, shapes, labels, model : ComboBox
        The choices; set their ``value``.
    session : Session
        The engine, with its status and signals.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    make_predictor : callable, optional
        Makes the model, in the worker.
    make_runner : callable, optional
        Makes the worker.
    """

    def __init__(
        self,
        napari_viewer: Viewer,
        *,
        make_predictor: PredictorFactory = make_predictor,
        make_runner: Callable[[], Runner] = QtRunner,
    ) -> None:
        super().__init__()
        # Windows opened by a script hand out a proxy, whose layers are not equal to themselves
        # everywhere; only public names are used on what it wraps.
        self._viewer: Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._make_predictor, self._make_runner = make_predictor, make_runner
        self._shown: Situation | None = None
        self._work: Work | None = None
        self._layers = LayerChoices(self._viewer)
        self.image, self.points, self.shapes, self.labels = self._layers.boxes
        self._form = Form(self._layers.boxes, DEVICES)
        self.model: ComboBox = self._form.model.model
        self._new_layers = NewLayers(self._viewer, self._layers)
        self._disk = Disk(make_runner)  # goes on when the dock is closed
        self._disk.changed.connect(self._form.files.show_files)
        self.destroyed.connect(self._disk.close)
        self._picker = ModelPicker(self._form.model, self._disk)
        self._title = DockTitle(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._form)
        self.setSizePolicy(self._form.sizePolicy())
        self._connect_form()
        self._remembered = self._remember()
        self._set_up()

    # --- for scripts ------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The engine."""
        return self._controller.session

    @property
    def live(self) -> bool:
        """Whether results come by themselves, or when Run is pressed."""
        return bool(self._form.prompts.live.isChecked())

    @live.setter
    def live(self, value: bool) -> None:
        self._form.prompts.live.setChecked(value)

    def new_prompt_layers(self) -> tuple[Points, Shapes, Labels]:
        """Make the layers for clicks, boxes and labels that are not chosen yet, and choose them.

        If all are, another set is made for the image, and the one that is there stays.

        Raises
        ------
        ValueError
            If there is no image.
        """
        chosen = self._new_layers.complete(self._controller.new_layers)
        for layer, mode in ((chosen.points, "add"), (chosen.shapes, "add_rectangle")):
            self._take_tool(layer, mode)
        return chosen.points, chosen.shapes, chosen.labels

    def next_object(self) -> None:
        """End the current object, so that the next click starts another."""
        self._controller.next_object()

    def accept(self) -> tuple[int, ...]:
        """Keep the labels and clear their prompts; return the objects."""
        objects = self._controller.accept()
        self._working.saving.recorder.accepted(objects)
        self._working.through.accepted(objects)
        return objects

    def find_all(self, *, whole: bool = True, alike: bool = False) -> None:
        """Look for all objects of the shown plane, in the background; then choose and accept.

        Layers that are missing are made first.

        Parameters
        ----------
        whole : bool
            The whole plane, or the part that the model sees now.
        alike : bool
            Only what looks like the current object.
        """
        if self.labels.value is None and self.image.value is not None:
            self._new_layers.complete(self._controller.new_layers)
        finding = self._working.finding
        finding.select(self._form.finding.selection)
        finding.start(whole, alike)

    def accept_found(self) -> tuple[int, ...]:
        """Make labels of what was found and chosen, as one step of undo; return their numbers."""
        return self._working.finding.accept()

    def discard_found(self) -> None:
        """Forget what was found; labels stay as they are."""
        self._working.finding.discard()

    @property
    def min_score(self) -> float:
        """Least score of what was found that is shown and accepted."""
        return float(self._form.finding.selection.min_score)

    @min_score.setter
    def min_score(self, value: float) -> None:
        self._form.finding.score.setValue(round(100 * value))

    @property
    def min_area(self) -> float:
        """Least area of what was found, in pixels."""
        return float(self._form.finding.selection.min_area)

    @min_area.setter
    def min_area(self, value: float) -> None:
        self._form.finding.area.setValue(int(value))

    @property
    def label_tools(self) -> LabelTools:
        """What can be done with labels that are there: edit, merge, delete, keep."""
        return self._controller.label_tools

    def cycle_mask(self) -> None:
        """Use the next candidate for the current object."""
        self._controller.cycle_mask()

    def run(self) -> None:
        """Segment what has changed, or everything on the plane again if nothing has."""
        self._controller.run()

    def propagate(
        self,
        objects: Collection[int] | None = None,
        direction: Direction = "both",
        first: int | None = None,
        last: int | None = None,
        *,
        axis: int | None = None,
        stop_when_lost: bool = True,
    ) -> None:
        """Follow objects through the planes of the image, in the background.

        Parameters
        ----------
        objects : collection of int, optional
            Those with prompts by default, or if there are none the labels of the shown plane.
        direction : {"both", "forward", "back"}
            Beyond the planes on which an object is known; planes between those are always filled.
        first, last : int, optional
            Planes to fill, both included; all by default.
        axis : int, optional
            Of the image; that of the slider that was moved last by default.
        stop_when_lost : bool
            Whether an object ends where it is not seen.

        Raises
        ------
        ValueError
            If there is no image, no object or no such axis or planes.
        """
        self._working.through.propagate(objects, direction, first, last, axis, stop_when_lost)

    def cancel_propagation(self) -> None:
        """Stop following; what was found stays, and :meth:`propagate` goes on from there."""
        self._working.through.cancel()

    def next_doubtful(self) -> tuple[int, int] | None:
        """Go to the next doubtful plane that was found; return place and object, or None."""
        return self._working.through.next_doubtful()

    def end_here(self, object_: int | None = None) -> None:
        """Say that an object, the current one by default, is not on the shown plane nor beyond."""
        self._working.through.end_here(object_)

    def use_weights(self, path: str) -> None:
        """Choose weights from a file, or list those of a folder and download to it from now on."""
        self._picker.use(path)

    @property
    def folder(self) -> Path | None:
        """The folder that embeddings are kept in, so that they are there another day; or None."""
        return self._form.embeddings.folder

    @folder.setter
    def folder(self, folder: str | Path | None) -> None:
        self._form.embeddings.folder = None if folder is None else Path(folder)

    def embed_all_planes(self, wanted: bool = True) -> None:
        """Embed all planes of the image while there is nothing else to do, or stop that."""
        self._controller.embed_all(wanted)

    def save_prompts(self, path: str | Path) -> None:
        """Save what led to the labels as JSON; see :meth:`.PromptFiles.save` for the errors."""
        self._prompt_files.save(path)

    def load_prompts(self, path: str | Path, checkpoint: str | Path | None = None) -> None:
        """Make the labels of saved prompts again, in new layers; see :meth:`.PromptFiles.load`."""
        self._prompt_files.load(path, checkpoint)

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Process events until nothing is on its way.

        Parameters
        ----------
        timeout : float
            Seconds.

        Raises
        ------
        TimeoutError
            If something still is.
        """
        end = time.monotonic() + timeout
        QCoreApplication.processEvents()
        while self._work is not None and (self._disk.busy or not self._work.idle):
            if time.monotonic() > end:
                raise TimeoutError(f"Still {self.session.status.state} after {timeout:g} s.")
            QCoreApplication.processEvents()
            time.sleep(0.005)

    # --- life -------------------------------------------------------------------------------

    @property
    def _controller(self) -> Controller:
        return self._working.controller

    @property
    def _working(self) -> Work:
        if self._work is None:
            raise RuntimeError("The widget was closed: open it again.")
        return self._work

    @property
    def _prompt_files(self) -> PromptFiles:
        return PromptFiles(self, self._layers, self._picker, self._working.saving, self._disk)

    def _set_up(self) -> None:
        """Start working in the viewer; idempotent."""
        if self._work is not None:
            return
        form, kept = self._form, self._form.embeddings
        session = Session(
            self._make_predictor, self._make_runner(), kept.memory.value(), kept.store(),
            self._make_runner(),
        )  # fmt: skip
        controller = Controller(self._viewer, session, self._make_runner())
        keys = Keys(
            self._viewer,
            (
                ("Q", self._on_key_sign),
                ("N", self._on_key_next),
                ("W", self._on_key_cycle),
                ("G", self._on_key_tool),
                ("H", self._on_key_preview),
                *self._form.labels.keys,
            ),
        )
        policy = self._form.picture.policy.get_value
        saving = Saving(self._viewer, controller, self._make_predictor, self._make_runner, policy)
        objects = ObjectList(self._viewer, controller, self._make_runner())
        finding = Finding(self._viewer, controller)
        through = ThroughStack(self._viewer, controller)
        self._work = Work(controller, keys, self._layers, saving, objects, finding, through)
        self._work.links.add(form.finding.show_found, finding.changed)
        self._work.links.add(self._on_through, through.changed)
        self._work.links.add(form.objects.show_rows, objects.changed)
        objects.is_open = form.fold_of("objects").isExpanded()
        self._work.links.add(self._on_loaded, saving.finished)
        self._work.links.add(self._on_situation, controller.situation_changed)
        self._work.links.add(controller.choose, self._layers.changed)
        self._work.links.add(self._on_click, controller.label_tools.editing)
        self._form.labels.use(controller.label_tools)
        self.destroyed.connect(self._work.close)
        self._form.name_keys(keys.letters)
        self._on_options()
        self._layers.start()
        self._on_situation(controller.situation())

    def _tear_down(self) -> None:
        """Leave the viewer alone; idempotent."""
        if self._work is not None:
            self._work.close()
            self._work = None
            self._form.labels.use(None)
            self._new_layers.close()
            self._layers.clear()

    def event(self, event: QEvent | None) -> bool:
        """Stop working when the dock is closed, which takes the widget out of it."""
        kind = event.type() if event else None
        if kind == QEvent.Type.ParentChange:
            (self._tear_down if self.parent() is None else self._set_up)()
        elif kind == QEvent.Type.Enter and self._work is not None:
            self._work.use_keys()  # the keys are those of the widget that the mouse was in last
        return bool(super().event(event))

    def showEvent(self, event: Any) -> None:
        """Work again when shown again."""
        super().showEvent(event)
        self._set_up()
        self._controller.schedule()
        self._form.fit_width()
        self._title.refresh()

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that the viewer has now."""
        if self._work is not None:
            self._layers.refresh()

    # --- from the form ----------------------------------------------------------------------

    def _connect_form(self) -> None:
        form, prompts = self._form, self._form.prompts
        for signal, slot in (
            (form.layers.new_wanted, self._on_new_layers),
            (prompts.box_wanted, self._on_box),
            (prompts.click_wanted, self._on_click),
            (prompts.sign_flipped, self._on_key_sign),
            (prompts.object_picked, self._on_object),
            (prompts.next_wanted, self._on_key_next),
            (prompts.candidate_picked, self._on_candidate),
            (prompts.cycle_wanted, self._on_key_cycle),
            (prompts.undo_wanted, self._on_undo),
            (prompts.accept_wanted, self.accept),
            (prompts.run_wanted, self.run),
            (prompts.left_out_wanted, self._on_left_out),
            (form.files.save_wanted, self._on_save),
            (form.files.load_wanted, self._on_load),
            (form.files.export_wanted, self._on_export),
            (form.head.cancelled, self._on_cancel),
            (form.head.converted, self._on_convert),
            (form.embeddings.store_changed, self._on_store),
            (prompts.changed, self._on_options),
            (form.picture.changed, self._on_options),
            (form.model.changed, self._on_options),
        ):
            signal.connect(slot)
        form.embeddings.memory.valueChanged.connect(self._on_memory)
        form.embeddings.all_planes.clicked.connect(self.embed_all_planes)
        form.finding.wanted.connect(self._on_find)
        form.finding.cancelled.connect(self._on_find_cancelled)
        form.finding.selected.connect(self._on_found_selected)
        form.finding.accepted.connect(self.accept_found)
        form.finding.discarded.connect(self.discard_found)
        form.through.wanted.connect(self._on_propagate)
        form.through.cancelled.connect(lambda: self._working.through.cancel())
        form.through.doubtful_wanted.connect(self._on_next_doubtful)
        form.through.end_wanted.connect(self._on_end_here)
        form.objects.picked.connect(self._on_object_listed)
        form.objects.deleted.connect(self._on_objects_deleted)
        form.objects.kept.connect(self._on_objects_kept)
        form.objects.named.connect(self._on_object_named)
        for fold in form.folds:
            fold.toggled.connect(self._on_fold)
        self._picker.changed.connect(self._on_options)
        form.model.model.changed.connect(self._on_options)

    def _on_options(self, value: object = None) -> None:
        if self._work is None:
            return
        self._remembered.save()
        picture, picker = self._form.picture, self._picker
        options = Options(
            picker.choice, picker.to_download, picture.policy.value, picture.look.value,
            picture.part.value, self.live, self._form.prompts.preview.isChecked(),
        )  # fmt: skip
        self._controller.set_options(options)

    def _on_fold(self, opened: bool) -> None:
        if self._work is not None:
            self._remembered.save()
            self._work.objects.is_open = self._form.fold_of("objects").isExpanded()
            self._on_through(self._work.through.state)

    def _on_through(self, state: Through) -> None:
        if self._form.fold_of("through").isExpanded():
            self._form.through.show_axes(self._working.through.axes())
        self._form.through.show_through(state)

    def _on_propagate(self, direction: Direction) -> None:
        panel = self._form.through
        objects = [self._controller.situation().current] if panel.only_current else None
        try:
            self._working.through.propagate(
                objects, direction, *panel.planes, panel.chosen_axis, panel.stop.isChecked()
            )
        except ValueError as error:
            show_warning(f"SAMV2 Prompts: {error}")

    def _on_next_doubtful(self) -> None:
        self.next_doubtful()

    def _on_end_here(self) -> None:
        try:
            self.end_here()
        except ValueError as error:
            show_warning(f"SAMV2 Prompts: {error}")

    def _on_object_listed(self, number: int) -> None:
        self._working.objects.pick(number)

    def _on_find(self, whole: bool, alike: bool) -> None:
        self.find_all(whole=whole, alike=alike)

    def _on_find_cancelled(self) -> None:
        self._working.finding.cancel()

    def _on_found_selected(self, selection: Selection) -> None:
        self._working.finding.select(selection)

    def _on_objects_deleted(self, numbers: tuple[int, ...]) -> None:
        self._working.objects.delete(numbers)

    def _on_objects_kept(self, numbers: tuple[int, ...]) -> None:
        self._working.objects.keep(numbers)

    def _on_object_named(self, number: int, name: str) -> None:
        self._working.objects.name(number, name)

    def _remember(self) -> Remembered:
        """Choose what was chosen last."""
        remembered = Remembered({**self._form.choices, **self._picker.choices}, settings_file())
        if note := remembered.restore():
            show_warning(f"SAMV2 Prompts: {note}")
        return remembered

    def _on_new_layers(self) -> bool:
        try:
            self.new_prompt_layers()
        except (ValueError, MemoryError) as error:
            show_error(str(error) or "Not enough memory for labels of this size.")
            return False
        return True

    def _on_box(self) -> None:
        self._draw("shapes")

    def _on_click(self) -> None:
        self._draw("points")

    def _draw(self, kind: Literal["points", "shapes"]) -> None:
        """Take the tool for a kind of prompts; layers that are missing are offered, or made."""
        chosen = self._layers.chosen
        if chosen.image is not None and None in (getattr(chosen, kind), chosen.labels):
            go_on = partial(self._draw_in_new, kind)
            if not self._new_layers.offer(self, kind, go_on):
                go_on()
        else:
            self._take_tool_for(kind)
        self._refresh_form()  # the button that was pressed shows what is, not that it was pressed

    def _draw_in_new(self, kind: Literal["points", "shapes"]) -> None:
        if self._on_new_layers():
            self._take_tool_for(kind)

    def _take_tool_for(self, kind: Literal["points", "shapes"]) -> None:
        layer = getattr(self._layers.chosen, kind)
        self._take_tool(layer, "add" if kind == "points" else "add_rectangle")

    def _on_key_tool(self, viewer: object = None) -> None:
        if self._form.prompts.box.isChecked():
            self._on_click()
        else:
            self._on_box()

    def _take_tool(self, layer: Any, mode: str) -> None:
        take_tool(self._viewer, layer, mode)
        self._on_situation(self._controller.situation())

    def _refresh_form(self) -> None:
        self._shown = None
        self._on_situation(self._controller.situation())

    def _on_key_sign(self, viewer: object = None) -> None:
        self._controller.flip_sign()

    def _on_key_next(self, viewer: object = None) -> None:
        self._controller.next_object()

    def _on_key_cycle(self, viewer: object = None) -> None:
        self._controller.cycle_mask()

    def _on_key_preview(self, viewer: object = None) -> None:
        self._form.prompts.preview.toggle()

    def _on_object(self, number: int) -> None:
        self._controller.pick_object(number)

    def _on_memory(self, megabytes: int) -> None:
        if self._work is not None:
            self.session.set_cache_size(megabytes)
            self._remembered.save()

    def _on_store(self, store: EmbeddingStore | None) -> None:
        if self._work is not None:
            self.session.set_store(store)
            self._remembered.save()

    def _on_undo(self) -> None:
        if not self._new_layers.take_back():
            self._controller.undo()

    def _on_left_out(self) -> None:
        self._controller.select_left_out()

    def _on_candidate(self, index: int) -> None:
        self._controller.choose_mask(index)
        self._refresh_form()

    def _on_cancel(self) -> None:
        self.session.cancel()

    def _on_convert(self) -> None:
        chosen = self.label_tools.convert()
        self._layers.refresh()
        self._layers.set(chosen)
        self.run()

    def _on_save(self) -> None:
        self._prompt_files.ask_and_save()

    def _on_load(self) -> None:
        self._prompt_files.ask_and_load()

    def _on_export(self) -> None:
        ask_and_export(self, self._viewer, self._controller.chosen, self._disk)

    def _on_loaded(self, reason: str) -> None:
        if reason:
            show_error(f"SAMV2 Prompts: not all prompts could be loaded. {reason}")

    def _on_situation(self, now: Situation) -> None:
        before, self._shown = self._shown, now
        if now == before:
            return
        self._form.show_situation(now)
        if before is None or now.status.model != before.status.model:
            self._picker.refresh()  # one more may be on this computer now
        failed = now.status.state is State.FAILED
        said = before is not None and before.status.reason == now.status.reason
        if failed and not (said and before and before.status.state is State.FAILED):
            show_error(f"SAMV2 Prompts: {now.status.reason}")
