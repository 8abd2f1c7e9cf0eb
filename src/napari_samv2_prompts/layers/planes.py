"""The plane that the viewer shows of an image, what of it is on screen, and other layers on it.

Here: reading ``Dims``, camera, transforms and units into the values of ``geometry``; moving the
viewer to a plane.

Not here: prompts (``prompt_reading``), what is to be embedded (``views``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap, Plane, PlaneError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import Dims, ViewerModel
    from napari.layers import Image, Labels, Layer
    from numpy.typing import ArrayLike, NDArray

    from napari_samv2_prompts.regions import Extent, Region

# Transforms are measured at points this many pixels from the origin: close to it, a large translate
# would swallow the digits of a small scale.
FAR = 2.0**20
# A coordinate this close to a whole number is that number: layers hold float32, and a slider's
# place is divided by the layer's scale.
WHOLE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The plane of an image that the viewer shows, and where the image lies.

    Made once whenever something is looked at, and handed to all that need it.
    """

    image: Image
    plane: Plane
    to_world: AffineMap  # from the image's data coordinates to the viewer's world


def shown_plane(dims: Dims, image_layer: Image) -> Shown:
    """Return the plane of an image that the viewer shows now, with the image's place.

    Raises PlaneError as :func:`current_plane`.
    """
    if dims.ndisplay != 2:
        raise PlaneError("The viewer shows a volume; switch it from 3D to 2D display to segment.")
    if min(layer_shape(image_layer)) < 1:
        raise PlaneError(f"The image {image_layer.name!r} is empty.")
    to_world = world_map(image_layer, dims)
    return Shown(image_layer, _plane(dims, image_layer, to_world), to_world)


def current_plane(dims: Dims, image_layer: Image) -> Plane:
    """Return the plane of an image that the viewer shows now.

    Reads only sizes and transforms, never pixels.

    - `dims`: ``viewer.dims``
    - returns a value that is equal as long as the viewer shows the same pixels in the same
      orientation
    - raises PlaneError if there is no single plane: 3D display, slider beside the image, thick
      slicing, a transform that mixes shown and hidden axes, an empty image.  The message is one
      sentence for the user.
    """
    return shown_plane(dims, image_layer).plane


def _plane(dims: Dims, image_layer: Image, to_world: AffineMap) -> Plane:
    shape = layer_shape(image_layer)
    extra = dims.ndim - len(shape)  # axes of the viewer that the image doesn't have
    rows, columns = (axis - extra for axis in dims.displayed)
    if extra < 0 or min(rows, columns) < 0:
        raise PlaneError(
            f"The image {image_layer.name!r} doesn't have the axes that are shown;"
            " roll or transpose the axes back."
        )
    index: list[int | None] = [None] * len(shape)
    for axis, position in _slider_positions(dims, image_layer, (rows, columns), to_world).items():
        index[axis] = round(position)  # halves to even, as the viewer does
        if not 0 <= round(position) < shape[axis]:
            raise PlaneError(
                f"The slider stands beside the image {image_layer.name!r};"
                " move it to where the image is."
            )
    hidden = (axis for axis, i in enumerate(index) if i is not None)
    is_thick = any(dims.thickness[axis + extra] > 0 for axis in hidden)
    if is_thick and str(image_layer.projection_mode) != "none":
        raise PlaneError(
            "The viewer shows several slices projected into one; set the slice thickness to 0"
            " or the image's projection mode to none to segment."
        )
    return Plane((rows, columns), tuple(index), (shape[rows], shape[columns]))


def layer_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Return the full-size shape of a layer's data without the channel axis of RGB."""
    return tuple(int(n) for n in layer.data.shape[: layer.ndim])


def world_map(layer: Layer, dims: Dims) -> AffineMap:
    """Return the map from a layer's data coordinates to the viewer's world coordinates.

    World coordinates are those of the layer's axes, which are the viewer's last ones, in the units
    of the viewer: layers may have others of the same kind (nm beside um).
    """
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))
    far = np.eye(layer.ndim) * FAR
    columns = np.stack([layer.data_to_world(point) for point in far], axis=1)
    world = AffineMap((columns - origin[:, None]) / FAR, origin)
    if not dims.units or len(dims.units) < layer.ndim:  # the viewer ignores units that don't match
        return world
    pairs = zip(layer.units, dims.units[-layer.ndim :], strict=True)
    return world.scaled([1.0 if a == b else (1.0 * a).to(b).magnitude for a, b in pairs])


