"""Picking a model, and making its predictor in the worker: published ones, or the user's own files.

Nothing is fetched before :meth:`ModelPicker.agree`.  Not here: where files lie, how they come
(``samv2.weights``), how the choice looks (``form``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psygnal import Signal
from qtpy.QtWidgets import QFileDialog

from napari_samv2_prompts.engine import Cancelled, ModelChoice, Predictor, Task
from napari_samv2_prompts.io.settings import Choice
from napari_samv2_prompts.regions import InputSides
from napari_samv2_prompts.samv2.torch_import import import_quietly
from napari_samv2_prompts.samv2.weights import registry, variants

from .form.model import ModelPanel
from .threads import Disk

DEVICES = ("auto", "mps" if sys.platform == "darwin" else "cuda", "cpu")
# In the order of the published frames per second; nano by our own measurement (docs/benchmarks.md).
_SPEEDS_AND_CARDS = {
    "nano": ("fastest", "Quick; for nuclei, cells, particles and grains."
             " Else take tiny or larger."),
    "tiny": ("fast", "For anything with an outline; the quickest of the published models."),
    "small": ("fast", "For anything with an outline; a little better and slower than tiny."),
    "base_plus": ("medium", "For difficult outlines; best with a GPU."),
    "large": ("slow", "The best masks, and the slowest; wants a GPU."),
}  # fmt: skip
_ENDINGS = (".pt", ".pth", ".safetensors")
WEIGHT_FILES = "SAM 2 weights (*.pt *.pth *.safetensors)"


class ModelPicker:
    """The models that can be picked in a form, and what the user agreed to.

    The disk is looked at in the worker: until it has answered, no published model counts as being
    here, and what is to be picked again waits.
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
        own = [Path(value) for value in self._entries if value not in variants.available_models()]
        return next((path for path in own if path.name == name), None)

    def use_model(self, model: ModelChoice | None) -> None:
        """Pick the model that prompts were saved with; ValueError if it is not on this computer."""
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

    def refresh(self) -> None:
        """Look again at what is on this computer."""
        self._look_into(self._folder)

    def _look_into(self, folder: Path | None, doing: str = "") -> None:
        """List the weights of a folder in the worker, and download to it from then on."""
        self._folder = folder

        def look() -> tuple[ModelEntry, ...] | None:
            return model_entries(folder) if folder is None or folder.is_dir() else None

        self._disk.do(doing, look, partial(self._take, folder))

    def _take(self, folder: Path | None, entries: tuple[ModelEntry, ...] | None) -> str:
        """Offer what was found in a folder; None: there is no such folder."""
        if folder != self._folder:
            return ""  # another one was chosen meanwhile
        if entries is None:
            self._look_into(None)
            raise ValueError(f"There is no folder {folder}: models are in the usual one.")
        self._listed = entries
        self._offer()
        if last := self._entries.get(self._last):  # else a file that is still looked for
            self._last = ""
            if not last.megabytes:
                self._panel.model.value = last.value
        self.changed.emit()
        return ""

    def _offer(self) -> None:
        self._entries = {entry.value: entry for entry in (*self._listed, *self._files)}
        self._panel.show_models([(e.text, e.value) for e in self._entries.values()])
        self._show_card()

    def _on_picked(self, value: object) -> None:
        self._last = ""
        self._show_card()

    def _show_card(self) -> None:
        self._panel.show_card(self._entry.text, self._entry.card, self.to_download)

    @property
    def _entry(self) -> ModelEntry:
        return self._entries[self._panel.model.value]

    def _restore_folder(self, path: str) -> None:
        self._folder = Path(path) if path else None

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
        if last == value and not there:
            raise ValueError(f"The weights {value} are not there any more: choose a model.")
        if last == value:
            self.use_file(value)
        return ""


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of the model picker."""

    value: str  # name of the model, or path of a file: what scripts set
    text: str  # what the user reads
    megabytes: int = 0  # size of the download that is needed first; 0 if the file is here
    folder: Path | None = None  # where published models lie and go, if not in the cache
    card: str = "Weights of your own."  # what it is good for, in a sentence

    def choice(self, device: str) -> ModelChoice:
        """Return what to ask for on a device."""
        if self.value in variants.available_models():
            return ModelChoice(self.value, None, device, self.folder)
        return ModelChoice(None, Path(self.value), device)


def model_entries(folder: Path | None = None, *, look: bool = True) -> tuple[ModelEntry, ...]:
    """List what can be picked: bundled, published (newest version first), and others beside them.

    They lie in a folder of the user's own, or the cache.  If not to `look` at the disk, no
    published model counts as being here.
    """
    entries, known = [], set()
    for name, variant in variants.VARIANTS.items():
        published = registry.PUBLISHED_FILES.get(name)
        path = registry.find(name, folder=folder) if look else None
        known.add(path)
        speed, card = _SPEEDS_AND_CARDS[variant.size]
        if published is None:
            size = f" · {path.stat().st_size / 1e6:.0f} MB" if path else ""
            text = f"{name}{size} · {speed} · BSD-3-Clause · bundled"
            entries.append(ModelEntry(name, text, card=card))
            continue
        value = variant.size if variant.version == variants.DEFAULT_VERSION else name
        megabytes = round(published.bytes / 1e6)
        begun = _begun(published.file, folder) if look else ""
        where = "on this computer" if path else f"to download{begun}"
        words = (f"{variant.size} {published.version}", f"{megabytes} MB", speed, published.licence)
        text = " · ".join((*words, where))
        entries.append(ModelEntry(value, text, 0 if path else megabytes, folder, card))
    place = folder or registry.cache_folder()
    own = sorted(place.iterdir()) if (folder or look) and place.is_dir() else ()
    entries += [entry_of(p) for p in own if p.suffix.lower() in _ENDINGS and p not in known]
    return tuple(entries)


def _begun(file: str, folder: Path | None) -> str:
    """Say how much of an interrupted download there is, to be gone on with."""
    part = (folder or registry.cache_folder()) / f"{file}.part"
    here = round(part.stat().st_size / 1e6) if part.is_file() else 0
    return f", {here} MB are here" if here else ""


def entry_of(path: str | Path) -> ModelEntry:
    """Return the line for a file of the user's own."""
    return ModelEntry(str(path), f"{Path(path).name} (file)")


def input_sides(choice: ModelChoice) -> InputSides:
    """Return the sides of a model's input; of weights from a file, those of the largest model."""
    return InputSides(*variants.input_sides(choice.name))


def make_predictor(choice: ModelChoice, task: Task) -> Predictor:
    """Make a predictor, downloading its weights first if they aren't here.  In the worker."""
    own, name, folder = choice.checkpoint, choice.name, choice.folder
    if own is None and name is not None and registry.find(name, folder=folder) is None:
        _download(name, folder, task)
    task.check()
    module = import_quietly("napari_samv2_prompts.samv2.image_predictor")
    task.check()
    if name is not None and folder is not None:
        own = registry.find(name, folder=folder)
    predictor: Predictor = module.SAMV2ImagePredictor(name, checkpoint=own, device=choice.device)
    return predictor


def _download(name: str, folder: Path | None, task: Task) -> None:
    if variants.find_variant(name).name not in registry.PUBLISHED_FILES:
        return  # bundled: the predictor knows what to say when it is missing
    from napari_samv2_prompts.samv2.weights.download import DownloadCancelled, download

    def report(done: int, total: int) -> None:
        task.report(done / total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    try:
        download(name, progress=report, cancel=lambda: task.cancelled, folder=folder)
    except DownloadCancelled:
        raise Cancelled from None
