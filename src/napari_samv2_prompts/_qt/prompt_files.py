"""Files of prompts: asking for their names, and from there to the labels or from the labels there.

Not here: how labels are made from prompts (``saving.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_samv2_prompts.records import (
    Record,
    own_weights,
    read_record,
    with_models,
    with_weights,
    write_record,
)
from napari_samv2_prompts.session import ModelChoice

from .choices import LayerChoices
from .models import WEIGHT_FILES
from .picker import ModelPicker
from .saving import Saving

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

    def load(self, path: str | Path, checkpoint: str | Path | None = None) -> None:
        """Begin to make the labels of a file in new layers, and choose these.

        Parameters
        ----------
        path : path
        checkpoint : path, optional
            Weights of the user's own that the prompts were made with, or the folder of several.
            Not needed for those that are listed under *Model*.

        Raises
        ------
        ValueError
            If the file is no such one, or of another image, or its model is not on this computer,
            or made with weights that are not given.
        OSError
            If the file can't be read.
        """
        record = read_record(path)
        self._load(with_weights(record, checkpoint or self._listed(record)))

    def _load(self, record: Record) -> None:
        self._picker.use_model(record.model)
        choice = self._picker.choice
        chosen = self._saving.load(record)
        self._layers.refresh()
        self._layers.set(chosen)
        self._saving.start(with_models(record, partial(_placed, choice)))

    def _listed(self, record: Record) -> Path | None:
        """Return the record's own weights if the user picked them before."""
        wanted = own_weights(record)
        return self._picker.listed(wanted[0]) if len(wanted) == 1 else None

    def ask_and_save(self) -> None:
        """Ask for a name and save; errors are shown."""
        name, _ = QFileDialog.getSaveFileName(self._parent, "Save prompts", "prompts.json", _KIND)
        _show_errors(self.save, name)

    def ask_and_load(self) -> None:
        """Ask for a file and load it; errors are shown."""
        name, _ = QFileDialog.getOpenFileName(self._parent, "Load prompts", "", _KIND)
        _show_errors(self._ask_and_load, name)

    def _ask_and_load(self, path: str) -> None:
        """Load a file, and ask where the weights are that it needs: it is not believed."""
        record = read_record(path)
        wanted, weights = own_weights(record), self._listed(record)
        if len(wanted) > 1:
            title = f"Folder of {', '.join(wanted)}, with which the prompts were made"
            weights = Path(QFileDialog.getExistingDirectory(self._parent, title))
        elif wanted and weights is None:
            title = f"{wanted[0]}, with which the prompts were made"
            weights = Path(QFileDialog.getOpenFileName(self._parent, title, "", WEIGHT_FILES)[0])
        if weights != Path():
            self._load(with_weights(record, weights))


def _placed(choice: ModelChoice, model: ModelChoice) -> ModelChoice:
    """Return a model that runs where the chosen one does, and lies where published ones do."""
    folder = None if model.checkpoint else choice.folder
    return replace(model, device=choice.device, folder=folder)


def _show_errors(work: Callable[[str], None], name: str) -> None:
    if name:
        try:
            work(name)
        except (ValueError, OSError, MemoryError) as error:
            show_error(f"SAMV2 Prompts: {error}")
