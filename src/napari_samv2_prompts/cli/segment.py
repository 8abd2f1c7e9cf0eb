"""``segment``: a picture, a stack, a folder or a plate, from prompts or without.

There are several ways to segment, a module each with ``run(options)`` and, if it has options of its
own, ``add_options(parser)``.  Here: which is whose way, and the options that more than one of them
reads.  Not here: which options go together (``segment_modes.py``).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_samv2_prompts.cli import (
    segment_all,
    segment_folder,
    segment_picture,
    segment_saved,
    segment_stack,
    segment_zarr,
)
from napari_samv2_prompts.cli.common import add_model_options
from napari_samv2_prompts.cli.segment_modes import Mode, mode_of
from napari_samv2_prompts.io.box_formats import BOX_FORMATS
from napari_samv2_prompts.io.prompt_tables import BOX_COLUMNS, POINT_COLUMNS

NAME = "segment"
HELP = "segment a picture, or a folder of them, from tables of prompts"
DESCRIPTION = (
    "Segment a picture from tables of prompts, or each picture of a folder from the table of the "
    "same name beside it: cells.tif with cells.csv."
)
WAYS = {
    Mode.ZARR: segment_zarr,
    Mode.ALL_OF_ZARR: segment_zarr,
    Mode.ALL: segment_all,
    Mode.ALL_OF_FOLDER: segment_all,
    Mode.FOLDER: segment_folder,
    Mode.SAVED: segment_saved,
    Mode.STACK: segment_stack,
    Mode.PICTURE: segment_picture,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what several ways read, then what each has for itself."""
    add = parser.add_argument
    add("image", type=Path, help="picture (TIFF, PNG, JPEG, OME-Zarr, ...), folder or plate")
    add(
        "--boxes",
        type=Path,
        metavar="FILE",
        help=f"table: {','.join(BOX_COLUMNS)}; COCO, YOLO, GeoJSON, or shapes that napari saved",
    )
    add(
        "--points",
        type=Path,
        metavar="FILE",
        help=f"table: {','.join(POINT_COLUMNS)}; or points that napari saved",
    )
    add(
        "--box-format",
        choices=BOX_FORMATS,
        help="what the four numbers of a box are: corners, corner and extent in pixels, or centre "
        "and extent as shares of the image; by their columns' names if not given",
    )
    add(
        "-o",
        "--output",
        type=Path,
        help="labels.tif, labels.ome.tif, or the folder for those of a folder; NAME.labels.tif in "
        "the current folder if not given",
    )
    add(
        "--channel",
        metavar="NAME",
        help="of an image with several its number or name, or rgb for three as colours",
    )
    add("--save-prompts", action="store_true", help="also write prompts and settings as .json")
    add("--coco", type=Path, metavar="FILE", help="also write all as COCO JSON")
    add("--polygons", action="store_true", help="outlines in the COCO file")
    for way in dict.fromkeys(WAYS.values()):
        way.add_options(parser)
    add_model_options(parser)


def run(options: argparse.Namespace) -> int:
    """Segment in the way that the options ask for."""
    mode = mode_of(options)
    if not options.image.exists():
        raise FileNotFoundError(f"There is no file {options.image}.")
    if options.coco is not None and not options.polygons:
        from napari_samv2_prompts.io.exports import run_length_coder

        run_length_coder()  # what is missing is said before hours of work
    return int(WAYS[mode].run(options))
