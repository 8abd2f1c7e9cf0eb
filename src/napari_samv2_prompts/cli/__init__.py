"""The command line: one sub-command a module.

Here: the list of sub-commands, and how errors end the program.  A sub-command is a module with
``NAME``, ``HELP``, ``add_options(parser)`` and ``run(options)``, added to ``COMMANDS``.  Not here:
what is done with an image (``scripting.py``, ``units``).  Nothing heavy is imported before a
sub-command runs.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from napari_samv2_prompts.cli import demo, doctor, embed, models, segment, train
from napari_samv2_prompts.cli.common import PROGRAM, tell
from napari_samv2_prompts.cli.home import home_or_stand_in
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.samv2.torch_import import is_about_torch, torch_problem

COMMANDS = (demo, segment, embed, models, doctor, train)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 1 for an error, 130 if interrupted.

    - `argv`: arguments without the program's name; those of the process if not given
    """
    options = parser().parse_args(argv)
    # What tifffile logs of files is said in our own words, or of no concern.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    try:
        with _told_warnings(), home_or_stand_in():
            return int(options.run(options) or 0)
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: stopped.", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError, ImportError) as error:
        wrong = isinstance(error, ImportError | OSError) and is_about_torch(error)
        print(f"{PROGRAM}: {torch_problem(error) if wrong else error}", file=sys.stderr)
        return 1


@contextmanager
def _told_warnings() -> Iterator[None]:
    """Say warnings about files as sentences; leave others as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", FileWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *more: Any) -> None:
            if issubclass(category, FileWarning):
                tell([str(message)])
            else:
                usual(message, category, *more)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def parser() -> argparse.ArgumentParser:
    """Return the parser of all sub-commands; what it parses has ``run``."""
    program = argparse.ArgumentParser(
        prog=PROGRAM, description="Segment objects from points and boxes with SAMV2."
    )
    program.add_argument("--version", action=_ShowVersion)
    commands = program.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        described = getattr(command, "DESCRIPTION", None)
        own = commands.add_parser(command.NAME, help=command.HELP, description=described)
        own.set_defaults(run=command.run)
        command.add_options(own)
    return program


class _ShowVersion(argparse.Action):
    """Print the versions that a report of a problem needs; reads no package but their names."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="versions, for reports of problems")

    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        for name in (PROGRAM, "napari", "torch", "numpy"):
            try:
                print(f"{name} {version(name)}")
            except PackageNotFoundError:
                print(f"{name} is not installed")
        parser.exit()
