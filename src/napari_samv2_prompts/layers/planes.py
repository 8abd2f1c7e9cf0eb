"""The plane that the viewer shows of an image, and coordinates of other layers on it.

Here: reading ``Dims``, transforms and units into the values of ``geometry``, and naming what is to
be embedded.  Not here: prompts (``prompt_reading``), values of pixels (``images``).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap, Plane, PlaneError
from napari_samv2_prompts.images import (
    Channel,
    Contrast,
    ImageView,
    compose_planes,
    render_plane,
)
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

__all__ = [
    "composed_view",
    "current_plane",
    "image_view",
    "layer_shape",
    "mapped_view",
    "project_to_plane",
    "to_image_data",
    "world_map",
]

# Transforms are measured at points this many pixels from the origin: close to it, a large translate
# would swallow the digits of a small scale.
FAR = 2.0**20


def current_plane(dims: Dims, image_layer: Image) -> Plane:
    """Return the plane of an image that the viewer shows now.

    Reads only sizes and transforms, never pixels.

    Parameters
    ----------
    dims : napari.components.Dims
        ``viewer.dims``.
    image_layer : napari.layers.Image

    Returns
    -------
    Plane
        Hashable; equal as long as the viewer shows the same pixels in the same orientation.

    Raises
    ------
    PlaneError
        If there is no single plane: 3D display, slider beside the image, thick slicing, a transform
        that mixes shown and hidden axes, an empty image.  The message is one sentence for the user.
    """
    if dims.ndisplay != 2:
        raise PlaneError("The viewer shows a volume; switch it from 3D to 2D display to segment.")
    shape = layer_shape(image_layer)
    if min(shape) < 1:
        raise PlaneError(f"The image {image_layer.name!r} is empty.")
    extra = dims.ndim - len(shape)  # axes of the viewer that the image doesn't have
    rows, columns = (axis - extra for axis in dims.displayed)
    if extra < 0 or min(rows, columns) < 0:
        raise PlaneError(
            f"The image {image_layer.name!r} doesn't have the axes that are shown;"
            " roll or transpose the axes back."
        )
    index: list[int | None] = [None] * len(shape)
    for axis, position in _slider_positions(
        dims, image_layer, (rows, columns), world_map(image_layer, dims)
    ).items():
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


def image_view(
    image_layer: Image, plane: Plane, contrast: Contrast = "displayed", *, revision: int = 0
) -> ImageView:
    """Return what is to be embedded: a key that says the content, and a function that reads it.

    It is the whole plane, in every pixel; ``view.within`` gives a part of it for a model.  Quick,
    for the GUI thread; ``view.read()`` is for the worker and touches no layer.

    Parameters
    ----------
    image_layer : napari.layers.Image
    plane : Plane
        From :func:`current_plane` of the same layer.
    contrast : {"displayed", "percentiles"}
        Map values as the viewer does (contrast limits and gamma), or by percentiles of the plane.
        RGB images of 8 bit are taken as they are by the latter.
    revision : int, optional
        Count up to have edits in place noticed.  Replaced data (``layer.data = ...``) is noticed
        without it.
    """
    limits, gamma = None, 1.0
    if contrast == "displayed":
        low, high = image_layer.contrast_limits
        limits, gamma = (float(low), float(high)), float(image_layer.gamma)
    return mapped_view(image_layer, plane, limits, gamma, revision=revision)


def mapped_view(
    image_layer: Image,
    plane: Plane,
    limits: tuple[float, float] | None,
    gamma: float = 1.0,
    *,
    revision: int = 0,
) -> ImageView:
    """Return the view of a plane in a contrast that the layer need not have now.

    Parameters
    ----------
    image_layer, plane, revision
        As for :func:`image_view`.
    limits : tuple of float, optional
        Values that become black and white; None for percentiles of the plane.
    gamma : float
    """
    data, rgb = _levels(image_layer), bool(image_layer.rgb)
    return ImageView(
        picture=(image_layer.unique_id, _Same(image_layer.data), revision, plane, limits, gamma),
        shape=plane.shape,
        region=Region.whole(plane.shape),
        render=partial(render_plane, data, plane, rgb=rgb, limits=limits, gamma=gamma),
        contrast=(limits, gamma),
    )


def composed_view(
    layers: Sequence[Image], plane: Plane, dims: Dims, *, revision: int = 0
) -> ImageView:
    """Return the picture of several channels together, in their colours and blending.

    Parameters
    ----------
    layers : sequence of Image
        The channels, the lowest of the viewer first; hidden ones count like the others.
    plane : Plane
        Of the first one.
    dims : Dims
    revision : int, optional
        As for :func:`image_view`.

    Raises
    ------
    PlaneError
        If they don't have the same shape and place.
    """
    first, channels, key = layers[0], [], []
    for layer in layers:
        here = layer_shape(layer) == layer_shape(first) and world_map(layer, dims).almost_equals(
            world_map(first, dims), layer_shape(first)
        )
        if not here:
            raise PlaneError(
                f"The images {first.name!r} and {layer.name!r} differ in shape or place,"
                " so they can't be used as channels of one picture."
            )
        low, high = (float(limit) for limit in layer.contrast_limits)
        channel = Channel(
            data=_levels(layer),
            limits=(low, high),
            gamma=float(layer.gamma),
            colours=np.asarray(layer.colormap.map(np.linspace(0, 1, 256)), dtype=np.float64),
            opacity=float(layer.opacity),
            blending=str(layer.blending),
            rgb=bool(layer.rgb),
        )
        channels.append(channel)
        look = channel.limits, channel.gamma, channel.opacity, channel.blending
        key.append((layer.unique_id, _Same(layer.data), look, channel.colours.tobytes()))
    return ImageView(
        picture=(tuple(key), revision, plane),
        shape=plane.shape,
        region=Region.whole(plane.shape),
        render=partial(compose_planes, tuple(channels), plane),
    )


def _levels(layer: Image) -> Any:
    """Return a layer's array, or all levels of its pyramid as a tuple, the full size first."""
    return tuple(layer.data) if layer.multiscale else layer.data


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


