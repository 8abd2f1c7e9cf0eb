"""``segment IMAGE --all`` and ``segment FOLDER --all``: every object that can be found."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import get_args

from napari_samv2_prompts.candidates import Order, Selection
from napari_samv2_prompts.cli.common import predictor, settings_of, tell
from napari_samv2_prompts.cli.outputs import labels_path, write_coco_file
from napari_samv2_prompts.cli.segment_slide import run_slide, slide_work
from napari_samv2_prompts.cli.workers import do_units


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only finding all has."""
    usual = Selection()
    add = parser.add_argument
    add("--all", action="store_true", help="find all objects, without prompts")
    add("--min-score", type=float, default=usual.min_score, help="least score of an object")
    add("--min-area", type=float, default=0.0, help="least area of an object, in pixels")
    add("--order", choices=get_args(Order), default=usual.order, help="who wins where two overlap")


def wanted(options: argparse.Namespace) -> bool:
    """Tell whether all objects are wanted."""
    return bool(options.all)


def run(options: argparse.Namespace) -> int:
    """Find all objects of a picture, or of each picture of a folder; 1 if one was left out."""
    selection = selection_of(options)
    if options.image.is_dir() and options.image.suffix.lower() != ".zarr":
        return _folder(options, selection)
    from napari_samv2_prompts.units.files import AllUnit

    labels = labels_path(options)
    image = options.image.absolute()  # workers stand elsewhere
    unit = AllUnit(image, labels.absolute(), selection, options.picture, settings_of(options))
    if (work := slide_work(options, unit)) is not None:
        status = run_slide(options, work, labels, with_key=False)
        if not status:
            write_coco_file(options, [unit])
        return status
    started = time.perf_counter()
    outcome = unit.run(lambda: predictor(options), None)
    tell(outcome.notes)
    print(f"{outcome.objects} objects in {time.perf_counter() - started:.2f} s")
    print(f"Labels: {labels}")
    write_coco_file(options, [unit])
    return 0


def selection_of(options: argparse.Namespace) -> Selection:
    """Return which objects are to be kept."""
    if options.boxes or options.points or options.prompts:
        raise ValueError("--all finds objects without prompts: leave out --boxes and --points.")
    return Selection(min_score=options.min_score, min_area=options.min_area, order=options.order)


def _folder(options: argparse.Namespace, selection: Selection) -> int:
    from napari_samv2_prompts.units.folders import find_pictures

    out: Path = options.output or options.image / "labels"
    units = find_pictures(
        options.image.absolute(),
        out.absolute(),
        selection,
        ending=".ome.tif" if options.ome else ".tif",
        settings=settings_of(options),
    )
    out.mkdir(parents=True, exist_ok=True)
    status = do_units(options, units, out)
    write_coco_file(options, [unit for unit in units if unit.labels.is_file()])
    return status
