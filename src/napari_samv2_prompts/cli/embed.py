"""``embed STACK -o FOLDER``: all planes into a folder, so that the window has nothing to embed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import add_model_options, files_of_model
from napari_samv2_prompts.cli.named_files import Written, check_files
from napari_samv2_prompts.cli.number_types import place, value
from napari_samv2_prompts.cli.workers import add_worker_options, runner_of, with_bar
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from napari_samv2_prompts.units.unit import Outcome

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
    add("--layer", type=place, default=0, help="which layer it opens as: one a channel; default 0")
    group = parser.add_mutually_exclusive_group()
    add = group.add_argument
    add("--percentiles", action="store_true", help="contrast of each plane by percentiles")
    add("--limits", type=value, nargs=2, metavar=("BLACK", "WHITE"), help="contrast limits")
    parser.set_defaults(overwrite=False)  # what is in the folder is right for its content
    add_worker_options(parser)
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Embed what the folder does not have; 1 if something was left out."""
    from napari_samv2_prompts.units.embeddings import StackContrast, embed_units

    contrast: StackContrast = "percentiles" if options.percentiles else "displayed"
    if options.limits:
        black, white = options.limits
        if black >= white:
            raise ValueError(f"--limits {black:g} {white:g}: white must be above black.")
        contrast = (black, white)
    folder = Written(options.output, "the embeddings", "folder")
    check_files((options.image, *files_of_model(options)), (folder,))
    units = embed_units(options.image, options.output, layer=options.layer, contrast=contrast)
    planes = sum(len(unit.planes) for unit in units)
    new = failed = 0
    with runner_of(options) as do:
        for outcome in with_bar(do(units), planes, "plane", _planes):
            new += outcome.objects
            failed += _planes(outcome) if outcome.error else 0
    there = planes - new - failed
    done = counted(new, "plane")
    print(f"{done} embedded, {there} there before, {failed} left out: {options.output}")
    return int(failed > 0)


def _planes(outcome: Outcome) -> int:
    from napari_samv2_prompts.units.embeddings import EmbedUnit

    return len(outcome.unit.planes) if isinstance(outcome.unit, EmbedUnit) else 0
