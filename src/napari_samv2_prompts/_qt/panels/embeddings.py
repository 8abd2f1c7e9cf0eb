"""Embeddings that are kept: how much memory, which folder, all planes.

It shows a :class:`~.hints.Situation` and says what the user chose; it touches no disk itself.
"""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QFileDialog,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_samv2_prompts._qt.controls import Lines, keep_place, rows, side_by_side
from napari_samv2_prompts._qt.hints import Situation, memory_line, planes_line
from napari_samv2_prompts._qt.settings import Choice
from napari_samv2_prompts.engine import EmbeddingStore

__all__ = ["EmbeddingsPanel"]

_GB = 1000  # megabytes
_LONGEST = 16  # letters of a folder's name that the button has room for


class EmbeddingsPanel(QWidget):
    """Where embeddings are kept, and how many.

    Attributes
    ----------
    memory, limit : QSpinBox
        Budget for memory in MB and for the folder in GB.
    all_planes : QPushButton
        Checked while all planes are to be embedded.
    """

    store_changed = Signal(object)  # an EmbeddingStore, or None for none

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self.memory = _spin(10, 1_000_000, 500, 1000, " MB")
        self.limit = _spin(1, 100_000, 10, 20, " GB")
        self.choose, self.forget = QPushButton(), QPushButton("None")
        self.all_planes = QPushButton()
        self.all_planes.setCheckable(True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(12)
        self._usage, self._said = Lines(1), Lines(2)
        self._name_controls()
        self._lay_out()
        self.choose.clicked.connect(self._on_choose)
        self.forget.clicked.connect(self._on_forget)
        self.limit.valueChanged.connect(self._announce)
        self._show_folder()

    # --- what is chosen ---------------------------------------------------------------------

    @property
    def folder(self) -> Path | None:
        """The folder in which embeddings are kept; None: in memory only."""
        return self._folder

    @folder.setter
    def folder(self, folder: Path | None) -> None:
        self._folder = folder
        self._show_folder()
        self._announce()

    @property
    def choice(self) -> Choice:
        """The folder, as something to remember: empty for none."""
        return Choice(lambda: str(self._folder or ""), self._choose_named)

    def _choose_named(self, name: str) -> None:
        self.folder = Path(name) if name else None

    def store(self) -> EmbeddingStore | None:
        """Return a store in the chosen folder, or None if there is none; looks at no disk."""
        if self._folder is None:
            return None
        return EmbeddingStore(self._folder, self.limit.value() * _GB)

    def _announce(self) -> None:
        self.store_changed.emit(self.store())

    def _on_choose(self) -> None:
        start = str(self._folder or "")
        chosen = QFileDialog.getExistingDirectory(self, "Folder for embeddings", start)
        if chosen:
            self.folder = Path(chosen)

    def _on_forget(self) -> None:
        self.folder = None

    # --- what is shown ----------------------------------------------------------------------

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        status, planes = now.status, now.status.planes
        self._usage.setText(memory_line(now))
        self._said.setText(" ".join(filter(None, (status.store, planes_line(now)))))
        possible = now.planes > 1 and not now.download
        self.all_planes.setEnabled(now.all_planes or possible)
        self.all_planes.setChecked(now.all_planes)
        every = f"Embed all {now.planes} planes" if now.planes > 1 else "Embed all planes"
        self.all_planes.setText("Stop embedding all planes" if now.all_planes else every)
        self.progress.setVisible(planes is not None and planes.running)
        if planes is not None:
            self.progress.setRange(0, planes.total)
            self.progress.setValue(planes.at - 1)

    def _show_folder(self) -> None:
        there = self._folder is not None
        name = self._folder.name or str(self._folder) if self._folder else "Choose…"
        self.choose.setText(name if len(name) <= _LONGEST else f"{name[:7]}…{name[-7:]}")
        where = f"{self._folder}: " if there else ""
        self.choose.setToolTip(
            f"{where}A folder to keep embeddings in, so that no picture is ever embedded twice"
        )
        self.forget.setEnabled(there)
        self.limit.setEnabled(there)

    def _name_controls(self) -> None:
        for control, name, tip in (
            (self.memory, "Memory", "Memory for planes that were embedded: going back is instant"),
            (self.choose, "Folder", ""),
            (self.forget, "No folder", "Keep embeddings in memory only; the folder stays as it is"),
            (self.limit, "At most", "What was used longest ago is deleted when the folder is full"),
            (self.all_planes, "Embed all planes", "Have every plane ready; you can work meanwhile"),
            (self.progress, "Progress of all planes", ""),
        ):
            control.setAccessibleName(name)
            control.setToolTip(tip)

    def _lay_out(self) -> None:
        layout = rows(self)
        for button in (self.choose, self.all_planes):
            button.setMinimumWidth(60)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout.addRow("Memory", self.memory)
        layout.addRow(self._usage)
        layout.addRow("Folder", side_by_side(self.choose, self.forget))
        layout.addRow("At most", self.limit)
        layout.addRow(self.all_planes)
        layout.addRow(side_by_side(keep_place(self.progress)))
        layout.addRow(self._said)


def _spin(low: int, high: int, step: int, value: int, unit: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setSingleStep(step)
    spin.setValue(value)
    spin.setSuffix(unit)
    spin.setKeyboardTracking(False)  # "5" on the way to "500" would drop what is kept
    return spin
