"""What the model sees of the image, and what a mask does where there are labels already."""

from __future__ import annotations

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QWidget

from napari_samv2_prompts._qt.controls import add_row, rows, shrinking

__all__ = ["PicturePanel"]

_OVERLAPS = (
    ("keep labels", "keep"),
    ("replace labels", "replace"),
    ("background only", "background"),
)
_PICTURES = (
    ("as displayed", "displayed"),
    ("by percentiles", "percentiles"),
    ("all visible channels", "channels"),
)
_PARTS = (("visible region", "visible"), ("whole plane", "whole"))


class PicturePanel(QWidget):
    """Three choices: contrast and channels, part of the plane, overlap."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.look = ComboBox(name="look", choices=_PICTURES)
        self.part = ComboBox(name="part", choices=_PARTS)
        self.policy = ComboBox(name="policy", choices=_OVERLAPS)
        layout = rows(self)
        for text, box, tip in (
            ("Picture", self.look, "What the model sees of the image: its contrast and channels"),
            ("Part", self.part, "What the model sees of a large image: what is on screen, or all"),
            ("Overlap", self.policy, "What a mask does where there are labels already"),
        ):
            add_row(layout, text, shrinking(box), tip)
            box.changed.connect(self._on_change)

    def _on_change(self, value: object) -> None:
        self.changed.emit()
