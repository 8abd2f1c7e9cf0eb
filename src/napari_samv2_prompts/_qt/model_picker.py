"""Picking a model: published ones, a file or a folder of the user's own.

Nothing is fetched before :meth:`ModelPicker.agree`.  What there is to pick, and the making of a
predictor, is in ``models.py``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.io.settings import Choice
from napari_samv2_prompts.samv2.weights.variants import available_models

from .form.model import ModelPanel
from .models import WEIGHT_FILES, ModelEntry, entry_of, model_entries
from .threads import Disk

__all__ = ["ModelPicker"]


class ModelPicker:
    """The models that can be picked in a form, and what the user agreed to.

    The disk is looked at in the worker: until it has answered, no published model counts as being
    here, and what is to be picked again waits.

    Parameters
    ----------
    panel : ModelPanel
        Its ``model`` and ``device`` are the choice.
    """

    changed = Signal()

    def __init__(self, panel: ModelPanel, disk: Disk) -> None:
        self._panel, self._disk = panel, disk
        self._agreed: set[str] = set()  # models that may be downloaded
        self._files: list[ModelEntry] = []
        self._folder: Path | None = None
        self._last = ""  # the model to pick again once it is known to be here
        self._listed = model_entries(look=False)
        self._entries: dict[str, ModelEntry] = {}
        self._offer()
        panel.model.changed.connect(self._on_picked)
        panel.file_wanted.connect(self.ask_file)
        panel.folder_wanted.connect(self.ask_folder)
        panel.download_wanted.connect(self.agree)

    def ask_file(self) -> None:
        """Ask for weights of the user's own."""
        path, _ = QFileDialog.getOpenFileName(self._panel, "Weights", "", WEIGHT_FILES)
        if path:
            self.use_file(path)

    def ask_folder(self) -> None:
        """Ask for a folder of weights."""
        path = QFileDialog.getExistingDirectory(self._panel, "Folder of weights")
        if path:
            self._look_into(Path(path), f"Looking into {Path(path).name}…")

    @property
    def choice(self) -> ModelChoice:
        """The model and the device, as they are picked."""
        return self._entry.choice(str(self._panel.device.value))

    @property
    def to_download(self) -> int:
        """Megabytes to fetch that nobody agreed to yet; 0 if there is nothing to agree to."""
        entry = self._entry
        return 0 if entry.value in self._agreed else entry.megabytes

    @property
    def choices(self) -> dict[str, Choice]:
        """What to remember."""
        return {
            "models_folder": Choice(lambda: str(self._folder or ""), self._restore_folder),
            "model": Choice(lambda: self._last or str(self._panel.model.value), self._restore),
        }

    def refresh(self) -> None:
        """Look again at what is on this computer."""
        self._look_into(self._folder)

    def agree(self) -> None:
        """Let the picked model be downloaded."""
        self._agreed.add(self._entry.value)
        self._show_card()
        self.changed.emit()

    def use(self, path: str | Path) -> None:
        """Use a file, or a folder; looks at the disk at once."""
        path = Path(path)
        if path.is_dir():
            self._folder = path
            self._take(path, model_entries(path))
        else:
            self.use_file(path)

    def use_file(self, path: str | Path) -> None:
        """Pick weights from a file in the published layout."""
        entry = entry_of(path)
        self._files = [*(e for e in self._files if e.value != entry.value), entry]
        self._offer()
        self._panel.model.value = entry.value
        self.changed.emit()

    def listed(self, name: str) -> Path | None:
        """Return the file of this name among the user's own that are in the list."""
        own = [Path(value) for value in self._entries if value not in available_models()]
        return next((path for path in own if path.name == name), None)

    def use_model(self, model: ModelChoice | None) -> None:
        """Pick the model that prompts were saved with; weights in a file are taken to be there.

        Raises
        ------
        ValueError
            If it is not on this computer; the message says what to do.
        """
        if model is None:
            return
        if model.checkpoint is not None:
            self.use_file(model.checkpoint)
            return
        entry = self._entries.get(model.name or "")
        if entry is None:
            raise ValueError(f"The prompts were made with a model {model.name!r} unknown here.")
        if entry.megabytes:
            raise ValueError(
                f"The prompts were made with the model {model.name}, which is not on this "
                "computer: choose it under Model, press Download, and load the prompts again."
            )
        self._panel.model.value = entry.value

    # --- what is there ----------------------------------------------------------------------

    def _look_into(self, folder: Path | None, doing: str = "") -> None:
        """List the weights of a folder in the worker, and download to it from then on."""
        self._folder = folder
        self._disk.do(doing, partial(_entries_in, folder), partial(self._take, folder))

    def _take(self, folder: Path | None, entries: tuple[ModelEntry, ...] | None) -> str:
        """Offer what was found in a folder; None: there is no such folder."""
        if folder != self._folder:
            return ""  # another one was chosen meanwhile
        if entries is None:
            self._look_into(None)
            raise ValueError(f"There is no folder {folder}: models are in the usual one.")
        self._listed = entries
        self._offer()
        if self._last in self._entries:  # else a file that is still looked for
            last, self._last = self._last, ""
            if not self._entries[last].megabytes:
                self._panel.model.value = last
        self.changed.emit()
        return ""

    def _offer(self) -> None:
        entries = [*self._listed, *self._files]
        self._entries = {entry.value: entry for entry in entries}
        offered = self._entries.values()
        self._panel.show_models([(entry.text, entry.value) for entry in offered])
        self._show_card()

    def _on_picked(self, value: object) -> None:
        self._last = ""
        self._show_card()

    def _show_card(self) -> None:
        self._panel.show_card(self._entry.text, self._entry.card, self.to_download)

    @property
    def _entry(self) -> ModelEntry:
        return self._entries[self._panel.model.value]

    # --- what was picked last ---------------------------------------------------------------

    def _restore_folder(self, path: str) -> None:
        if path:
            self._folder = Path(path)

    def _restore(self, value: str) -> None:
        """Pick a model by its name or file, unless it would have to be downloaded first."""
        entry = self._entries.get(value)
        if entry is not None and entry.megabytes:
            self._last = value  # unless looking at the disk shows that it is here
        elif entry is None and Path(value).is_absolute():
            self._last = value
            self._disk.do("", Path(value).is_file, partial(self._restore_file, value))
        else:
            self._panel.model.value = value

    def _restore_file(self, value: str, there: bool) -> str:
        last, self._last = self._last, ""
        if last == value and there:
            self.use_file(value)
        elif last == value:
            raise ValueError(f"The weights {value} are not there any more: choose a model.")
        return ""


def _entries_in(folder: Path | None) -> tuple[ModelEntry, ...] | None:
    return model_entries(folder) if folder is None or folder.is_dir() else None
