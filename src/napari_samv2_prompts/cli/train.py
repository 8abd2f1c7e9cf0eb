"""``train``: teach a model a kind of pictures, from pictures with labels.

Here: which files belong together, progress, where the weights go.  Not here: how a model learns
(``samv2/finetune``).
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.cli.common import PROGRAM, ensure_downloaded
from napari_samv2_prompts.samv2.weights.registry import cache_folder
from napari_samv2_prompts.samv2.weights.variants import available_models

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2.finetune.examples import Pair
    from napari_samv2_prompts.samv2.finetune.loop import Progress, Result

NAME = "train"
HELP = "fine-tune a model on pictures with labels"
DESCRIPTION = (
    "Learn from a folder of pictures NAME.png (or .tif, .jpg, ...) with NAME.labels.png (or .tif): "
    "one number an object, 0 where there is none. A share of the pictures is kept back to tell "
    "whether the result is better; the best weights are written. Stopped by Ctrl+C, the same "
    "command goes on where it was."
)
LABELS = (".labels", "_labels")
"""How the names of label files end, before the file's ending."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``."""
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--from", dest="begin", default="nano", metavar="MODEL", help="a model's name, or a file"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most so long; default 60")
    parser.add_argument("--steps", type=int, default=2000, help="at most so many; default 2000")
    parser.add_argument(
        "--trunk", action="store_true", help="train the image encoder, too: slow, for many pictures"
    )
    parser.add_argument("--rate", type=float, help="learning rate")
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")


def run(options: argparse.Namespace) -> None:
    """Train, tell how it goes, write the weights."""
    if options.output.suffix != ".safetensors":
        raise ValueError(f"{options.output}: the name of the new weights must end in .safetensors.")
    pairs = list(read_pairs(options.data))
    named = options.begin in available_models()
    if named:
        ensure_downloaded(argparse.Namespace(model=options.begin, checkpoint=None))
    from tqdm import tqdm

    from napari_samv2_prompts.samv2.finetune.loop import Settings, fine_tune
    from napari_samv2_prompts.samv2.finetune.saving import network_to_train, write_weights

    network = network_to_train(options.begin, options.device)
    settings = Settings(
        steps=options.steps, minutes=options.minutes, rate=options.rate, trunk=options.trunk
    )
    state = options.output.with_suffix(".training")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    print(f"{len(pairs)} pictures; {options.begin} on {network.no_mem_embed.device}.")
    with tqdm(total=options.steps, unit="step", mininterval=2) as bar:

        def report(progress: Progress) -> None:
            bar.update(progress.step - bar.n)
            if progress.validation is not None:
                found = progress.validation
                bar.write(
                    f"after {progress.step} steps, {progress.seconds / 60:.1f} min: "
                    f"box {found.box:.3f}, one click {found.click:.3f}"
                )

        result = fine_tune(network, pairs, settings, report=report, checkpoint=state)
    facts = {"from": options.begin, "pictures": len(pairs), **asdict(settings)}
    write_weights(result, facts, options.output)
    state.unlink(missing_ok=True)
    print(_summary(result))
    print(f"Weights: {options.output}")
    _put_into_picker(options.output)


def read_pairs(folder: Path) -> Iterator[Pair]:
    """Read pictures and their labels.

    Raises
    ------
    ValueError
        If the folder has no pairs, or a label file is not one of whole numbers.
    """
    from napari_samv2_prompts.io.pictures import read_image, read_picture
    from napari_samv2_prompts.samv2.finetune.examples import Pair

    files = sorted(path for path in folder.iterdir() if path.is_file())
    found = 0
    for path in files:
        ending = next((each for each in LABELS if path.stem.endswith(each)), None)
        if ending is None:
            continue
        name = path.stem.removesuffix(ending)
        picture = next((p for p in files if p.stem == name and p != path), None)
        if picture is None:
            raise ValueError(f"{path.name} has no picture beside it: {name}.png or another format.")
        labels = np.squeeze(read_image(path))
        if labels.dtype.kind not in "bui":
            raise ValueError(f"{path.name} has values of type {labels.dtype}, not whole numbers.")
        found += 1
        yield Pair(name, read_picture(picture), labels.astype(np.int32))
    if not found:
        raise ValueError(
            f"{folder} has no pictures with labels: beside NAME.png there must be NAME.labels.png "
            "(or .tif), as Save labels writes them."
        )


def _summary(result: Result) -> str:
    before, after = result.before, result.after
    return (
        f"{result.steps} steps; {result.stopped}. On the pictures kept back: "
        f"box {before.box:.3f} before, {after.box:.3f} after; "
        f"one click {before.click:.3f} before, {after.click:.3f} after."
    )


def _put_into_picker(path: Path) -> None:
    """Copy weights to where the model picker looks, unless they lie there."""
    there = cache_folder() / path.name
    if there.resolve() == path.resolve():
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, there)
    print(f"The model picker of the plugin shows it as {path.name}; {PROGRAM} takes it as")
    print(f"  --checkpoint {path}")
