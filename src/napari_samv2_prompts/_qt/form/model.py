"""The model: which one and where it runs, what it sees of the image, what is kept of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QFileDialog, QLineEdit, QSizePolicy, QSpinBox, QWidget

from napari_samv2_prompts._qt.messages import memory_line, planes_line
from napari_samv2_prompts._qt.widget_state import WidgetState
from napari_samv2_prompts.engine import EmbeddingStore
from napari_samv2_prompts.io.settings import Choice

from .controls import add_row, keep_place, rows, shrinking, side_by_side
from .widgets import Bar, Lines, as_it_stands, button

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
_GB = 1000  # megabytes
_LONGEST = 16  # letters of a folder's name that the button has room for


class ModelPanel(QWidget):
    """The model, its card in a line, and the device."""

    changed = Signal()  # another device was chosen
    download_wanted = Signal()
    file_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, devices: Iterable[str]) -> None:
        super().__init__()
        self.model = ComboBox(name="model", choices=())
        self.device = ComboBox(name="device", choices=tuple(devices))
        self.card, self.reason = Lines(2), Lines(3)
        self.download = button("Download", "Fetch the weights of this model")
        self.download.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.file = button("File…", "Use weights of your own: .pt, .pth or .safetensors")
        self.folder = button("Folder…", "List the weights of a folder, and download to it")
        layout = rows(self)
        add_row(layout, "Model", shrinking(self.model), "Which model segments")
        layout.addRow(self.card)
        layout.addRow(self.download)
        layout.addRow("Own", side_by_side(self.file, self.folder))
        add_row(layout, "Device", shrinking(self.device), "Where the model runs")
        layout.addRow(self.reason)
        self.device.changed.connect(self._on_device)
        self.download.clicked.connect(self.download_wanted)
        self.file.clicked.connect(self.file_wanted)
        self.folder.clicked.connect(self.folder_wanted)

    def show_models(self, lines: Sequence[tuple[str, str]]) -> None:
        """Offer models: pairs of what is read and the value; what is chosen stays, if offered."""
        chosen = self.model.value
        with self.model.changed.blocked():  # a line that reads otherwise would be another choice,
            self.model.choices = ()  # and go to the end
            self.model.choices = tuple(lines)
            if chosen in (value for _, value in lines):
                self.model.value = chosen
        if self.model.value != chosen:
            self.model.changed.emit(self.model.value)
        view = self.model.native.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 24)  # the open list shows whole lines

    def show_card(self, line: str, card: str, megabytes: int) -> None:
        """Say what the chosen model is good for, and what has to be fetched to use it.

        Its whole line is shown on hovering, as the closed list is narrow.
        """
        self.model.tooltip = f"Which model segments: {line}"
        self.card.setText(card)
        self.download.setEnabled(megabytes > 0)
        self.download.setText(f"Download ({megabytes} MB)" if megabytes else "Download")

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        self.reason.setText(now.status.device_reason)

    def _on_device(self, device: object) -> None:
        self.changed.emit()


class PicturePanel(QWidget):
    """Three choices: contrast and channels, part of the plane, overlap."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rendering = ComboBox(name="rendering", choices=_PICTURES)
        self.part = ComboBox(name="part", choices=_PARTS)
        self.policy = ComboBox(name="policy", choices=_OVERLAPS)
        layout = rows(self)
        for text, box, tip in (
            ("Picture", self.rendering, "What the model sees: contrast and channels of the image"),
            ("Part", self.part, "What the model sees of a large image: what is on screen, or all"),
            ("Overlap", self.policy, "What a mask does where there are labels already"),
        ):
            add_row(layout, text, shrinking(box), tip)
            box.changed.connect(self._on_change)

    def _on_change(self, value: object) -> None:
        self.changed.emit()


class EmbeddingsPanel(QWidget):
    """Where embeddings are kept, and how many.

    - `.memory`, `.limit`: budget for memory in MB and for the folder in GB
    - `.all_planes`: checked while all planes are to be embedded
    - `.cluster`: address of a dask scheduler whose workers do what takes long; empty at first,
      never remembered
    """

    store_changed = Signal(object)  # an EmbeddingStore, or None for none

    def __init__(self) -> None:
        super().__init__()
        self._folder: Path | None = None
        self.memory = _spin(10, 1_000_000, 500, 1000, " MB")
        self.limit = _spin(1, 100_000, 10, 20, " GB")
        self.choose, self.forget = button("", ""), button("None", "")
        self.all_planes = button("", "", checkable=True)
        self.cluster = QLineEdit()
        self.cluster.setPlaceholderText("scheduler:8786")
        self.progress = Bar()
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

    def show_state(self, now: WidgetState) -> None:
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
            self.progress.show_share(planes.at - 1, planes.total)

    def _show_folder(self) -> None:
        there = self._folder is not None
        name = self._folder.name or str(self._folder) if self._folder else "Choose…"
        short = name if len(name) <= _LONGEST else f"{name[:7]}…{name[-7:]}"
        self.choose.setText(as_it_stands(short))
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
        for wide in (self.choose, self.all_planes):
            wide.setMinimumWidth(60)
            wide.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        layout.addRow("Memory", self.memory)
        layout.addRow(self._usage)
        layout.addRow("Folder", side_by_side(self.choose, self.forget))
        layout.addRow("At most", self.limit)
        add_row(
            layout, "Cluster", self.cluster,
            "Workers of this dask scheduler embed planes, find all and follow objects; they must"
            " see image and folder",
        )  # fmt: skip
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
