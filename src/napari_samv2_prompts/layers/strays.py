"""Shapes that can't have been meant: a click without a drag, with a tool that draws boxes.

The viewer makes a tiny shape of it, which nobody sees.

Not here: taking it out (``_qt/taken_back.py``), small shapes that were drawn otherwise, which are
left out and named (``prompt_reading``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers.planes import Shown, project_to_plane
from napari_samv2_prompts.shapes import MIN_SIDE

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Shapes

__all__ = ["stray_shape"]

# Tools that make a shape of a press and a release; the others need several clicks.
ONE_DRAG = ("add_rectangle", "add_ellipse", "add_line")


def stray_shape(
    shapes: Shapes, drawn: tuple[int, ...], shown: Shown, dims: Dims, clicked: bool
) -> int | None:
    """Return the row of a shape that was just drawn and can't have been meant, or None.

    Parameters
    ----------
    shapes : napari.layers.Shapes
    drawn : tuple of int
        The rows that are new.
    shown : Shown
    dims : Dims
    clicked : bool
        Whether the mouse was pressed and released in one place; if not, only the size tells.
    """
    if len(drawn) != 1 or str(shapes.mode) not in ONE_DRAG:
        return None
    row = drawn[0]
    if row >= len(shapes.data):
        return None
    try:
        pixels = project_to_plane(shapes, shapes.data[row], shown, dims).pixels
    except PlaneError:
        return None
    sides = np.ptp(pixels, axis=0)
    is_line = str(shapes.shape_type[row]) == "line"
    small = sides.max() < MIN_SIDE if is_line else sides.min() < MIN_SIDE
    return row if clicked or small else None