def project_to_plane(
    layer: Layer, points: NDArray[Any], image_layer: Image, plane: Plane, dims: Dims
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where data coordinates of a layer lie on a plane of the image.

    Axes that the layer doesn't have put no condition on its points: they count on every plane, as
    they are shown on every plane.

    Parameters
    ----------
    layer : Layer
        Points or Shapes, with any transform and units.
    points : array of shape (N, layer.ndim)
    image_layer : Image
    plane : Plane
        Of the image.
    dims : Dims

    Returns
    -------
    pixels : array of shape (N, 2), float64
        ``(x, y)`` on the plane, if need be outside it.
    on_plane : array of shape (N,), bool
        Whether each point is on this plane rather than another.

    Raises
    ------
    PlaneError
        If the layer lacks a shown axis or its transform mixes shown with hidden axes.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, layer.ndim)
    shift = layer.ndim - plane.ndim  # axis of the image + shift = axis of the layer
    shown = [axis + shift for axis in plane.axes]
    if min(shown) < 0:
        raise PlaneError(f"The layer {layer.name!r} doesn't have the axes that are shown.")
    to_world, image_to_world = world_map(layer, dims), world_map(image_layer, dims)
    in_plane = to_world.on_axes(shown).then(image_to_world.on_axes(plane.axes).inverse())
    pixels = in_plane(points[:, shown])[:, ::-1]

    # Where the points are on the image's hidden axes; on the plane itself for axes they lack.
    world = image_to_world(plane.to_data(np.zeros((len(points), 2))))
    shared = min(layer.ndim, plane.ndim)
    world[:, plane.ndim - shared :] = to_world(points)[:, layer.ndim - shared :]
    on_plane = plane.contains(image_to_world.inverse()(world))
    # And on the axes that the image lacks: shown is what is within half a pixel of the slider.
    for axis, position in _slider_positions(dims, layer, shown, to_world).items():
        if axis < shift:
            on_plane &= np.abs(points[:, axis] - position) <= 0.5
    return pixels, on_plane


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


def _slider_positions(
    dims: Dims, layer: Layer, shown: tuple[int, ...] | list[int], to_world: AffineMap
) -> dict[int, float]:
    """Return the slider's position in data coordinates on each hidden axis of a layer."""
    to_world.on_axes(shown)  # refuses transforms that mix shown with hidden axes
    hidden = [axis for axis in range(layer.ndim) if axis not in shown]
    slider = np.asarray(dims.point[dims.ndim - layer.ndim :])[hidden]
    positions = to_world.on_axes(hidden).inverse()(slider)
    return {axis: float(position) for axis, position in zip(hidden, positions, strict=True)}


class _Same:
    """Hashable stand-in for an object: equal only for the very same one, without keeping it alive.

    An id alone would do until the object is gone and another one takes over its place in memory.
    """

    __slots__ = ("_hash", "_ref")

    def __init__(self, thing: object) -> None:
        self._hash = id(thing)
        try:
            self._ref: Any = weakref.ref(thing)
        except TypeError:  # some array classes have no room for weak references
            self._ref = lambda: thing

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._ref() is not None and self._ref() is other._ref()
