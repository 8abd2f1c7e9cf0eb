"""``demo``: a bundled picture of coins, from boxes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from napari_samv2_prompts.cli.common import add_model_options, predictor
from napari_samv2_prompts.cli.named_files import Written, check_files

NAME = "demo"
HELP = "segment a bundled picture of coins"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    parser.add_argument(
        "--out", type=Path, default=Path("samv2-demo"), metavar="DIR", help="default samv2-demo"
    )
    add_model_options(parser)


def run(options: argparse.Namespace) -> None:
    """Write labels and a picture of the coins; say how long it took."""
    from napari_samv2_prompts.io.exports import write_labels
    from napari_samv2_prompts.io.pictures import label_image, write_outlines
    from napari_samv2_prompts.sample_data import COIN_BOXES, coins
    from napari_samv2_prompts.scripting import prompts_of

    folder = Written(options.out, "labels and outlines", "folder", makes_parents=True)
    check_files((options.checkpoint,), (folder,))
    ((image, _, _),) = coins()
    prompts = prompts_of(image.shape, COIN_BOXES)
    options.out.mkdir(parents=True, exist_ok=True)
    model = predictor(options)
    started = time.perf_counter()
    embedding = model.embed(image)
    embedded = time.perf_counter()
    labels = label_image(model.decode(embedding, prompts))
    decoded = time.perf_counter()
    print(
        f"{len(prompts)} objects: image embedded in {embedded - started:.2f} s, "
        f"masks decoded in {decoded - embedded:.2f} s"
    )
    write_labels(options.out / "labels.tif", labels)
    write_outlines(options.out / "outlines.png", image, labels)
    print(f"Labels:   {options.out / 'labels.tif'}")
    print(f"Outlines: {options.out / 'outlines.png'}")
    print("To segment by hand: start napari, then Plugins > SAMV2 Prompts.")
