"""What of an image's plane is on screen, from the viewer's camera and canvas.

Here: the way between the canvas and the pixels of a plane.  Not here: which part is embedded
(``regions``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.geometry import AffineMap
from napari_samv2_prompts.layers.planes import Shown

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from numpy.typing import NDArray

    from napari_samv2_prompts.regions import Extent, Region


@dataclass(frozen=True, slots=True)
class Visible:
    """What is on screen."""

    # ``(x0, y0, x1, y1)`` in plane pixels around all that is visible; it may reach beyond the
    # plane.
    extent: Extent
    pixel_size: tuple[float, float]  # height and width of a pixel in the world


def visible_part(viewer: ViewerModel, shown: Shown) -> Visible:
    """Return what of a plane the viewer shows now.

    - `viewer`: in 2D display
    """
    to_world = _shown_map(shown)
    centre = np.array(viewer.scene.camera.center[-2:])
    half = np.array(viewer.canvas.viewbox_size(viewer.layers)) / viewer.scene.camera.zoom / 2
    corners = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    rows_columns = to_world.inverse()(centre + corners * half)
    (y0, x0), (y1, x1) = rows_columns.min(axis=0), rows_columns.max(axis=0)
    height, width = np.linalg.norm(to_world.matrix, axis=0)
    return Visible((float(x0), float(y0), float(x1), float(y1)), (float(height), float(width)))


def canvas_box(viewer: ViewerModel, shown: Shown, region: Region) -> NDArray[np.float64]:
    """Return the box around a region of a plane on the canvas.

    Returns an array of shape (2, 2), float64; first and last corner, each as ``(row, column)`` in
    pixels of the canvas.
    """
    x0, y0, x1, y1 = region.extent
    corners = _shown_map(shown)(np.array([[y0, x0], [y0, x1], [y1, x0], [y1, x1]]))
    camera = viewer.scene.camera
    signs = [-1 if str(way) in ("up", "left") else 1 for way in camera.orientation2d]
    size = np.array(viewer.canvas.viewbox_size(viewer.layers))
    there = (corners - camera.center[-2:]) * camera.zoom * signs + size / 2
    return np.stack([there.min(axis=0), there.max(axis=0)])


def _shown_map(shown: Shown) -> AffineMap:
    """Return the map from (row, column) of a plane to the world's shown axes."""
    return shown.to_world.on_axes(shown.plane.axes)
