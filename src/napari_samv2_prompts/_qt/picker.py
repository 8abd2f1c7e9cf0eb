"""Picking a model in the form: published ones, a file or a folder of the user's own.

Nothing is fetched before :meth:`ModelPicker.agree`.  What there is to pick, and the making of a
predictor, is in ``models.py``.
"""

from __future__ import annotations

from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_samv2_prompts.samv2.variants import available_models
from napari_samv2_prompts.session import ModelChoice

from .form import Form
from .models import WEIGHT_FILES, ModelEntry, entry_of, model_entries
from .settings import Choice

__all__ = ["ModelPicker"]


class ModelPicker:
    """The models that can be picked in a form, and what the user agreed to.

    Parameters
    ----------
    form : Form
        Its ``model`` and ``device`` are the choice.
    """

    changed = Signal()

    def __init__(self, form: Form) -> None:
        self._form = form
        self._agreed: set[str] = set()  # models that may be downloaded
        self._files: list[ModelEntry] = []
        self._folder: Path | None = None
        self._entries: dict[str, ModelEntry] = {}
        self.refresh()
        form.model.changed.connect(self._show_whole_line)
        form.file.clicked.connect(self.ask_file)
        form.folder.clicked.connect(self.ask_folder)
        form.download.clicked.connect(self.agree)

    def ask_file(self) -> None:
        """Ask for weights of the user's own."""
        path, _ = QFileDialog.getOpenFileName(self._form, "Weights", "", WEIGHT_FILES)
        if path:
            self.use(path)

    def ask_folder(self) -> None:
        """Ask for a folder of weights."""
        path = QFileDialog.getExistingDirectory(self._form, "Folder of weights")
        if path:
            self.use(path)

    @property
    def choice(self) -> ModelChoice:
        """The model and the device, as they are picked."""
        return self._entry.choice(str(self._form.device.value))

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
            "model": Choice(lambda: str(self._form.model.value), self._restore),
        }

    def refresh(self) -> None:
        """Look again at what is on this computer."""
        entries = [*model_entries(self._folder), *self._files]
        self._entries = {entry.value: entry for entry in entries}
        self._form.show_models([(entry.text, entry.value) for entry in entries])

    def agree(self) -> None:
        """Let the picked model be downloaded."""
        self._agreed.add(self._entry.value)
        self.changed.emit()

    def use(self, path: str | Path) -> None:
        """Use a file, or a folder."""
        (self.use_folder if Path(path).is_dir() else self.use_file)(path)
        self.changed.emit()

    def use_file(self, path: str | Path) -> None:
        """Pick weights from a file in the published layout."""
        entry = entry_of(path)
        self._files = [*(e for e in self._files if e.value != entry.value), entry]
        self.refresh()
        self._form.model.value = entry.value

    def use_folder(self, path: str | Path) -> None:
        """List the weights of a folder, and download to it."""
        self._folder = Path(path)
        self.refresh()

    def listed(self, name: str) -> Path | None:
        """Return the file of this name among the user's own that are in the list."""
        own = [Path(value) for value in self._entries if value not in available_models()]
        return next((path for path in own if path.name == name), None)

    def use_model(self, model: ModelChoice | None) -> None:
        """Pick the model that prompts were saved with.

        Raises
        ------
        ValueError
            If it is not on this computer; the message says what to do.
        """
        if model is None:
            return
        if model.checkpoint is not None:
            if not model.checkpoint.is_file():
                raise ValueError(f"There are no weights {model.checkpoint}.")
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
        self._form.model.value = entry.value

    def _show_whole_line(self, value: object) -> None:
        """Have the closed list, which is narrow, show on hovering what the open one does."""
        if value in self._entries:
            self._form.model.tooltip = f"Which model segments: {self._entries[str(value)].text}"

    @property
    def _entry(self) -> ModelEntry:
        return self._entries[self._form.model.value]

    def _restore_folder(self, path: str) -> None:
        if path:
            if not Path(path).is_dir():
                raise ValueError(f"There is no folder {path}.")
            self.use_folder(path)

    def _restore(self, value: str) -> None:
        """Pick a model by its name or file, unless it would have to be downloaded first."""
        if value not in self._entries and Path(value).is_file():
            self.use_file(value)
        elif value not in self._entries or not self._entries[value].megabytes:
            self._form.model.value = value
