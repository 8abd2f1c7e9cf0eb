"""What several sub-commands share: the model, its predictor and download.

Not here: an option that one sub-command has, which is in its module; files (``named_files.py``,
``segment_files.py``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.samv2.weights.registry import PUBLISHED_FILES, find
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL, find_variant

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
    from napari_samv2_prompts.units.unit import ModelSettings

PROGRAM = "napari-samv2-prompts"
DEVICES = ("auto", "cuda", "mps", "cpu")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--checkpoint`` and ``--device``."""
    parser.add_argument("--model", default=None, help=f"see `models list`; default {DEFAULT_MODEL}")
    parser.add_argument("--checkpoint", type=Path, help="weights of your own in published layout")
    parser.add_argument("--device", choices=DEVICES, default="auto")


def tell(notes: Iterable[str]) -> None:
    """Print what the user should know, beside the progress bar if there is one."""
    from tqdm import tqdm

    for note in notes:
        tqdm.write(f"{PROGRAM}: {note}", file=sys.stderr)


def files_of_model(options: argparse.Namespace) -> tuple[Path | None, ...]:
    """Return the files that say which model answers, and on which workers."""
    at = getattr(options, "scheduler", None)
    return options.checkpoint, Path(at) if at and at.endswith(".json") else None


def settings_of(options: argparse.Namespace) -> ModelSettings:
    """Return which model the options ask for."""
    from napari_samv2_prompts.units.unit import ModelSettings

    return ModelSettings.of(options.model, options.checkpoint, options.device)


def predictor(options: argparse.Namespace) -> SAMV2ImagePredictor:
    """Make the predictor that was asked for, and say what it is."""
    ensure_downloaded(options)
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    made = SAMV2ImagePredictor(options.model, checkpoint=options.checkpoint, device=options.device)
    print(f"Model {made.variant.name}: {made.device_reason}")
    return made


def ensure_downloaded(options: argparse.Namespace) -> None:
    """Download the published model that the options name if it is not on this machine."""
    model = options.model
    if model is None or options.checkpoint is not None:
        return
    if find_variant(model).name in PUBLISHED_FILES and find(model) is None:
        download_with_bar(model)


def download_with_bar(name: str) -> Path:
    """Download a published model with a progress bar; return its file."""
    from tqdm import tqdm

    from napari_samv2_prompts.samv2.weights.download import download

    with tqdm(
        desc=name, unit="B", unit_scale=True, unit_divisor=1000, leave=False, disable=None
    ) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download(name, progress=report)
