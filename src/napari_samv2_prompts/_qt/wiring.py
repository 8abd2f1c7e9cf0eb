"""All that works for an open widget, and its connections with the form, keys and viewer.

It is made when the widget is shown in a window and ends in one go when it leaves it.

Not here: what scripts can call (``widget.py``), how a part looks (``form``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from napari.utils.notifications import show_error

from napari_samv2_prompts.engine import EmbeddingStore, PredictorFactory, Runner, Session, State
from napari_samv2_prompts.io.recorder import Recorder
from napari_samv2_prompts.io.settings import Remembered

from .cluster import ClusterHelp, seen_file
from .controller import Controller
from .drawing import Drawing
from .files import PromptFiles
from .find_all import FindAll
from .form import Form
from .layer_choices import LayerChoices
from .models import ModelPicker
from .object_list import ObjectList
from .propagation import StackPropagation
from .threads import Disk
from .through_buttons import ThroughButtons
from .viewer_events import Connections, Keys
from .widget_state import Options, WidgetState

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_samv2_prompts.io.file_views import FileViews


class Wiring:
    """What must end with the widget.

    - `viewer`, `form`, `layers`, `picker`, `remembered`, `disk`: what is there longer than this
    - `make_predictor`, `make_runner`: see :class:`~.widget.SAMV2PromptsWidget`
    - `parent`: of menus and dialogs
    - `.controller`, `.find_all`, `.propagation`, `.objects`, `.recorder`, `.files`: what the form
      and scripts speak to
    """

    def __init__(
        self, viewer: Viewer, form: Form, layers: LayerChoices, picker: ModelPicker,
        remembered: Remembered, disk: Disk, make_predictor: PredictorFactory,
        make_runner: Callable[[], Runner], parent: QWidget,
    ) -> None:  # fmt: skip
        self._viewer, self._form, self._layers, self._picker = viewer, form, layers, picker
        self._remembered, self._disk, self._parent = remembered, disk, parent
        self._shown: WidgetState | None = None
        memory = form.embeddings.memory.value()
        store = form.embeddings.store()
        session = Session(make_predictor, make_runner(), memory, store, make_runner())
        self.controller = controller = Controller(viewer, session, make_runner())
        self.drawing = Drawing(viewer, layers, controller, parent)
        self.recorder = Recorder(session, form.picture.policy.get_value)
        self.files = PromptFiles(
            viewer, controller, layers, picker, self.recorder, disk,
            lambda: Session(make_predictor, make_runner()), parent,
        )  # fmt: skip
        self.objects = ObjectList(viewer, controller, make_runner())
        self.clusters = [
            ClusterHelp(make_runner(), self._cluster_address, self._seen_file) for _ in range(3)
        ]
        self.find_all = FindAll(viewer, controller, self.clusters[1])
        self.propagation = StackPropagation(viewer, controller, self.recorder, self.clusters[2])
        self._through = ThroughButtons(form.through, self.propagation, controller, disk)
        self._keys = Keys(viewer, (
            ("Q", controller.flip_sign), ("N", controller.next_object),
            ("W", controller.choose_mask), ("G", self.drawing.change),
            ("H", form.prompts.preview.toggle), *form.labels.keys,
        ))  # fmt: skip
        self.drawing.listens = lambda: self._keys.are_used
        self._links, self._form_links = Connections(), Connections()
        self._follow_work()
        self._follow_form()
        self._begin()

    def _begin(self) -> None:
        """Take over what is chosen in the form, and show where things stand."""
        form = self._form
        form.labels.use(self.controller.label_tools)
        form.name_keys(self._keys.letters)
        self.objects.is_open = form.fold_of("objects").isExpanded()
        self._on_options()
        self._on_theme()
        self._layers.start()
        self._on_state(self.controller.state())

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        working = (self._disk.busy, self.files.busy, self.objects.busy, self.propagation.running,
                   self.find_all.accepting)  # fmt: skip
        return self.controller.idle and not any(working)

    def use_keys(self) -> None:
        """Have the viewer's keys work here, and not in another widget of ours."""
        self._keys.use()

    def disconnect_form(self) -> None:
        """Follow the form no more; not to be called once Qt has deleted it."""
        self._form_links.close()
        self._form.labels.use(None)

    def close(self, destroyed: object = None) -> None:
        """End everything, touching nothing that Qt may have deleted; idempotent."""
        self._links.close()
        self.drawing.close()
        for part in (
            self.files,
            self.recorder,
            self.objects,
            self.find_all,
            self.propagation,
            self._keys,
        ):
            part.close()
        for cluster in self.clusters:
            cluster.close()
        self._layers.stop()
        self.controller.close()

    # --- who follows whom -------------------------------------------------------------------

    def _follow_work(self) -> None:
        add, form, controller = self._links.add, self._form, self.controller
        add(self._on_state, controller.state_changed)
        add(self.drawing.points, controller.label_tools.editing)
        add(self._on_kept, controller.label_tools.taken)
        add(self._show_again, self.drawing.taken)
        add(controller.choose, self._layers.changed)
        add(form.find_all.show_found, self.find_all.changed)
        add(form.objects.show_rows, self.objects.changed)
        add(self.objects.take_found, self.find_all.accepted)
        add(self._through.show, self.propagation.changed)
        add(self._on_theme, self._viewer.events.theme)

    def _follow_form(self) -> None:
        add, form, controller = self._form_links.add, self._form, self.controller
        prompts, through, found, files = form.prompts, form.through, form.find_all, form.files
        add(self.drawing.make_layers, form.layers.new_wanted)
        add(self.drawing.shapes, prompts.box_wanted)
        add(self.drawing.points, prompts.click_wanted)
        add(controller.flip_sign, prompts.sign_flipped)
        add(controller.pick_object, prompts.object_picked)
        add(controller.next_object, prompts.next_wanted)
        add(self._on_candidate, prompts.candidate_picked)
        add(controller.choose_mask, prompts.cycle_wanted)
        add(self._undo, prompts.undo_wanted)
        add(self.accept, prompts.accept_wanted)
        add(controller.run, prompts.run_wanted)
        add(controller.prompts.select_left_out, prompts.left_out_wanted)
        add(self.files.ask_and_save, files.save_wanted)
        add(self.files.ask_and_load, files.load_wanted)
        add(self._export, files.export_wanted)
        add(controller.session.cancel, form.head.cancelled)
        add(self._convert, form.head.converted)
        add(self._on_store, form.embeddings.store_changed)
        add(self._on_memory, form.embeddings.memory.valueChanged)
        add(self.embed_all, form.embeddings.all_planes.clicked)
        add(self.look_for_all, found.wanted)
        add(self.find_all.cancel, found.cancelled)
        add(self.find_all.select, found.selected)
        add(self.find_all.accept_in_steps, found.accepted)
        add(self.find_all.discard, found.discarded)
        add(self._through.follow, through.wanted)
        add(self._through.press, through.pressed)
        add(self.propagation.stack.choose_axis, through.axis_chosen)
        add(self.objects.pick, form.objects.picked)
        add(self.objects.delete, form.objects.deleted)
        add(self.objects.keep, form.objects.kept)
        add(self.objects.name, form.objects.named)
        for fold in form.folds:
            add(self._on_fold, fold.toggled)
        add(self._on_options, prompts.changed, form.picture.changed, form.model.changed)
        add(self._on_options, self._picker.changed, form.model.model.changed)

    # --- prompts ----------------------------------------------------------------------------

    def accept(self) -> tuple[int, ...]:
        """Keep the labels and clear their prompts; return the objects."""
        objects = self.controller.accept()
        self.recorder.accepted(self.controller.written, objects)
        self.propagation.accepted(objects)
        return objects

    def _on_kept(self, objects: Collection[int]) -> None:
        labels = self.controller.chosen.labels
        if labels is not None:
            self.recorder.accepted([labels.unique_id], objects)

    def _on_candidate(self, index: int) -> None:
        self.controller.choose_mask(index)
        self._show_again()

    def _undo(self) -> None:
        if not self.drawing.take_back():
            self.controller.undo()

    def _convert(self) -> None:
        chosen = self.controller.label_tools.convert()
        self._layers.refresh()
        self._layers.set(chosen)
        self.controller.run()

    # --- in the background ------------------------------------------------------------------

    def embed_all(self, wanted: bool) -> None:
        """Embed all planes, on the cluster too if one is named, or stop that."""
        self.controller.embed_all(wanted)
        cluster = self.clusters[0]
        if not wanted:
            cluster.stop()
            return
        now = self.controller
        cluster.embed_planes(now.chosen.image, now.options.model, now.session.store)

    def _cluster_address(self) -> str:
        return self._form.embeddings.cluster.text().strip()

    def _seen_file(self) -> FileViews:
        now = self.controller
        return seen_file(now.chosen.image, now.options.rendering, self._viewer.layers)

    def look_for_all(self, whole: bool, alike: bool) -> None:
        """Find all, in layers that are made first where they are missing."""
        chosen = self._layers.chosen
        if chosen.labels is None and chosen.image is not None:
            self.drawing.add_layers()
        self.find_all.select(self._form.find_all.selection)
        self.find_all.start(whole, alike)

    # --- files and options ------------------------------------------------------------------

    def _export(self) -> None:
        self.propagation.stack.ask_and_export(self._parent, self._disk)

    def _on_options(self, value: object = None) -> None:
        """Work with what is chosen now, and remember it."""
        self._remembered.save()
        picture, picker, prompts = self._form.picture, self._picker, self._form.prompts
        options = Options(
            picker.choice, picker.to_download, picture.policy.value, picture.rendering.value,
            picture.part.value, prompts.live.isChecked(), prompts.preview.isChecked(),
        )  # fmt: skip
        self.controller.set_options(options)

    def _on_memory(self, megabytes: int) -> None:
        self.controller.session.set_cache_size(megabytes)
        self._remembered.save()

    def _on_store(self, store: EmbeddingStore | None) -> None:
        self.controller.session.set_store(store)
        self._remembered.save()

    def _on_fold(self, opened: bool) -> None:
        self._remembered.save()
        self.objects.is_open = self._form.fold_of("objects").isExpanded()
        self._through.show(self.propagation.state)

    # --- what is shown ----------------------------------------------------------------------

    def _show_again(self) -> None:
        """Have a button that was pressed show what is, not that it was pressed."""
        self._form.show_state(self.controller.state())

    def _on_theme(self, event: object = None) -> None:
        self._form.use_theme(self._viewer.theme)

    def _on_state(self, now: WidgetState) -> None:
        """Show where things stand, and an error once."""
        before, self._shown = self._shown, now
        if now == before:
            return
        self._form.show_state(now)
        if before is None or now.status.model != before.status.model:
            self._picker.refresh()  # one more may be on this computer now
        failed = now.status.state is State.FAILED
        said = before is not None and before.status.reason == now.status.reason
        if failed and not (said and before and before.status.state is State.FAILED):
            show_error(f"SAMV2 Prompts: {now.status.reason}")
