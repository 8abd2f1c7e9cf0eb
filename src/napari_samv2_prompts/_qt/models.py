"""The models a user can pick, and the making of a predictor in the worker.

Not here: where files lie, how they come (``samv2.weights``), the import of torch
(``torch_import.py``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from napari_samv2_prompts.engine import Cancelled, ModelChoice, Predictor, Task
from napari_samv2_prompts.regions import InputSides
from napari_samv2_prompts.samv2.torch_import import import_quietly
from napari_samv2_prompts.samv2.weights.registry import (
    PUBLISHED_FILES,
    PublishedFile,
    cache_folder,
    find,
)
from napari_samv2_prompts.samv2.weights.variants import (
    DEFAULT_VERSION,
    VARIANTS,
    available_models,
    find_variant,
)
from napari_samv2_prompts.samv2.weights.variants import input_sides as variant_sides

__all__ = [
    "DEVICES",
    "WEIGHT_FILES",
    "ModelEntry",
    "entry_of",
    "input_sides",
    "make_predictor",
    "model_entries",
]

DEVICES = ("auto", "mps" if sys.platform == "darwin" else "cuda", "cpu")
# In the order of the published frames per second; nano by our own measurement (docs/benchmarks.md).
_SPEEDS = {
    "nano": "fastest", "tiny": "fast", "small": "fast", "base_plus": "medium", "large": "slow",
}  # fmt: skip
_CARDS = {
    "nano": "Quick; for nuclei, cells, particles and grains. Else take tiny or larger.",
    "tiny": "For anything with an outline; the quickest of the published models.",
    "small": "For anything with an outline; a little better and slower than tiny.",
    "base_plus": "For difficult outlines; best with a GPU.",
    "large": "The best masks, and the slowest; wants a GPU.",
}
_ENDINGS = (".pt", ".pth", ".safetensors")
WEIGHT_FILES = "SAM 2 weights (*.pt *.pth *.safetensors)"


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
        if self.value in available_models():
            return ModelChoice(self.value, None, device, self.folder)
        return ModelChoice(None, Path(self.value), device)


def model_entries(folder: Path | None = None, *, look: bool = True) -> tuple[ModelEntry, ...]:
    """List what can be picked: bundled, published (newest version first), and others beside them.

    Parameters
    ----------
    folder : Path, optional
        Of the user's own, in place of the cache.
    look : bool
        Whether to look at the disk; if not, no published model counts as being here.
    """
    entries, known = [], set()
    for name, variant in VARIANTS.items():
        published, path = PUBLISHED_FILES.get(name), find(name, folder=folder) if look else None
        known.add(path)
        speed = _SPEEDS[variant.size]
        if published is None:
            size = f" · {path.stat().st_size / 1e6:.0f} MB" if path else ""
            text = f"{name}{size} · {speed} · BSD-3-Clause · bundled"
            entries.append(ModelEntry(name, text, card=_CARDS[variant.size]))
            continue
        value = variant.size if variant.version == DEFAULT_VERSION else name
        megabytes = round(published.bytes / 1e6)
        begun = _begun(published, folder) if look else ""
        where = "on this computer" if path else f"to download{begun}"
        card = _CARDS[variant.size]
        text = (
            f"{variant.size} {published.version} · {megabytes} MB · {speed} · "
            f"{published.licence} · {where}"
        )
        entries.append(ModelEntry(value, text, 0 if path else megabytes, folder, card))
    place = folder or cache_folder()
    own = sorted(place.iterdir()) if (folder or look) and place.is_dir() else ()
    entries += [entry_of(p) for p in own if p.suffix.lower() in _ENDINGS and p not in known]
    return tuple(entries)


def _begun(published: PublishedFile, folder: Path | None) -> str:
    """Say how much of an interrupted download there is, to be gone on with."""
    part = (folder or cache_folder()) / f"{published.file}.part"
    here = round(part.stat().st_size / 1e6) if part.is_file() else 0
    return f", {here} MB are here" if here else ""


def entry_of(path: str | Path) -> ModelEntry:
    """Return the line for a file of the user's own."""
    return ModelEntry(str(path), f"{Path(path).name} (file)")


def input_sides(choice: ModelChoice) -> InputSides:
    """Return the sides of a model's input; of weights from a file, those of the largest model."""
    return InputSides(*variant_sides(choice.name))


def make_predictor(choice: ModelChoice, task: Task) -> Predictor:
    """Make a predictor, downloading its weights first if they aren't here.  In the worker."""
    if choice.checkpoint is None and choice.name is not None and _file_of(choice) is None:
        _download(choice, task)
    task.check()
    module = import_quietly("napari_samv2_prompts.samv2.image_predictor")
    task.check()
    checkpoint = choice.checkpoint if choice.folder is None else _file_of(choice)
    predictor: Predictor = module.SAMV2ImagePredictor(
        choice.name, checkpoint=checkpoint, device=choice.device
    )
    return predictor


def _file_of(choice: ModelChoice) -> Path | None:
    return None if choice.name is None else find(choice.name, folder=choice.folder)


def _download(choice: ModelChoice, task: Task) -> None:
    name = choice.name or ""
    if find_variant(name).name not in PUBLISHED_FILES:
        return  # bundled: the predictor knows what to say when it is missing
    from napari_samv2_prompts.samv2.weights.download import DownloadCancelled, download

    def report(done: int, total: int) -> None:
        task.report(done / total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    try:
        download(name, progress=report, cancel=lambda: task.cancelled, folder=choice.folder)
    except DownloadCancelled:
        raise Cancelled from None
