"""Files and folders that are whole or absent, and the names that users give to files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Hand out a name to write to; it becomes `path` if nothing is raised, else it is removed.

    - `path`: replaced by what was written, in one step.  A folder replaces none but an empty one.
    - yields a name beside `path` and with its ending, since some writers go by that; no two are
      alike, also from different machines
    - raises FileNotFoundError if there is no folder to write to
    """
    path = Path(path)
    if not path.parent.exists():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} to.")
    part = path.with_name(f".{path.stem}.{uuid4().hex[:12]}.part{path.suffix}")
    try:
        yield part
        if part.is_dir() and path.is_dir():
            path.rmdir()
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def picture_stem(path: Path) -> str:
    """Return the name of a picture without its ending, of which ``.ome.tif`` is one."""
    return path.name.removesuffix(path.suffix).removesuffix(".ome")


def read_named(path: str | Path) -> bytes:
    """Return the content of a file that the user named.

    Raises OSError, in a sentence where there is no such file.
    """
    path = Path(path)
    try:
        return path.read_bytes()
    except OSError as error:  # on Windows a folder is one that may not be read
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder: name a file.") from error
        if not path.exists():
            raise FileNotFoundError(f"There is no file {path}.") from error
        raise


def is_part(path: Path) -> bool:
    """Tell by its name whether a file is one of :func:`written_whole` that is not whole yet."""
    return path.name.startswith(".") and path.stem.endswith(".part")
