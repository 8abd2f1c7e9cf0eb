"""Where ``segment`` writes, and what it reads: for all ways to segment.

Not here: what is wrong with names in general (``named_files.py``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.cli.common import files_of_model
from napari_samv2_prompts.cli.named_files import Written, check_files

if TYPE_CHECKING:
    from napari_samv2_prompts.units.files import AllUnit, FileUnit

_LABELS = (".tif", ".ome.tif", ".tiff")


def check_outputs(options: argparse.Namespace, labels: Path, *others: Written | None) -> None:
    """Look at all that is to be written for one image, before anything is computed.

    - `others`: what is written beside labels, outlines and COCO file
    - raises ValueError as :func:`.check_files`
    """
    own = Written(labels, "the labels", endings=_LABELS)
    read = (options.image, options.boxes, options.points, options.prompts, *files_of_model(options))
    check_files(read, (own, _outlines(options), _coco(options), *others))


def check_folder_outputs(
    options: argparse.Namespace, out: Path, units: Sequence[FileUnit | AllUnit]
) -> None:
    """Look at all that is to be written for a folder; see :func:`check_outputs`."""
    from napari_samv2_prompts.units.files import AllUnit
    from napari_samv2_prompts.units.folders import picture_of_prompts

    read: list[Path | None] = [*files_of_model(options)]
    written = [Written(out, "the labels", "folder", makes_parents=True), _coco(options)]
    for unit in units:
        read.append(unit.image)
        written.append(Written(unit.labels, "the labels"))
        if isinstance(unit, AllUnit):
            written.append(objects_table(unit.labels))
            continue
        read += [unit.boxes, unit.points]
        written.append(saved_prompts(unit.prompts))
    check_files(read, written)
    picture = None if options.coco is None else picture_of_prompts(options.coco)
    if picture is not None:
        raise ValueError(
            f"{options.coco} would be taken for the prompts of {picture.name} the next time: "
            "choose another name for the COCO file, or another folder."
        )


def _outlines(options: argparse.Namespace) -> Written | None:
    if options.picture is None:
        return None
    from napari_samv2_prompts.io.pictures import outline_endings

    return Written(options.picture, "the outlines", endings=outline_endings())


def _coco(options: argparse.Namespace) -> Written | None:
    if options.coco is None:
        return None
    return Written(options.coco, "the COCO file", endings=(".json",))


def saved_prompts(path: Path | None) -> Written | None:
    """Return the file of prompts, if it is wanted, for :func:`check_outputs`."""
    return None if path is None else Written(path, "the prompts")


def objects_table(labels: Path) -> Written:
    """Return the table of objects that belongs to labels, for :func:`check_outputs`."""
    from napari_samv2_prompts.io.exports import objects_path

    return Written(objects_path(labels), "the table of objects")


def labels_path(options: argparse.Namespace) -> Path:
    """Return where the labels go; ValueError if they are to be OME-TIFF under another's name."""
    ending = ".ome.tif" if options.ome else ".tif"
    # Named by the picture: never those of another one.
    own = f"{options.image.stem.removesuffix('.ome')}.labels{ending}"
    output: Path = options.output or Path(own)
    if options.ome and not output.name.lower().endswith((".ome.tif", ".ome.tiff")):
        raise ValueError(f"--ome writes FILE.ome.tif: name the labels so, not {output.name}.")
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

    from napari_samv2_prompts.io.exports import LabelledImage, objects_path, read_scores, write_coco
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
