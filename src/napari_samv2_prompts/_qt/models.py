"""The models a user can pick, and the making of a predictor in the worker.

Not here: where files lie and how they are fetched (``samv2.registry``, ``samv2.download``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from napari_samv2_prompts.samv2.registry import PUBLISHED_FILES, cache_folder, find
from napari_samv2_prompts.samv2.variants import (
    DEFAULT_VERSION,
    VARIANTS,
    available_models,
    find_variant,
)
from napari_samv2_prompts.session import Cancelled, ModelChoice, Predictor, Task

from .quiet_import import import_quietly

__all__ = ["DEVICES", "WEIGHT_FILES", "ModelEntry", "entry_of", "make_predictor", "model_entries"]

DEVICES = ("auto", "mps" if sys.platform == "darwin" else "cuda", "cpu")
WEIGHT_FILES = "SAM 2 weights (*.pt *.pth *.safetensors)"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One line of the model picker.

    Attributes
    ----------
    value : str
        Name of the model, or path of a file: what scripts set.
    text : str
        What the user reads.
    megabytes : int
        Size of the download that is needed first; 0 if the file is here.
    """

    value: str
    text: str
    megabytes: int = 0

    def choice(self, device: str) -> ModelChoice:
        """Return what to ask for on a device."""
        if self.value in available_models():
            return ModelChoice(self.value, None, device)
        return ModelChoice(None, Path(self.value), device)


def model_entries() -> tuple[ModelEntry, ...]:
    """List the bundled and the published models, newest version first.  Looks at the disk."""
    entries = []
    for name, variant in VARIANTS.items():
        published = PUBLISHED_FILES.get(name)
        if published is None:
            entries.append(ModelEntry(name, f"{name} (bundled)"))
            continue
        value = variant.size if variant.version == DEFAULT_VERSION else name
        megabytes = round(published.bytes / 1e6)
        here = find(name) is not None
        where = "on this computer" if here else "to download"
        text = f"{variant.size} {published.version} ({megabytes} MB, {where})"
        entries.append(ModelEntry(value, text, 0 if here else megabytes))
    return tuple(entries)


def entry_of(path: str | Path) -> ModelEntry:
    """Return the line for a file of the user's own."""
    return ModelEntry(str(path), f"{Path(path).name} (file)")


def make_predictor(choice: ModelChoice, task: Task) -> Predictor:
    """Make a predictor, downloading its weights first if they aren't here.  In the worker."""
    if choice.checkpoint is None and choice.name is not None and find(choice.name) is None:
        _download(choice.name, task)
    task.check()
    module = import_quietly("napari_samv2_prompts.samv2.image_predictor")
    task.check()
    predictor: Predictor = module.SAMV2ImagePredictor(
        choice.name, checkpoint=choice.checkpoint, device=choice.device
    )
    return predictor


def _download(name: str, task: Task) -> None:
    if find_variant(name).name not in PUBLISHED_FILES:
        return  # bundled: the predictor knows what to say when it is missing
    from napari_samv2_prompts.samv2.download import DownloadCancelled, download

    def report(done: int, total: int) -> None:
        task.report(done / total, f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    try:
        download(name, progress=report, cancel=lambda: task.cancelled, folder=cache_folder())
    except DownloadCancelled:
        raise Cancelled from None
