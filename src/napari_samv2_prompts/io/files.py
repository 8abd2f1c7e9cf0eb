"""Files that are whole or absent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Hand out a name to write to; it becomes `path` if nothing is raised, else it is removed.

    Parameters
    ----------
    path : path
        Replaced by the new file in one step.

    Yields
    ------
    Path
        Beside `path` and with its ending, since some writers go by that; no two are alike, also
        from different machines.
    """
    path = Path(path)
    part = path.with_name(f".{path.stem}.{uuid4().hex[:12]}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
