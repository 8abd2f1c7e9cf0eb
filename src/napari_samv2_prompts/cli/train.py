"""``train``: teach a model a kind of pictures, from pictures with labels.

Here: options and progress.  Not here: what belongs together and where the weights go
(``finetuning.py``), how a model learns (``samv2/finetune``).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import DEVICES, PROGRAM, ensure_downloaded
from napari_samv2_prompts.cli.named_files import Written, check_files
from napari_samv2_prompts.cli.number_types import count, positive
from napari_samv2_prompts.finetuning import listed_weights, train
from napari_samv2_prompts.samv2.weights.variants import available_models

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2.finetune.loop import Progress

NAME = "train"
HELP = "fine-tune a model on pictures with labels"
DESCRIPTION = (
    "Learn from a folder of pictures NAME.png (or .tif, .jpg, ...) with NAME.labels.png (or .tif): "
    "one number an object, 0 where there is none. A share of the pictures is kept back to tell "
    "whether the result is better; the best weights are written. Stopped by Ctrl+C, the same "
    "command goes on where it was."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``train``."""
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--channel", metavar="NAME", help="of pictures with several its number or name, or rgb"
    )
    parser.add_argument(
        "--from", dest="begin", default="nano", metavar="MODEL", help="a model's name, or a file"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.safetensors")
    add = parser.add_argument
    add("--minutes", type=positive, default=60.0, help="at most so long; default 60")
    add("--steps", type=count, default=2000, help="at most so many; default 2000")
    parser.add_argument(
        "--trunk", action="store_true", help="train the image encoder, too: slow, for many pictures"
    )
    parser.add_argument("--rate", type=positive, help="learning rate")
    parser.add_argument("--device", choices=DEVICES, default="auto")


def run(options: argparse.Namespace) -> None:
    """Train, tell how it goes, write the weights."""
    _check_files(options)
    if options.begin in available_models():
        ensure_downloaded(argparse.Namespace(model=options.begin, checkpoint=None))
    from tqdm import tqdm

    with tqdm(total=options.steps, unit="step", mininterval=2) as bar:

        def report(progress: Progress) -> None:
            bar.update(progress.step - bar.n)
            if progress.validation is not None:
                found = progress.validation
                bar.write(
                    f"after {progress.step} steps, {progress.seconds / 60:.1f} min: "
                    f"box {found.box:.3f}, one click {found.click:.3f}"
                )

        result = train(
            options.data,
            options.output,
            channel=options.channel,
            model=options.begin,
            minutes=options.minutes,
            steps=options.steps,
            rate=options.rate,
            trunk=options.trunk,
            device=options.device,
            report=report,
        )
    before, after = result.before, result.after
    print(
        f"{result.steps} steps; {result.stopped}. On the pictures kept back: "
        f"box {before.box:.3f} before, {after.box:.3f} after; "
        f"one click {before.click:.3f} before, {after.click:.3f} after."
    )
    print(f"Weights: {options.output}")
    print(f"The widget's list of models has them as {options.output.name}; {PROGRAM} takes them as")
    print(f"  --checkpoint {options.output}")


def _check_files(options: argparse.Namespace) -> None:
    """Look at what is to be written before pictures are read."""
    output, listed = options.output, listed_weights(options.output)
    own = Written(output, "the weights", endings=(".safetensors",))
    copy = None
    if listed is not None:
        copy = Written(listed, "the weights of the list of models", makes_parents=True)
    begin = None if options.begin in available_models() else Path(options.begin)
    check_files((begin,), (own, copy))
