"""``embed STACK -o FOLDER``: all planes into a folder, so that the window has nothing to embed."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_samv2_prompts.cli.common import add_model_options, tell
from napari_samv2_prompts.cli.workers import add_worker_options, outcomes_of

NAME = "embed"
HELP = "embed all planes of a stack, for the window"
DESCRIPTION = (
    "Embed all planes of an image into a folder. Choose that folder in the widget (Embeddings, "
    "Folder): it then has nothing to embed."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add which image, in which contrast, and where to."""
    add = parser.add_argument
    add("image", type=Path, help="whatever opens in the window; any number of axes")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder of embeddings")
    add("--layer", type=int, default=0, help="which layer it opens as: one a channel; default 0")
    group = parser.add_mutually_exclusive_group()
    add = group.add_argument
    add("--percentiles", action="store_true", help="contrast of each plane by percentiles")
    add("--limits", type=float, nargs=2, metavar=("BLACK", "WHITE"), help="contrast limits")
    parser.set_defaults(overwrite=False)  # what is in the folder is right for its content
    add_worker_options(parser)
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Embed what the folder does not have; 1 if something was left out."""
    from tqdm import tqdm

    from napari_samv2_prompts.embed_units import EmbedUnit, StackContrast, embed_units

    contrast: StackContrast = "percentiles" if options.percentiles else "displayed"
    if options.limits:
        contrast = (options.limits[0], options.limits[1])
    units = embed_units(options.image, options.output, layer=options.layer, contrast=contrast)
    planes = sum(len(unit.planes) for unit in units)
    new = failed = 0
    with (
        outcomes_of(options, units) as outcomes,
        tqdm(total=planes, unit="plane", disable=None) as bar,
    ):
        for outcome in outcomes:
            assert isinstance(outcome.unit, EmbedUnit)
            bar.update(len(outcome.unit.planes))
            new += outcome.objects
            failed += len(outcome.unit.planes) if outcome.error else 0
            if outcome.error:
                tell([f"{outcome.unit.name}: {outcome.error}"])
    there = planes - new - failed
    print(f"{new} planes embedded, {there} there before, {failed} left out: {options.output}")
    return int(failed > 0)
