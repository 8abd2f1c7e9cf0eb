"""Files and folders that are whole or absent."""

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
    """
    path = Path(path)
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
