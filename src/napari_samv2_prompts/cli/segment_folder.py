"""``segment FOLDER``: each picture with the table beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_samv2_prompts.cli.common import settings_of
from napari_samv2_prompts.cli.segment_files import check_folder_outputs, write_coco_file
from napari_samv2_prompts.cli.workers import add_worker_options, do_units


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only a folder has."""
    parser.add_argument("--ome", action="store_true", help="write labels as OME-TIFF")
    parser.add_argument(
        "--overwrite", action="store_true", help="segment again what is done in a folder"
    )
    add_worker_options(parser)


def run(options: argparse.Namespace) -> int:
    """Segment what is not done yet; 1 if something was left out."""
    from napari_samv2_prompts.units.folders import find_units

    if options.boxes is not None and options.boxes.suffix.lower() != ".json":
        raise ValueError(
            "A folder has its tables beside its pictures: leave out --boxes. Only a COCO file "
            "(--boxes FILE.json) can be for all."
        )
    out: Path = options.output or options.image / "labels"
    folder = options.image.absolute()  # workers stand elsewhere
    units, problems = find_units(
        folder,
        out.absolute(),
        ending=".ome.tif" if options.ome else ".tif",
        keep_prompts=options.save_prompts,
        boxes=options.boxes and options.boxes.absolute(),
        box_format=options.box_format,
        channel=options.channel,
        settings=settings_of(options),
    )
    check_folder_outputs(options, out, units)
    out.mkdir(parents=True, exist_ok=True)
    status, well = do_units(options, units, out, problems)
    write_coco_file(options, well)
    return status
