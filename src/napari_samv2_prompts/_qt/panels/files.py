"""Saving and loading prompts, writing labels for other programs, and how it goes."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_samv2_prompts._qt.controls import Lines, button
from napari_samv2_prompts._qt.hints import Situation

__all__ = ["FilesPanel"]


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

    def show_situation(self, now: Situation) -> None:
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
