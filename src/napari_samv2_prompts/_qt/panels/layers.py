"""The layers that are worked on: one line that names them, and the choices folded under it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from napari_samv2_prompts._qt.controls import add_row, button, rows, shrinking
from napari_samv2_prompts._qt.hints import Situation

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox

__all__ = ["LayersPanel"]

_TIPS = {
    "image": "The image to segment; follows the active layer",
    "points": "The Points layer whose clicks are prompts",
    "shapes": "The Shapes layer whose boxes, outlines and lines are prompts",
    "labels": "The Labels layer that the masks go to",
}


class LayersPanel(QWidget):
    """The four layer choices, and a button that makes what is missing.

    Parameters
    ----------
    boxes : sequence of ComboBox
        Image, points, shapes, labels.
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
                          " not chosen, or another set if all are")  # fmt: skip
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

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        self.new.setEnabled(now.image)
