"""The layers that are worked on, single labels in them, and files of what they hold.

Not here: what is done to labels (``label_tools.py``), with files (``files.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QGridLayout, QSpinBox, QWidget

from napari_samv2_prompts._qt.messages import kept_line
from napari_samv2_prompts._qt.widget_state import WidgetState

from .controls import add_row, rows, shrinking
from .widgets import Lines, button

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox

    from napari_samv2_prompts._qt.label_tools import LabelTools

_TIPS = {
    "image": "The image to segment; follows the active layer",
    "points": "The Points layer whose clicks are prompts",
    "shapes": "The Shapes layer whose boxes, outlines and lines are prompts",
    "labels": "The Labels layer that the masks go to",
}


class LayersPanel(QWidget):
    """The four layer choices, and a button that makes what is missing.

    - `boxes`: image, points, shapes, labels
    """

    new_wanted = Signal()

    def __init__(self, boxes: Sequence[ComboBox]) -> None:
        super().__init__()
        self._boxes = boxes
        layout = rows(self)
        for box in boxes:
            control = shrinking(box, Qt.TextElideMode.ElideMiddle)  # names differ at their ends
            add_row(layout, box.name.capitalize(), control, _TIPS[box.name])
        self.new = button("New layers", "Make the layers for clicks, boxes and labels that are"
                          " not chosen, or another set if all are", "plus")  # fmt: skip
        self.new.clicked.connect(self.new_wanted)
        layout.addRow(self.new)

    @property
    def title(self) -> str:
        """The chosen layers in one line."""
        chosen = {box.name: box.value for box in self._boxes if box.value is not None}
        image = chosen.pop("image", None)
        if image is None:
            return "No image"
        return f"{image.name} · {', '.join(chosen) or 'no layers for prompts yet'}"

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        self.new.setEnabled(now.image)


class LabelPanel(QWidget):
    """Number, buttons and a line of text."""

    def __init__(self) -> None:
        super().__init__()
        self._tools: LabelTools | None = None
        self._kept: tuple[int, ...] = ()
        self._current = 0
        self.number = QSpinBox()
        self.number.setRange(1, 2**31 - 1)
        self.number.setPrefix("Label ")
        self.number.setKeyboardTracking(False)
        self.number.setToolTip("The label that these buttons work on; the keys take the one under"
                               " the mouse")  # fmt: skip
        self.number.setAccessibleName("Label to work on")
        self.edit = button("", "Refine this label: prompts start from its mask")
        self.merge = button("", "Make this label part of the current object, on this plane")
        self.delete = button(
            "Delete", "Remove this label and its prompts from this plane", "delete"
        )
        self.delete.setAccessibleName("Delete label")
        self.keep = QCheckBox()
        self.keep.setToolTip("Let no result change this label, whatever Overlap says; clears its"
                             " prompts")  # fmt: skip
        self.text = Lines(1)
        self._lay_out()
        self.name_keys(frozenset())
        self.edit.clicked.connect(self._on_edit)
        self.merge.clicked.connect(self._on_merge)
        self.delete.clicked.connect(self._on_delete)
        self.keep.clicked.connect(self._on_keep)
        self.number.valueChanged.connect(self._on_number)

    def _lay_out(self) -> None:
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 0, 6, 4)
        rows = ((self.number, self.edit), (self.merge, self.delete), (self.keep,), (self.text,))
        for row, widgets in enumerate(rows):
            for column, widget in enumerate(widgets):
                layout.addWidget(widget, row, column, 1, 2 if len(widgets) == 1 else 1)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)

    @property
    def keys(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        """Letters, and what they do with the label under the mouse."""
        return ("J", self.edit_under_mouse), ("U", self.merge_under_mouse), (
            "K", self.keep_under_mouse,
        )  # fmt: skip

    def name_keys(self, letters: frozenset[str]) -> None:
        """Show on the controls which keys do the same."""
        shown = {key: f" ({key})" if key in letters else "" for key in "JUK"}
        self.edit.setText("Edit" + shown["J"])
        self.merge.setText("Merge" + shown["U"])
        self.keep.setText("Keep as it is" + shown["K"])

    def use(self, tools: LabelTools | None) -> None:
        """Work with these tools, or with none."""
        self._tools = tools

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand; the number follows the current object."""
        self._kept = now.kept
        if now.current != self._current and now.current > 0:
            self._current = now.current
            self.number.setValue(now.current)
        self._on_number()
        self.setEnabled(now.labels and not now.problem)
        self.text.setText(kept_line(now))

    # --- the mouse ------------------------------------------------------------------------------

    def edit_under_mouse(self) -> None:
        """Refine the label under the mouse."""
        self._with_number_under_mouse(self._on_edit)

    def merge_under_mouse(self) -> None:
        """Make the label under the mouse part of the current object."""
        self._with_number_under_mouse(self._on_merge)

    def keep_under_mouse(self) -> None:
        """Keep the label under the mouse, or release it."""
        self._with_number_under_mouse(self.keep.click)

    def _with_number_under_mouse(self, action: Callable[[], object]) -> None:
        if self._tools is None or not self.isEnabled():
            return
        number = self._tools.under_mouse
        if 0 < number <= self.number.maximum():
            self.number.setValue(number)
            action()
        else:
            self._tools.edit(number)  # which says that there is none, or what is wrong with it

    # --- the buttons ----------------------------------------------------------------------------

    def _on_number(self, number: int = 0) -> None:
        self.keep.setChecked(self.number.value() in self._kept)

    def _on_edit(self) -> None:
        if self._tools is not None:
            self._tools.edit(self.number.value())

    def _on_merge(self) -> None:
        if self._tools is not None:
            self._tools.merge(self.number.value())

    def _on_delete(self) -> None:
        if self._tools is not None:
            self._tools.delete(self.number.value())

    def _on_keep(self) -> None:
        if self._tools is not None:
            self._tools.keep(self.number.value(), on=self.keep.isChecked())


class FilesPanel(QWidget):
    """What led to the labels, to a file and back."""

    save_wanted = Signal()
    load_wanted = Signal()
    export_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._savable = self._loadable = self._busy = False
        self.save = button("Save prompts…", "Save what led to these labels, to be loaded again")
        self.load = button("Load prompts…", "Make the labels of saved prompts, in new layers")
        self.export = button(
            "Export labels…", "Write the shown plane as COCO, GeoJSON or TIFF, with its classes"
        )
        self.said = Lines(1)
        self.save.clicked.connect(self.save_wanted)
        self.load.clicked.connect(self.load_wanted)
        self.export.clicked.connect(self.export_wanted)
        layout = QGridLayout(self)
        layout.setContentsMargins(6, 0, 6, 4)
        layout.addWidget(self.save, 0, 0)
        layout.addWidget(self.load, 0, 1)
        layout.addWidget(self.export, 1, 0, 1, 2)
        layout.addWidget(self.said, 2, 0, 1, 2)

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        self._savable, self._loadable = now.labels, now.image and not now.download
        self._enable()

    def show_files(self, said: str, busy: bool) -> None:
        """Show how reading and writing goes."""
        self.said.setText(said)
        self._busy = busy
        self._enable()

    def _enable(self) -> None:
        self.save.setEnabled(self._savable and not self._busy)
        self.export.setEnabled(self._savable and not self._busy)
        self.load.setEnabled(self._loadable and not self._busy)
