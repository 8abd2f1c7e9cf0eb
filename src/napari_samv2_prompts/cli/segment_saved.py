"""``segment IMAGE --prompts FILE.json``: prompts that were saved, done again."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_samv2_prompts.cli.common import tell
from napari_samv2_prompts.cli.segment_files import check_outputs, labels_path, write_coco_file


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--prompts``."""
    parser.add_argument("--prompts", type=Path, help="prompts that were saved as .json")


def run(options: argparse.Namespace) -> int:
    """Make the labels again that saved prompts made."""
    from napari_samv2_prompts.io.exports import write_labels
    from napari_samv2_prompts.io.opening import open_image
    from napari_samv2_prompts.scripting import replay
    from napari_samv2_prompts.units.files import FileUnit

    output = labels_path(options)
    check_outputs(options, output)
    opened = open_image(options.image).with_pixel_size()
    if options.channel is not None:  # without it the prompts may be of all channels
        opened = opened.of_channel(options.channel)
    tell(opened.notes)
    labels = replay(
        opened.data, options.prompts, device=options.device, checkpoint=options.checkpoint
    )
    write_labels(output, labels, pixel_size=opened.pixel_size)
    print(f"Labels: {output}")
    write_coco_file(options, [FileUnit(options.image, output)])
    return 0
