"""``segment IMAGE --boxes FILE --points FILE``: one picture."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from napari_samv2_prompts.cli.common import predictor, settings_of, tell
from napari_samv2_prompts.cli.segment_files import (
    check_outputs,
    labels_path,
    record_path,
    saved_prompts,
    write_coco_file,
)
from napari_samv2_prompts.words import counted


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what only one picture has."""
    parser.add_argument("--picture", type=Path, help="also write the outlines on the picture")


def run(options: argparse.Namespace) -> int:
    """Segment one picture and say where the files are."""
    from napari_samv2_prompts.units.files import FileUnit

    if options.boxes is None and options.points is None:
        raise ValueError(
            "Give prompts: a table of boxes (--boxes) or of points (--points), or prompts that "
            "were saved (--prompts)."
        )
    output = labels_path(options)
    kept = record_path(output) if options.save_prompts else None
    check_outputs(options, output, saved_prompts(kept))
    unit = FileUnit(
        options.image,
        output,
        options.boxes,
        options.points,
        options.picture,
        kept,
        options.box_format,
        options.channel,
        settings_of(options),
    )
    started = time.perf_counter()
    outcome = unit.run(lambda: predictor(options), None)
    tell(outcome.notes)
    print(f"{counted(outcome.objects, 'object')} in {time.perf_counter() - started:.2f} s")
    for what, path in (("Labels", output), ("Outlines", options.picture), ("Prompts", kept)):
        if path is not None:
            print(f"{what}: {path}")
    write_coco_file(options, [unit])
    return 0
