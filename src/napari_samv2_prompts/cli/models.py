"""``models``: list, download and locate models."""

from __future__ import annotations

import argparse

from napari_samv2_prompts.cli.common import PROGRAM, download_with_bar
from napari_samv2_prompts.samv2.weights.registry import PUBLISHED_FILES, CheckpointError, find
from napari_samv2_prompts.samv2.weights.variants import DEFAULT_VERSION, VARIANTS

NAME = "models"
HELP = "list, download and locate models"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``models``."""
    actions = parser.add_subparsers(metavar="ACTION")
    actions.add_parser("list", help="what there is, and what is on this machine")
    download = actions.add_parser("download", help="download a published model")
    download.add_argument("name", metavar="NAME")
    download.set_defaults(run=_download)
    path = actions.add_parser("path", help="say where a model's file lies")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(run=_print_path)


def run(options: argparse.Namespace) -> None:
    """List the models."""
    print(f"{'NAME':<26}{'SHORT':<12}{'MB':>5}  {'LICENCE':<14}ON THIS MACHINE")
    for name, variant in VARIANTS.items():
        row = PUBLISHED_FILES.get(name)
        path = find(name)
        size = row.bytes if row else path.stat().st_size if path else 0
        licence = row.licence if row else "BSD-3-Clause"
        where = "no" if path is None else str(path) if row else "bundled"
        short = variant.size if variant.version == DEFAULT_VERSION else ""
        print(f"{name:<26}{short:<12}{size / 1e6:>5.0f}  {licence:<14}{where}")


def _download(options: argparse.Namespace) -> None:
    print(download_with_bar(options.name))


def _print_path(options: argparse.Namespace) -> None:
    path = find(options.name)
    if path is None:
        raise CheckpointError(
            f"The model {options.name!r} is not on this machine: "
            f"{PROGRAM} models download {options.name}"
        )
    print(path)
