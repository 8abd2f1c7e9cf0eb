"""Names of napari's that are not public, and what we do without them.

Each has one function here, which answers with the value that means "not known" where a name is
missing or is not what it was.  Nothing else in the package touches an underscore of napari's, and
nothing is lost without them but what the functions say.

Not here: how an overlay is drawn (``_qt/preview.py``, which asks :func:`overlay_table`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels, Points, Shapes
    from numpy.typing import NDArray


class Histories(NamedTuple):
    """The viewer's steps that can be undone and those that can be redone, the next one last."""

    undo: deque[Sequence[Any]]
    redo: deque[Sequence[Any]]


# For a viewer that keeps no such lists: a full one, which nothing can leave by being undone.
_NONE: deque[Sequence[Any]] = deque(maxlen=0)


def histories(labels: Labels) -> Histories:
    """Return a Labels layer's steps; without them what is undone counts as a hand edit."""
    found = (getattr(_bare(labels), name, None) for name in ("_undo_history", "_redo_history"))
    undo, redo = (steps if isinstance(steps, deque) else _NONE for steps in found)
    return Histories(undo, redo)


def is_out_of_sight(labels: Labels) -> bool:
    """Whether the slider stands beside a Labels layer; without it the viewer fails at a write."""
    shown = getattr(_bare(labels), "_slice", None)
    return getattr(shown, "empty", False) is True


def is_drawing(shapes: Shapes) -> bool:
    """Whether a shape is being drawn; without it the shape counts before it is finished."""
    return getattr(_bare(shapes), "_is_creating", False) is True


def clipboard(points: Points) -> NDArray[np.float64] | None:
    """Return the points that were copied last; without it only those that coincide are copies.

    Returns an array of shape (N, ndim), or None if nothing was copied or it is not known.
    """
    held = getattr(_bare(points), "_clipboard", None)
    copied = held.get("data") if isinstance(held, dict) else None
    if not isinstance(copied, np.ndarray) or copied.ndim != 2 or not len(copied):
        return None
    return copied.astype(np.float64)


def overlay_table() -> MutableMapping[type, Any] | None:
    """Return which visual draws which overlay; without it there is no preview under the mouse."""
    try:
        table = import_module("napari._vispy.utils.visual").overlay_to_visual
    except (ImportError, AttributeError):
        return None
    return table if isinstance(table, MutableMapping) else None


def overlay_base() -> type[Any] | None:
    """Return what a visual in the scene is made of; without it there is no preview either."""
    try:
        base = import_module("napari._vispy.overlays.base")
        return type("Base", (base.ViewerOverlayMixin, base.VispySceneOverlay), {})
    except (ImportError, AttributeError, TypeError):
        return None


def _bare(layer: Any) -> Any:
    """Return the layer behind the proxy that plugins get, which warns of underscores."""
    return getattr(layer, "__wrapped__", layer)
