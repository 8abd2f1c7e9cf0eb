"""Shapes of one press and one release that are not what the mouse drew.

A click without a drag, with a tool that draws boxes, makes a tiny shape that nobody sees.  And a
viewer that is busy misses moves of the mouse: what it draws ends before the mouse was released.

Not here: taking a shape out (``_qt/prompting.py``), small shapes that were drawn otherwise, which
are left out and named (``prompt_reading``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers.planes import Shown, data_at, project_to_plane
from napari_samv2_prompts.shapes import MIN_SIDE

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Shapes
    from numpy.typing import NDArray

# Tools that make a shape of a press and a release; the others need several clicks.
ONE_DRAG = ("add_rectangle", "add_ellipse", "add_line")


def stray_shape(
    shapes: Shapes, drawn: tuple[int, ...], shown: Shown, dims: Dims, clicked: bool
) -> int | None:
    """Return the row of a shape that was just drawn and can't have been meant, or None.

    - `drawn`: the rows that are new
    - `clicked`: whether the mouse was pressed and released in one place; if not, only the size
      tells
    """
    row = _row_of_drag(shapes, drawn)
    if row is None:
        return None
    small = _is_small(shapes, row, shapes.data[row], shown, dims)
    return row if small or (clicked and small is not None) else None


def with_corners(
    shapes: Shapes, drawn: tuple[int, ...], corners: NDArray[Any], shown: Shown, dims: Dims
) -> bool:
    """Give a box or an ellipse that was just drawn its corners; tell whether there is one."""
    row = _row_of_drag(shapes, drawn)
    if row is None or str(shapes.shape_type[row]) not in ("rectangle", "ellipse"):
        return False
    if _is_small(shapes, row, corners, shown, dims) is not False:
        return False
    data = list(shapes.data)
    data[row] = corners
    shapes.data = data
    return True


def box_corners(
    shapes: Shapes, dims: Dims, start: Sequence[float], end: Sequence[float]
) -> NDArray[Any]:
    """Return the corners of the box between two places of the world, as the layer has them.

    Returns an array of shape (4, D); on the plane of `start`.
    """
    first, last = (data_at(shapes, place, dims) for place in (start, end))
    down, right = (axis - dims.ndim + shapes.ndim for axis in dims.displayed)
    corners = np.stack([first, first, last, last])
    corners[1, right], corners[3, right] = last[right], first[right]
    hidden = [axis for axis in range(shapes.ndim) if axis not in (down, right)]
    corners[:, hidden] = first[hidden]
    return corners


def _row_of_drag(shapes: Shapes, drawn: tuple[int, ...]) -> int | None:
    one = len(drawn) == 1 and drawn[0] < len(shapes.data) and str(shapes.mode) in ONE_DRAG
    return drawn[0] if one else None


def _is_small(
    shapes: Shapes, row: int, vertices: NDArray[Any], shown: Shown, dims: Dims
) -> bool | None:
    """Tell whether a shape is too small to mean anything; None if it is not on the plane."""
    try:
        sides = np.ptp(project_to_plane(shapes, vertices, shown, dims).pixels, axis=0)
    except PlaneError:
        return None
    is_line = str(shapes.shape_type[row]) == "line"
    return bool((sides.max() if is_line else sides.min()) < MIN_SIDE)
