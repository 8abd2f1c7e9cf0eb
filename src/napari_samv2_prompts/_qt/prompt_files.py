"""Files of prompts: asking for their names, and from there to the labels or from the labels there.

Not here: how labels are made from prompts (``saving.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.records import read_record, write_record

from .choices import LayerChoices
from .picker import ModelPicker
from .saving import Saving, with_models

__all__ = ["PromptFiles"]

_KIND = "Prompts (*.json)"


class PromptFiles:
    """What the buttons *Save prompts* and *Load prompts* do.

    Parameters
    ----------
    parent : QWidget
        Of the dialogs.
    layers : LayerChoices
    picker : ModelPicker
    saving : Saving
    """

    def __init__(
        self, parent: QWidget, layers: LayerChoices, picker: ModelPicker, saving: Saving
    ) -> None:
        self._parent, self._layers, self._picker, self._saving = parent, layers, picker, saving

    def save(self, path: str | Path) -> None:
        """Write what led to the labels of the chosen layer.

        Raises
        ------
        ValueError
            If there is nothing to save.
        OSError
            If the file can't be written.
        """
        write_record(path, self._saving.record())

    def load(self, path: str | Path) -> None:
        """Begin to make the labels of a file in new layers, and choose these.

        Raises
        ------
        ValueError
            If the file is no such one, or of another image, or its model is not on this computer.
        OSError
            If the file can't be read.
        """
        record = read_record(path)
        self._picker.use_model(record.model)
        choice = self._picker.choice
        chosen = self._saving.load(record)
        self._layers.refresh()
        self._layers.set(chosen)
        self._saving.start(with_models(record, choice.device, choice.folder))

    def ask_and_save(self) -> None:
        """Ask for a name and save; errors are shown."""
        name, _ = QFileDialog.getSaveFileName(self._parent, "Save prompts", "prompts.json", _KIND)
        _show_errors(self.save, name)

    def ask_and_load(self) -> None:
        """Ask for a file and load it; errors are shown."""
        name, _ = QFileDialog.getOpenFileName(self._parent, "Load prompts", "", _KIND)
        _show_errors(self.load, name)


def _show_errors(work: Callable[[str], None], name: str) -> None:
    if name:
        try:
            work(name)
        except (ValueError, OSError, MemoryError) as error:
            show_error(f"SAMV2 Prompts: {error}")
