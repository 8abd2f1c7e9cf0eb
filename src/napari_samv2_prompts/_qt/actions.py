"""What the form's controls and the keys do: each wish of a part, handed on to the work.

Where scripts have the same wish, their call is what is made.  Not here: that interface and life in
a window (``widget.py``), how a part looks (``panels``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import QObject

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.engine import EmbeddingStore, State

from .choices import LayerChoices
from .controller import Controller
from .events import take_tool
from .exporting import ask_and_export
from .form import Form
from .hints import Situation
from .new_layers import NewLayers
from .picker import ModelPicker
from .propagating import Direction, Through
from .settings import Remembered, settings_file
from .situation import Options
from .threads import Disk
from .work import Work

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .widget import SAMV2PromptsWidget

__all__ = ["Actions"]


class Actions(QObject):
    """Between the form of a widget and its work.

    Parameters
    ----------
    widget : SAMV2PromptsWidget
        Owns this.
    viewer : napari.viewer.Viewer
    form : Form
    layers : LayerChoices
    new_layers : NewLayers
    picker : ModelPicker
    disk : Disk
    working : callable
        Returns the work, or None while the widget is closed.
    """

    def __init__(
        self,
        widget: SAMV2PromptsWidget,
        viewer: Viewer,
        form: Form,
        layers: LayerChoices,
        new_layers: NewLayers,
        picker: ModelPicker,
        disk: Disk,
        working: Callable[[], Work | None],
    ) -> None:
        super().__init__(widget)
        self._widget, self._viewer, self._form = widget, viewer, form
        self._layers, self._new_layers = layers, new_layers
        self._picker, self._disk, self._find_work = picker, disk, working
        self._shown: Situation | None = None
        self._remembered = Remembered({**form.choices, **picker.choices}, settings_file())

    @property
    def _work(self) -> Work | None:
        return self._find_work()

    @property
    def _working(self) -> Work:
        work = self._find_work()
        if work is None:
            raise RuntimeError("The widget was closed: open it again.")
        return work

    @property
    def _controller(self) -> Controller:
        return self._working.controller

    def restore(self) -> None:
        """Choose what was chosen last."""
        if note := self._remembered.restore():
            show_warning(f"SAMV2 Prompts: {note}")

    def connect(self) -> None:
        """Do what the form's parts wish for."""
        form, prompts = self._form, self._form.prompts
        for signal, slot in (
            (form.layers.new_wanted, self._on_new_layers),
            (prompts.box_wanted, self._on_box),
            (prompts.click_wanted, self.on_click),
            (prompts.sign_flipped, self.on_key_sign),
            (prompts.object_picked, self._on_object),
            (prompts.next_wanted, self.on_key_next),
            (prompts.candidate_picked, self._on_candidate),
            (prompts.cycle_wanted, self.on_key_cycle),
            (prompts.undo_wanted, self._on_undo),
            (prompts.accept_wanted, self._widget.accept),
            (prompts.run_wanted, self._widget.run),
            (prompts.left_out_wanted, self._on_left_out),
            (form.files.save_wanted, self._on_save),
            (form.files.load_wanted, self._on_load),
            (form.files.export_wanted, self._on_export),
            (form.head.cancelled, self._on_cancel),
            (form.head.converted, self._on_convert),
            (form.embeddings.store_changed, self._on_store),
            (prompts.changed, self.on_options),
            (form.picture.changed, self.on_options),
            (form.model.changed, self.on_options),
        ):
            signal.connect(slot)
        form.embeddings.memory.valueChanged.connect(self._on_memory)
        form.embeddings.all_planes.clicked.connect(self._widget.embed_all_planes)
        form.finding.wanted.connect(self._on_find)
        form.finding.cancelled.connect(self._on_find_cancelled)
        form.finding.selected.connect(self._on_found_selected)
        form.finding.accepted.connect(self._widget.accept_found)
        form.finding.discarded.connect(self._widget.discard_found)
        form.through.wanted.connect(self._on_propagate)
        form.through.cancelled.connect(self._on_propagation_cancelled)
        form.through.doubtful_wanted.connect(self._on_next_doubtful)
        form.through.end_wanted.connect(self._on_end_here)
        form.objects.picked.connect(self._on_object_listed)
        form.objects.deleted.connect(self._on_objects_deleted)
        form.objects.kept.connect(self._on_objects_kept)
        form.objects.named.connect(self._on_object_named)
        for fold in form.folds:
            fold.toggled.connect(self._on_fold)
        self._picker.changed.connect(self.on_options)
        form.model.model.changed.connect(self.on_options)

    def on_options(self, value: object = None) -> None:
        """Work with what is chosen now, and remember it."""
        if self._work is None:
            return
        self._remembered.save()
        picture, picker = self._form.picture, self._picker
        options = Options(
            picker.choice, picker.to_download, picture.policy.value, picture.look.value,
            picture.part.value, self._widget.live, self._form.prompts.preview.isChecked(),
        )  # fmt: skip
        self._controller.set_options(options)

    def _on_fold(self, opened: bool) -> None:
        if self._work is not None:
            self._remembered.save()
            self._work.objects.is_open = self._form.fold_of("objects").isExpanded()
            self.on_through(self._work.through.state)

    def on_through(self, state: Through) -> None:
        """Show how far following objects is."""
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

    def _on_propagation_cancelled(self) -> None:
        self._working.through.cancel()

    def _on_next_doubtful(self) -> None:
        self._widget.next_doubtful()

    def _on_end_here(self) -> None:
        try:
            self._widget.end_here()
        except ValueError as error:
            show_warning(f"SAMV2 Prompts: {error}")

    def _on_object_listed(self, number: int) -> None:
        self._working.objects.pick(number)

    def _on_find(self, whole: bool, alike: bool) -> None:
        self._widget.find_all(whole=whole, alike=alike)

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

    def _on_new_layers(self) -> bool:
        try:
            self._widget.new_prompt_layers()
        except (ValueError, MemoryError) as error:
            show_error(str(error) or "Not enough memory for labels of this size.")
            return False
        return True

    def _on_box(self) -> None:
        self._draw("shapes")

    def on_click(self) -> None:
        """Take the tool for clicks."""
        self._draw("points")

    def _draw(self, kind: Literal["points", "shapes"]) -> None:
        """Take the tool for a kind of prompts; layers that are missing are offered, or made."""
        chosen = self._layers.chosen
        if chosen.image is not None and None in (getattr(chosen, kind), chosen.labels):
            go_on = partial(self._draw_in_new, kind)
            if not self._new_layers.offer(self._widget, kind, go_on):
                go_on()
        else:
            self._take_tool_for(kind)
        self._refresh_form()  # the button that was pressed shows what is, not that it was pressed

    def _draw_in_new(self, kind: Literal["points", "shapes"]) -> None:
        if self._on_new_layers():
            self._take_tool_for(kind)

    def _take_tool_for(self, kind: Literal["points", "shapes"]) -> None:
        layer = getattr(self._layers.chosen, kind)
        self.take_tool(layer, "add" if kind == "points" else "add_rectangle")

    def on_key_tool(self, viewer: object = None) -> None:
        """Change between boxes and clicks."""
        if self._form.prompts.box.isChecked():
            self.on_click()
        else:
            self._on_box()

    def take_tool(self, layer: Any, mode: str) -> None:
        """Make a layer active with a tool that draws."""
        take_tool(self._viewer, layer, mode)
        self.on_situation(self._controller.situation())

    def _refresh_form(self) -> None:
        self._shown = None
        self.on_situation(self._controller.situation())

    def on_key_sign(self, viewer: object = None) -> None:
        """Turn the sign of the next clicks."""
        self._controller.flip_sign()

    def on_key_next(self, viewer: object = None) -> None:
        """End the current object."""
        self._controller.next_object()

    def on_key_cycle(self, viewer: object = None) -> None:
        """Use the next candidate."""
        self._controller.cycle_mask()

    def on_key_preview(self, viewer: object = None) -> None:
        """Switch the preview."""
        self._form.prompts.preview.toggle()

    def _on_object(self, number: int) -> None:
        self._controller.pick_object(number)

    def _on_memory(self, megabytes: int) -> None:
        if self._work is not None:
            self._controller.session.set_cache_size(megabytes)
            self._remembered.save()

    def _on_store(self, store: EmbeddingStore | None) -> None:
        if self._work is not None:
            self._controller.session.set_store(store)
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
        self._controller.session.cancel()

    def _on_convert(self) -> None:
        chosen = self._controller.label_tools.convert()
        self._layers.refresh()
        self._layers.set(chosen)
        self._widget.run()

    def _on_save(self) -> None:
        self._widget.prompt_files.ask_and_save()

    def _on_load(self) -> None:
        self._widget.prompt_files.ask_and_load()

    def _on_export(self) -> None:
        ask_and_export(self._widget, self._viewer, self._controller.chosen, self._disk)

    def on_loaded(self, reason: str) -> None:
        """Say what of saved prompts could not be loaded."""
        if reason:
            show_error(f"SAMV2 Prompts: not all prompts could be loaded. {reason}")

    def on_situation(self, now: Situation) -> None:
        """Show where things stand, and an error once."""
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
