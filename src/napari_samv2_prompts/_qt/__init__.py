"""The window: everything that needs Qt.  What the viewer's menu opens is the name below."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["SAMV2PromptsWidget", "collector_resting"]


@contextmanager
def collector_resting() -> Iterator[None]:
    """Have the garbage collector rest while modules are imported, and take what they made for old.

    They make so many objects that it would go through all of the viewer's, which takes a tenth of a
    second each time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.unfreeze()
            gc.enable()


def __getattr__(name: str) -> Any:
    if name == "SAMV2PromptsWidget":
        with collector_resting():
            from .widget import SAMV2PromptsWidget

        return SAMV2PromptsWidget
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