def data_at(layer: Layer, position: ArrayLike, dims: Dims) -> NDArray[np.float64]:
    """Return the data coordinates of a layer at a place of the world, in the viewer's units.

    The layer's own ``world_to_data`` takes that place to be in the layer's units.

    - `position`: as of ``viewer.cursor``, ``dims.point`` or an event of the mouse
    """
    world = np.asarray(position, dtype=np.float64)[-layer.ndim :]
    return world_map(layer, dims).inverse()(world)


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Where points of a layer lie on a plane of the image."""

    pixels: NDArray[np.float64]  # shape (N, 2): ``(x, y)`` on the plane, if need be outside it
    # Shape (N,): whether each point is on this plane rather than another.
    on_plane: NDArray[np.bool_]
    # Shape (N, M): where each point is on the image's hidden axes, in the image's data coordinates.
    hidden: NDArray[np.float64]
    # Whether whole numbers on the layer's hidden axes are whole numbers on the image's.
    same_grid: bool


def project_to_plane(layer: Layer, points: NDArray[Any], shown: Shown, dims: Dims) -> Projection:
    """Return where data coordinates of a layer lie on a plane of the image.

    Axes that the layer doesn't have put no condition on its points: they count on every plane, as
    they are shown on every plane.

    - `layer`: Points or Shapes, with any transform and units
    - `points`: array of shape (N, layer.ndim)
    - `shown`: the plane of the image
    - raises PlaneError if the layer lacks a shown axis or its transform mixes shown with hidden
      axes
    """
    plane, image_to_world = shown.plane, shown.to_world
    points = np.asarray(points, dtype=np.float64).reshape(-1, layer.ndim)
    shift = layer.ndim - plane.ndim  # axis of the image + shift = axis of the layer
    displayed = [axis + shift for axis in plane.axes]
    if min(displayed) < 0:
        raise PlaneError(f"The layer {layer.name!r} doesn't have the axes that are shown.")
    to_world, to_image = world_map(layer, dims), image_to_world.inverse()
    in_plane = to_world.on_axes(displayed).then(image_to_world.on_axes(plane.axes).inverse())
    pixels = in_plane(points[:, displayed])[:, ::-1]

    # Where the points are on the image's hidden axes; on the plane itself for axes they lack.
    world = image_to_world(plane.to_data(np.zeros((len(points), 2))))
    shared = min(layer.ndim, plane.ndim)
    world[:, plane.ndim - shared :] = to_world(points)[:, layer.ndim - shared :]
    data = to_image(world)
    on_plane = plane.contains(data)
    # And on the axes that the image lacks: shown is what is within half a pixel of the slider.
    for axis, position in _slider_positions(dims, layer, displayed, to_world).items():
        if axis < shift:
            on_plane &= np.abs(points[:, axis] - position) <= 0.5
    same = layer.ndim == plane.ndim and to_world.almost_equals(
        image_to_world, layer_shape(shown.image)
    )
    return Projection(pixels, on_plane, data[:, list(plane.hidden)], same)


def to_image_data(
    layer: Layer, points: NDArray[Any], image_layer: Image, dims: Dims
) -> NDArray[Any]:
    """Return data coordinates of a layer as those of an image with as many axes.

    They are the same numbers, to the last bit, where both layers lie in the same place.
    """
    here, there = world_map(layer, dims), world_map(image_layer, dims)
    if here.almost_equals(there, layer_shape(image_layer)):
        return points
    return there.inverse()(here(points))


def plane_if_shown(dims: Dims, layer: Layer | None) -> Plane | None:
    """Return the plane of a layer that the viewer shows now; None if there is none."""
    try:
        return None if layer is None else current_plane(dims, layer)
    except PlaneError:
        return None


def show_plane(dims: Dims, layer: Layer, index: Sequence[int | None]) -> None:
    """Move the sliders to a plane of a layer; those of axes that the layer lacks stay.

    A number of a slider's step is no index of the layer: other layers may have finer steps there,
    or begin elsewhere.

    - `index`: as of a :class:`.Plane` of the layer: None for its two axes
    """
    data = data_at(layer, dims.point, dims)
    hidden = [axis for axis, i in enumerate(index) if i is not None]
    data[hidden] = [i for i in index if i is not None]
    world = world_map(layer, dims)(data)
    dims.set_point([axis + dims.ndim - layer.ndim for axis in hidden], world[hidden].tolist())


def _slider_positions(
    dims: Dims, layer: Layer, shown: tuple[int, ...] | list[int], to_world: AffineMap
) -> dict[int, float]:
    """Return the slider's position in data coordinates on each hidden axis of a layer."""
    to_world.on_axes(shown)  # refuses transforms that mix shown with hidden axes
    hidden = [axis for axis in range(layer.ndim) if axis not in shown]
    slider = np.asarray(dims.point[dims.ndim - layer.ndim :])[hidden]
    positions = to_world.on_axes(hidden).inverse()(slider)
    return {axis: float(position) for axis, position in zip(hidden, positions, strict=True)}


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
