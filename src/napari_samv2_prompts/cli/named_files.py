"""The files that a command is told to write: looked at before anything is computed.

Here: :func:`check_files`, which every command asks that writes what the user names.  Not here:
which files a command reads and writes, which it knows itself, and whether an input is sound, which
its reader says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_samv2_prompts.io.ome_zarr import is_zarr

# How names end that nobody gives a folder.
_FILES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".csv", ".json", ".txt", ".npy", ".zip")

Kind = Literal["file", "folder", "new folder"]


@dataclass(frozen=True, slots=True)
class Written:
    """A file or folder that is to be written."""

    path: Path
    what: str  # what messages call it: "the labels"
    kind: Kind = "file"  # a new folder is not there, or empty
    endings: tuple[str, ...] = ()  # of its name, the usual ones first; any if empty
    makes_parents: bool = False  # whether the folders in which it lies are made


def check_files(read: Iterable[Path | None], written: Iterable[Written | None]) -> None:
    """Refuse what can't be written, or would be written over what is read or written, too.

    One file may have several names: relative ones, by links, in other cases.

    - `read`: the files and folders that the command reads; None for what was not given
    - `written`: all that it writes, what it names itself included
    - raises ValueError, in a sentence that says what to do
    """
    wanted = [item for item in written if item is not None]
    inputs = [path for path in read if path is not None]
    made = [_place(item.path) for item in wanted if item.makes_parents]
    for item in wanted:
        _check_name(item)
        _check_folder(item, made)
    _check_apart(inputs, wanted)
    for item in wanted:
        _check_ending(item)


def _check_name(item: Written) -> None:
    path, what = item.path, item.what
    if item.kind == "file" and path.is_dir():
        raise ValueError(f"{path} is a folder: name a file for {what}.")
    if item.kind != "file" and path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file: name a folder for {what}.")
    if item.kind == "new folder" and path.is_dir() and any(path.iterdir()):
        raise ValueError(f"There is something in {path}: name a new folder for {what}.")


def _check_ending(item: Written) -> None:
    path, what = item.path, item.what
    named_as_file = path.suffix.lower() in _FILES and not path.exists()
    if item.kind != "file" and named_as_file:
        raise ValueError(f"{path} is named like a file: name a folder for {what}, {path.stem} say.")
    if item.endings and not path.name.lower().endswith(item.endings):
        usual = " or ".join(item.endings[:2])
        raise ValueError(f"The name of {what} must end in {usual}, and {path.name} does not.")


def _check_folder(item: Written, made: Sequence[Path]) -> None:
    """Refuse a place in a folder that is not there, unless the command makes it."""
    parent = _place(item.path).parent
    there = parent.is_dir() or item.makes_parents
    if not there and not any(folder.is_relative_to(parent) for folder in made):
        raise ValueError(f"There is no folder {item.path.parent} to write {item.what} to.")
    nearest = next(place for place in (parent, *parent.parents) if place.exists())
    if not nearest.is_dir():
        raise ValueError(f"{nearest} is a file, and can't hold {item.what}: choose another folder.")
    if not os.access(nearest, os.W_OK):
        raise ValueError(f"{nearest} can't be written to: choose another folder for {item.what}.")


def _check_apart(inputs: Sequence[Path], wanted: Sequence[Written]) -> None:
    """Refuse one file for two purposes."""
    read = {mark: path for path in inputs for mark in _marks(path)}
    images = {_place(path): path for path in inputs if is_zarr(path)}
    taken: dict[object, Written] = {}
    for item in wanted:
        marks = _marks(item.path)
        within = (images[place] for place in _place(item.path).parents if place in images)
        source = next((read[mark] for mark in marks if mark in read), None) or next(within, None)
        if source is not None:
            raise ValueError(
                f"{source} is read, and {item.what} would be written over it"
                f"{'' if item.path == source else f' ({item.path})'}: choose another name."
            )
        other = next((taken[mark] for mark in marks if mark in taken), None)
        if other is not None:
            raise ValueError(
                f"{item.path} is named for {other.what} and for {item.what}: choose another name "
                "for one of them."
            )
        taken |= dict.fromkeys(marks, item)


def _place(path: Path) -> Path:
    """Return where a name leads, links followed."""
    return Path(os.path.realpath(path))


def _marks(path: Path) -> list[object]:
    """Return what two names of one file have in common: where they lead, or the file itself."""
    marks: list[object] = [_place(path)]
    with suppress(OSError):
        state = path.stat()
        if state.st_ino:  # 0 where a file system has no such numbers
            marks.append((state.st_dev, state.st_ino))
    return marks
