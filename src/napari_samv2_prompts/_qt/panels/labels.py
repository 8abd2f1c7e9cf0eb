"""Labels that are there: which one, and what to do with it.

The buttons act on the number in the panel, the keys on the label under the mouse.

Not here: what is done (``label_tools.py``), and what came of it, which the note says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QSpinBox, QWidget

from napari_samv2_prompts._qt.controls import Lines
from napari_samv2_prompts._qt.hints import Situation, kept_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_samv2_prompts._qt.label_tools import LabelTools

__all__ = ["LabelPanel"]


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
        self.edit, self.merge, self.delete = QPushButton(), QPushButton(), QPushButton("Delete")
        self.edit.setToolTip("Refine this label: prompts start from its mask")
        self.merge.setToolTip("Make this label part of the current object, on this plane")
        self.delete.setToolTip("Remove this label and its prompts from this plane")
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
    def keys(self) -> tuple[tuple[str, Callable[[object], None]], ...]:
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

    def show_situation(self, now: Situation) -> None:
        """Show where things stand; the number follows the current object."""
        self._kept = now.kept
        if now.current != self._current and now.current > 0:
            self._current = now.current
            self.number.setValue(now.current)
        self._on_number()
        self.setEnabled(now.labels and not now.problem)
        self.text.setText(kept_line(now))

    # --- the mouse ------------------------------------------------------------------------------

    def edit_under_mouse(self, viewer: object = None) -> None:
        """Refine the label under the mouse."""
        self._with_number_under_mouse(self._on_edit)

    def merge_under_mouse(self, viewer: object = None) -> None:
        """Make the label under the mouse part of the current object."""
        self._with_number_under_mouse(self._on_merge)

    def keep_under_mouse(self, viewer: object = None) -> None:
        """Keep the label under the mouse, or release it."""
        self._with_number_under_mouse(self.keep.click)

    def _with_number_under_mouse(self, action: Callable[[], object]) -> None:
        if self._tools is None or not self.isEnabled():
            return
        number = self._tools.under_mouse
        if number > 0:
            self.number.setValue(number)
            action()
        else:
            self._tools.edit(0)  # which says that there is none

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
            self._tools.keep(self.number.value(), self.keep.isChecked())
