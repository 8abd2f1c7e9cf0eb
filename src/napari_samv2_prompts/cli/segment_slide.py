"""``segment SLIDE --all``: a picture that is larger than one tile, on any number of workers.

Not a way of its own: ``segment_all`` and ``segment_zarr`` come here with such a picture.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import predictor, settings_of, tell
from napari_samv2_prompts.cli.workers import runner_of, with_bar
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL, find_variant

if TYPE_CHECKING:
    from napari_samv2_prompts.units.files import AllUnit
    from napari_samv2_prompts.units.ome_zarr import FieldUnit
    from napari_samv2_prompts.units.slides import SlideWork


def slide_work(options: argparse.Namespace, unit: AllUnit | FieldUnit) -> SlideWork | None:
    """Return the work of a picture that is larger than one tile; None if it is not."""
    from napari_samv2_prompts.units.slides import plan_slide

    if not options.image.exists():
        raise FileNotFoundError(f"There is no file {options.image}.")
    variant = (
        predictor(options).variant
        if options.checkpoint
        else find_variant(options.model or DEFAULT_MODEL)
    )
    return plan_slide(unit, variant.largest_side, unit.key(settings_of(options).key()))


def run_slide(
    options: argparse.Namespace, work: SlideWork, where: Path, *, with_key: bool = True
) -> int:
    """Find all objects of a slide, and write them once all tiles are done; 1 if one is not."""
    started = time.perf_counter()
    with runner_of(options, overwrite=False) as run:
        tiles = len(work.tiles)
        failed = sum(bool(o.error) for o in with_bar(work.find(run), tiles, "tile"))
        if failed:
            tell([f"{failed} of {tiles} tiles are not done: run it again to go on."])
            return 1
        outcome = work.write(run, with_key=with_key)
    tell(outcome.notes)
    print(f"{outcome.objects} objects in {tiles} tiles, {time.perf_counter() - started:.2f} s")
    print(f"Labels: {where}")
    return 0
