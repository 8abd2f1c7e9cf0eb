"""What libraries keep in the user's home, where there is none: in containers, on build machines.

Not here: where models are kept (``samv2.weights.registry``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_NOWHERE = "/nonexistent"  # what Debian calls the home of who has none


@contextmanager
def home_or_stand_in() -> Iterator[None]:
    """Let libraries be imported that want a home, also where there is none that can be written.

    Without a name for it, several can't be imported (pooch, npe2); if it can't be written, napari
    can't, since numba finds no place for its cache.  A download still asks for a folder.
    """
    home = os.path.expanduser("~")
    if _can_be_written(Path(home)):
        yield
        return
    before = dict(os.environ)
    with TemporaryDirectory(prefix="napari-samv2-prompts-") as folder:
        os.environ.setdefault("NUMBA_CACHE_DIR", folder)
        if home == "~":
            os.environ["HOME"] = _NOWHERE
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _can_be_written(home: Path) -> bool:
    """Whether a folder, or what it would have to be made in, takes files; not a relative one."""
    there = next((place for place in (home, *home.parents) if place.is_dir()), home)
    return home.is_absolute() and os.access(there, os.W_OK)
