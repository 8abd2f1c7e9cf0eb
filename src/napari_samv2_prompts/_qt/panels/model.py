"""Which model segments, what it is good for, where it runs and where its weights come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_samv2_prompts._qt.controls import Lines, add_row, button, rows, shrinking, side_by_side
from napari_samv2_prompts._qt.hints import Situation

__all__ = ["ModelPanel"]


class ModelPanel(QWidget):
    """The model, its card in a line, and the device.

    Parameters
    ----------
    devices : iterable of str
    """

    changed = Signal()  # another device was chosen
    download_wanted = Signal()
    file_wanted = Signal()
    folder_wanted = Signal()

    def __init__(self, devices: Iterable[str]) -> None:
        super().__init__()
        self.model = ComboBox(name="model", choices=())
        self.device = ComboBox(name="device", choices=tuple(devices))
        self.card, self.reason = Lines(2), Lines(2)
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

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        self.reason.setText(now.status.device_reason)

    def _on_device(self, device: object) -> None:
        self.changed.emit()
