"""The dock widget: what scripts can call, and its life in a window; the work is ``wiring.py``'s."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_samv2_prompts.engine import PredictorFactory, Runner, Session
from napari_samv2_prompts.io.settings import Remembered, settings_file

from .form import DockTitle, Form
from .label_tools import LabelTools
from .layer_choices import LayerChoices
from .models import DEVICES, ModelPicker, make_predictor
from .threads import Disk, QtRunner, process_events_until
from .widget_state import Direction
from .wiring import Wiring

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox
    from napari.layers import Labels, Points, Shapes, Tracks
    from napari.viewer import Viewer

    from napari_samv2_prompts.propagation import Lineage, Method


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
    make_predictor, make_runner : callable, optional
        Make the model, in the worker, and workers.
    """

    def __init__(
        self, napari_viewer: Viewer, *, make_predictor: PredictorFactory = make_predictor,
        make_runner: Callable[[], Runner] = QtRunner,
    ) -> None:  # fmt: skip
        super().__init__()
        # Windows opened by a script hand out a proxy, whose layers are not equal to themselves
        # everywhere; only public names are used on what it wraps.
        self._viewer: Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._make_predictor, self._make_runner = make_predictor, make_runner
        self._wiring: Wiring | None = None
        self._layers = LayerChoices(self._viewer)
        self.image, self.points, self.shapes, self.labels = self._layers.boxes
        self._form = Form(self._layers.boxes, DEVICES)
        self.model: ComboBox = self._form.model.model
        self._disk = Disk(make_runner)  # goes on when the dock is closed
        self._disk.changed.connect(self._form.files.show_files)
        self.destroyed.connect(self._disk.close)
        self._picker = ModelPicker(self._form.model, self._disk)
        self._title = DockTitle(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._form)
        self.setSizePolicy(self._form.sizePolicy())
        choices = {**self._form.choices, **self._picker.choices}
        self._remembered = Remembered(choices, settings_file())
        if note := self._remembered.restore():
            show_warning(f"SAMV2 Prompts: {note}")
        self._set_up()

    # --- for scripts ------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The engine."""
        return self._open.controller.session

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
        self._open.drawing.complete()
        return self.points.value, self.shapes.value, self.labels.value

    def next_object(self) -> None:
        """End the current object, so that the next click starts another."""
        self._open.controller.next_object()

    def accept(self) -> tuple[int, ...]:
        """Keep the labels and clear their prompts; return the objects."""
        return self._open.accept()

    def find_all(self, *, whole: bool = True, alike: bool = False) -> None:
        """Look for all objects of the shown plane, in the background; then choose and accept.

        Layers that are missing are made first.  If not `whole`, only the part that the model sees
        now is searched; if `alike`, for what looks like the current object.
        """
        self._open.look_for_all(whole, alike)

    def accept_found(self) -> tuple[int, ...]:
        """Make labels of what was found and chosen, as one step of undo; return their numbers."""
        return self._open.find_all.accept()

    def discard_found(self) -> None:
        """Forget what was found; labels stay as they are."""
        self._open.find_all.discard()

    @property
    def min_score(self) -> float:
        """Least score of what was found that is shown and accepted."""
        return float(self._form.find_all.selection.min_score)

    @min_score.setter
    def min_score(self, value: float) -> None:
        self._form.find_all.score.setValue(round(100 * value))

    @property
    def min_area(self) -> float:
        """Least area of what was found, in pixels."""
        return float(self._form.find_all.selection.min_area)

    @min_area.setter
    def min_area(self, value: float) -> None:
        self._form.find_all.area.setValue(int(value))

    @property
    def label_tools(self) -> LabelTools:
        """What can be done with labels that are there: edit, merge, delete, keep."""
        return self._open.controller.label_tools

    def cycle_mask(self) -> None:
        """Use the next candidate for the current object."""
        self._open.controller.choose_mask()

    def run(self) -> None:
        """Segment what has changed, or everything on the plane again if nothing has."""
        self._open.controller.run()

    def propagate(
        self, objects: Collection[int] | None = None, direction: Direction = "both",
        first: int | None = None, last: int | None = None, *, axis: int | None = None,
        stop_when_lost: bool = True, method: Method = "auto",
    ) -> None:  # fmt: skip
        """Follow objects through the planes of the image, in the background.

        Parameters
        ----------
        objects : collection of int, optional
            Those with prompts by default, or if there are none the labels of the shown plane.
        direction : {"both", "forward", "back"}
            Beyond the planes where an object is known; planes between those are always filled.
        first, last : int, optional
            Planes to fill, both included; all by default.
        axis : int, optional
            Of the image; that of the slider that was moved last by default.
        stop_when_lost : bool
            Whether an object ends where it is not seen.
        method : {"auto", "hand-over", "memory"}
            The model's memory if it has one, or prompts made of the last mask; see
            :func:`.segment_stack`.

        Raises
        ------
        ValueError
            If there is no image, no object or no such axis or planes.
        """
        asked = objects, direction, first, last, axis, stop_when_lost, method
        self._open.propagation.propagate(*asked)

    def cancel_propagation(self) -> None:
        """Stop following; what was found stays, and :meth:`propagate` goes on from there."""
        self._open.propagation.cancel()

    def next_doubtful(self) -> tuple[int, int] | None:
        """Go to the next doubtful plane that was found; return place and object, or None."""
        return self._open.propagation.next_doubtful()

    def end_here(self, object_: int | None = None) -> None:
        """Say that an object, the current one by default, is not on the shown plane nor beyond."""
        self._open.propagation.end_here(object_)

    def divide_here(self, object_: int | None = None) -> tuple[int, int]:
        """Say that an object, the current one by default, is two from the shown plane on.

        What its label covers there is shared out between the two; return their numbers.
        """
        return self._open.propagation.divide_here(object_)

    def lineage(self) -> Lineage:
        """Return the tracks of all labels, with parents, for :mod:`.lineage_files`."""
        return self._open.propagation.stack.lineage()

    def show_tracks(self) -> Tracks:
        """Add a Tracks layer with the middles of all labels, and who came from whom."""
        return self._open.propagation.stack.show_tracks()

    def use_weights(self, path: str) -> None:
        """Choose weights from a file, or list those of a folder and download to it from now on."""
        self._picker.use(path)

    @property
    def folder(self) -> Path | None:
        """The folder that embeddings are kept in, or None."""
        return self._form.embeddings.folder

    @folder.setter
    def folder(self, folder: str | Path | None) -> None:
        self._form.embeddings.folder = None if folder is None else Path(folder)

    def embed_all_planes(self, wanted: bool = True) -> None:
        """Embed all planes of the image while there is nothing else to do, or stop that."""
        self._open.embed_all(wanted)

    def save_prompts(self, path: str | Path) -> None:
        """Save what led to the labels as JSON; see :meth:`.PromptFiles.save` for the errors."""
        self._open.files.save(path)

    def load_prompts(self, path: str | Path, checkpoint: str | Path | None = None) -> None:
        """Make the labels of saved prompts again, in new layers; see :meth:`.PromptFiles.load`."""
        self._open.files.load(path, checkpoint)

    def wait_until_idle(self, timeout: float = 60) -> None:
        """Process events until nothing is on its way; TimeoutError if it is after so many s."""
        if not process_events_until(lambda: self._wiring is None or self._wiring.idle, timeout):
            raise TimeoutError(f"Still {self.session.status.state} after {timeout:g} s.")

    # --- life -------------------------------------------------------------------------------

    @property
    def _open(self) -> Wiring:
        if self._wiring is None:
            raise RuntimeError("The widget was closed: open it again.")
        return self._wiring

    def _set_up(self) -> None:
        """Start working in the viewer; idempotent."""
        if self._wiring is None:
            self._wiring = Wiring(
                self._viewer, self._form, self._layers, self._picker, self._remembered,
                self._disk, self._make_predictor, self._make_runner, self,
            )  # fmt: skip
            self.destroyed.connect(self._wiring.close)

    def _tear_down(self) -> None:
        """Leave the viewer alone; idempotent."""
        if self._wiring is not None:
            self._wiring.disconnect_form()
            self._wiring.close()
            self._wiring = None
            self._layers.clear()

    def event(self, event: QEvent | None) -> bool:
        """Stop working when the dock is closed, which takes the widget out of it."""
        kind = event.type() if event else None
        if kind == QEvent.Type.ParentChange:
            (self._tear_down if self.parent() is None else self._set_up)()
        elif kind == QEvent.Type.Enter and self._wiring is not None:
            self._wiring.use_keys()  # the keys are those of the widget that the mouse was in last
        return bool(super().event(event))

    def showEvent(self, event: Any) -> None:
        """Work again when shown again."""
        super().showEvent(event)
        self._set_up()
        self._open.controller.schedule()
        self._form.fit_width()
        self._title.refresh()

    def reset_choices(self, event: object = None) -> None:
        """Offer the layers that the viewer has now."""
        if self._wiring is not None:
            self._layers.refresh()
