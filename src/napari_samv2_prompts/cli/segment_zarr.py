"""``segment FILE.zarr``: each image of an OME-Zarr file or plate; labels go into the images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import settings_of
from napari_samv2_prompts.cli.segment_all import run_slide, selection_of, slide_work
from napari_samv2_prompts.cli.workers import do_units

if TYPE_CHECKING:
    from napari_samv2_prompts.units.ome_zarr import FieldUnit
    from napari_samv2_prompts.units.slides import SlideWork


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only OME-Zarr files have."""
    group = parser.add_argument_group("OME-Zarr images and plates")
    add = group.add_argument
    add("--labels", metavar="NAME", help="write labels/NAME; default samv2")


def run(options: argparse.Namespace) -> int:
    """Segment what is not done yet; 1 if something was left out."""
    from napari_samv2_prompts.units.ome_zarr import LABELS, find_fields

    if not options.all and options.boxes is None and options.points is None:
        raise ValueError(
            "Give prompts: a table of boxes (--boxes) or of points (--points), or find all "
            "objects (--all)."
        )
    path: Path = options.image.absolute()  # workers stand elsewhere
    labels = LABELS if options.labels is None else options.labels
    units, problems = find_fields(
        path,
        labels=labels,
        selection=selection_of(options) if options.all else None,
        boxes=options.boxes and options.boxes.absolute(),
        points=options.points and options.points.absolute(),
        box_format=options.box_format,
        channel=options.channel,
        settings=settings_of(options),
    )
    one = len(units) == 1 and units[0].image == path
    where = path / "labels" / labels if one else path
    if one and options.all and (work := _slide(options, units[0])) is not None:
        return run_slide(options, work, where)
    return do_units(options, units, where, problems)[0]


def _slide(options: argparse.Namespace, unit: FieldUnit) -> SlideWork | None:
    """Return the work of a slide; None if it is none, or there is nothing to do."""
    from napari_samv2_prompts.units.unit import looked_at

    weights = settings_of(options).key()
    _, outcome = looked_at(unit, weights, overwrite=options.overwrite)
    return slide_work(options, unit) if outcome is None else None
