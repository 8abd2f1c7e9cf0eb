"""What ``segment`` is asked for, and which options mean something then.

Here: :func:`mode_of`, and one table of options.  An option that would do nothing is refused: who
gives it expects something of it.  Not here: how it is done (the ways, see ``segment.py``).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from enum import Enum

from napari_samv2_prompts.io.ome_zarr import is_zarr, is_zarr_array


class Mode(Enum):
    """What is segmented, and from what; in the words of messages."""

    PICTURE = "a picture with prompts"
    ALL = "--all"
    FOLDER = "a folder of pictures"
    ALL_OF_FOLDER = "--all in a folder"
    ZARR = "labels in an OME-Zarr file"
    ALL_OF_ZARR = "--all in an OME-Zarr file"
    STACK = "stacks (--through)"
    SAVED = "saved prompts (--prompts)"


@dataclass(frozen=True, slots=True)
class _Use:
    """In which modes an option means something, and what to do in others."""

    modes: frozenset[Mode]
    hint: str = "leave it out"


def _but(*modes: Mode) -> frozenset[Mode]:
    return frozenset(Mode).difference(modes)


_SEARCH = _Use(
    frozenset({Mode.ALL, Mode.ALL_OF_FOLDER, Mode.ALL_OF_ZARR}),
    "it goes with --all",
)
_STACK = _Use(frozenset({Mode.STACK}), "it goes with --through, for a stack in one file")
_ZARR = _Use(
    frozenset({Mode.ZARR, Mode.ALL_OF_ZARR}), "it is for OME-Zarr files that the labels go into"
)
_USES = {
    "boxes": _Use(_but(Mode.SAVED, *_SEARCH.modes)),
    "points": _Use(frozenset({Mode.PICTURE, Mode.STACK, Mode.ZARR})),
    "box_format": _Use(_but(Mode.SAVED, *_SEARCH.modes)),
    "output": _Use(_but(*_ZARR.modes)),
    "save_prompts": _Use(frozenset({Mode.PICTURE, Mode.FOLDER})),
    "coco": _Use(_but(Mode.STACK, *_ZARR.modes)),
    "polygons": _Use(_but(Mode.STACK, *_ZARR.modes)),
    "picture": _Use(frozenset({Mode.PICTURE, Mode.ALL})),
    "prompts": _Use(frozenset({Mode.SAVED})),
    "model": _Use(_but(Mode.SAVED), "the file of prompts says which model it is"),
    "ome": _Use(_but(*_ZARR.modes)),
    "workers": _Use(_but(Mode.PICTURE, Mode.SAVED)),
    "scheduler": _Use(_but(Mode.PICTURE, Mode.SAVED)),
    "all": _Use(_SEARCH.modes, "leave out one of them"),
    "min_score": _SEARCH,
    "min_area": _SEARCH,
    "order": _SEARCH,
    "through": _Use(_STACK.modes, "it is for one stack in a file"),
    "direction": _STACK,
    "method": _STACK,
    "tracks": _STACK,
    "first": _STACK,
    "last": _STACK,
    "store": _STACK,
    "labels": _ZARR,
}
"""Options by the names of what argparse returns; those that are not here mean something always."""


def mode_of(options: argparse.Namespace) -> Mode:
    """Return what is asked for.

    Raises ValueError if there is an option that would do nothing.
    """
    mode = _mode(options)
    for name, use in _USES.items():
        given = getattr(options, name)
        if given is not None and given is not False and mode not in use.modes:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is not for {mode.value}: {use.hint}.")
    given_alone = options.box_format is not None and options.boxes is None
    if given_alone and mode is not Mode.FOLDER:
        raise ValueError("--box-format is about boxes: name their file, too (--boxes FILE).")
    if options.polygons and options.coco is None:
        raise ValueError("--polygons is about the COCO file: name that, too (--coco FILE).")
    return mode


def _mode(options: argparse.Namespace) -> Mode:
    prompted = options.through is not None or options.prompts is not None
    into_it = is_zarr(options.image) and not is_zarr_array(options.image)
    if into_it and options.output is None and not prompted:
        return Mode.ALL_OF_ZARR if options.all else Mode.ZARR
    if options.image.is_dir() and not is_zarr(options.image):
        return Mode.ALL_OF_FOLDER if options.all else Mode.FOLDER
    if options.prompts is not None:
        return Mode.SAVED
    if options.through is not None:
        return Mode.STACK
    return Mode.ALL if options.all else Mode.PICTURE
