"""Where the ways to segment put their files, by the options that they share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_samv2_prompts.units.files import AllUnit, FileUnit


def labels_path(options: argparse.Namespace) -> Path:
    """Return where the labels go; refuse a folder that is not there."""
    own = f"{options.image.stem.removesuffix('.ome')}.labels.tif"  # never that of another picture
    output: Path = options.output or Path(own)
    if not output.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {output.parent} to write the labels to.")
    return output


def record_path(labels: Path) -> Path:
    """Return where the prompts go that led to labels."""
    return labels.with_name(
        f"{labels.name.removesuffix(labels.suffix).removesuffix('.ome')}.prompts.json"
    )


def write_coco_file(options: argparse.Namespace, units: Sequence[FileUnit | AllUnit]) -> None:
    """Write the labels of units as the COCO file that was asked for, with scores if they have."""
    if options.coco is None:
        return
    from tifffile import imread

    from napari_samv2_prompts.io.exports import LabelledImage, write_coco
    from napari_samv2_prompts.io.object_tables import objects_path, read_scores
    from napari_samv2_prompts.units.files import AllUnit

    images = (
        LabelledImage(
            unit.image.name,
            imread(unit.labels),
            read_scores(objects_path(unit.labels)) if isinstance(unit, AllUnit) else {},
        )
        for unit in units
    )
    write_coco(options.coco, images, polygons=options.polygons)
    print(f"COCO: {options.coco}")
