"""``segment IMAGE --all`` and ``segment FOLDER --all``: every object that can be found.

A picture that is larger than one tile, here and of ``segment_zarr``, is done by any number of
workers.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from napari_samv2_prompts.candidates import Order, Selection
from napari_samv2_prompts.cli.common import predictor, settings_of, tell
from napari_samv2_prompts.cli.number_types import extent, share
from napari_samv2_prompts.cli.segment_files import (
    check_folder_outputs,
    check_outputs,
    labels_path,
    objects_table,
    write_coco_file,
)
from napari_samv2_prompts.cli.workers import do_units, runner_of, with_bar
from napari_samv2_prompts.io.ome_zarr import is_zarr
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_MODEL, find_variant
from napari_samv2_prompts.words import counted

if TYPE_CHECKING:
    from napari_samv2_prompts.units.files import AllUnit
    from napari_samv2_prompts.units.ome_zarr import FieldUnit
    from napari_samv2_prompts.units.slides import SlideWork


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only finding all has."""
    usual = Selection()
    orders = get_args(Order)
    add = parser.add_argument
    add("--all", action="store_true", help="find all objects, without prompts")
    least = f"least score of an object, from 0 to 1; default {usual.min_score}"
    add("--min-score", type=share, metavar="SHARE", help=least)
    add("--min-area", type=extent, metavar="PIXELS", help="least area of an object, in pixels")
    add("--order", choices=orders, help=f"who wins where two overlap; default {usual.order}")


def run(options: argparse.Namespace) -> int:
    """Find all objects of a picture, or of each picture of a folder; 1 if one was left out."""
    selection = selection_of(options)
    if options.image.is_dir() and not is_zarr(options.image):
        return _folder(options, selection)
    from napari_samv2_prompts.units.files import AllUnit

    labels = labels_path(options)
    check_outputs(options, labels, objects_table(labels))
    image = options.image.absolute()  # workers stand elsewhere
    unit = AllUnit(
        image,
        labels.absolute(),
        selection,
        options.picture,
        options.channel,
        settings_of(options),
    )
    if (work := slide_work(options, unit)) is not None:
        status = run_slide(options, work, labels, with_key=False)
        if not status:
            _tell_outlines(options)
            write_coco_file(options, [unit])
        return status
    if options.workers is not None or options.scheduler is not None:
        raise ValueError(
            f"{image.name} is searched in one piece, which several workers can't share: leave out "
            f"{'--scheduler' if options.workers is None else '--workers'}."
        )
    started = time.perf_counter()
    outcome = unit.run(lambda: predictor(options), None)
    tell(outcome.notes)
    print(f"{counted(outcome.objects, 'object')} in {time.perf_counter() - started:.2f} s")
    print(f"Labels: {labels}")
    _tell_outlines(options)
    write_coco_file(options, [unit])
    return 0


def _tell_outlines(options: argparse.Namespace) -> None:
    if options.picture is not None:
        print(f"Outlines: {options.picture}")


def selection_of(options: argparse.Namespace) -> Selection:
    """Return which objects are to be kept."""
    told = {name: getattr(options, name) for name in ("min_score", "min_area", "order")}
    return replace(Selection(), **{name: at for name, at in told.items() if at is not None})


def _folder(options: argparse.Namespace, selection: Selection) -> int:
    from napari_samv2_prompts.units.folders import find_pictures

    out: Path = options.output or options.image / "labels"
    units = find_pictures(
        options.image.absolute(),
        out.absolute(),
        selection,
        ending=".ome.tif" if options.ome else ".tif",
        channel=options.channel,
        settings=settings_of(options),
    )
    check_folder_outputs(options, out, units)
    out.mkdir(parents=True, exist_ok=True)
    status, well = do_units(options, units, out)
    write_coco_file(options, well)
    return status


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
            tell([f"{failed} of {counted(tiles, 'tile')} not done: run it again to go on."])
            return 1
        outcome = work.write(run, with_key=with_key)
    tell(outcome.notes)
    done = f"{counted(outcome.objects, 'object')} in {tiles} tiles"
    print(f"{done}, {time.perf_counter() - started:.2f} s")
    print(f"Labels: {where}")
    return 0
