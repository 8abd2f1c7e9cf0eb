"""What is to be embedded: a plane of an image, or of all channels together.

Quick, for the GUI thread: pixels are read in the worker, when a view is.  Not here: which plane
(``planes``), values of pixels (``images``).
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.images import Channel, Contrast, ImageView, compose_planes, render_plane
from napari_samv2_prompts.layers.planes import layer_shape, world_map
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Layer

Rendering = Contrast | Literal["channels"]


def view_of(
    layers: Sequence[Layer], image: Image, plane: Plane, dims: Dims, rendering: Rendering
) -> ImageView:
    """Return what is to be embedded for a plane of an image.

    - `layers`: of the viewer, the lowest first
    - `plane`: the shown plane of it
    - `rendering`: {"displayed", "percentiles", "channels"}; the image as displayed, or in a
      contrast of its own, or with all other visible images that lie in the same place
    """
    if rendering != "channels":
        return image_view(image, plane, rendering)
    channels = [
        layer
        for layer in layers
        if is_image(layer) and layer.visible and cover_the_same(image, layer)
    ]
    return composed_view(channels or [image], plane, dims)


def is_image(layer: Layer) -> bool:
    """Tell an Image layer from Labels and others that hold no picture."""
    return hasattr(layer, "contrast_limits") and hasattr(layer, "rgb")


def cover_the_same(one: Layer, other: Layer) -> bool:
    """Whether two layers lie in the same place of the world."""
    here, there = one.extent.world, other.extent.world
    return bool(here.shape == there.shape and np.allclose(here, there))


def image_view(image_layer: Image, plane: Plane, contrast: Contrast = "displayed") -> ImageView:
    """Return what is to be embedded: a key that says the content, and a function that reads it.

    It is the whole plane, in every pixel; ``view.within`` gives a part of it for a model.  Quick,
    for the GUI thread; ``view.read()`` is for the worker and touches no layer.

    - `plane`: from :func:`current_plane` of the same layer
    - `contrast`: {"displayed", "percentiles"}; map values as the viewer does (contrast limits and
      gamma), or by percentiles of the plane. RGB images of 8 bit are taken as they are by the
      latter.
    """
    limits, gamma = contrast_of(image_layer) if contrast == "displayed" else (None, 1.0)
    return mapped_view(image_layer, plane, limits, gamma)


def contrast_of(image: Image) -> tuple[tuple[float, float], float]:
    """Return the contrast limits and the gamma in which the viewer shows an image."""
    low, high = image.contrast_limits
    return (float(low), float(high)), float(image.gamma)


def mapped_view(
    image_layer: Image,
    plane: Plane,
    limits: tuple[float, float] | None,
    gamma: float = 1.0,
    *,
    alpha: bool = True,
) -> ImageView:
    """Return the view of a plane in a contrast that the layer need not have now.

    - `image_layer`, `plane`: as for :func:`image_view`
    - `limits`: values that become black and white; None for percentiles of the plane
    - `alpha`: whether what is transparent is black, as on the canvas
    """
    data, rgb = _levels(image_layer), bool(image_layer.rgb)
    return ImageView(
        picture=(image_layer.unique_id, _Same(image_layer.data), plane, limits, gamma, alpha),
        shape=plane.shape,
        region=Region.whole(plane.shape),
        render=partial(render_plane, data, plane, rgb=rgb, limits=limits, gamma=gamma, alpha=alpha),
        contrast=(limits, gamma),
    )


def composed_view(layers: Sequence[Image], plane: Plane, dims: Dims) -> ImageView:
    """Return the picture of several channels together, in their colours and blending.

    - `layers`: the channels, the lowest of the viewer first; hidden ones count like the others
    - `plane`: of the first one
    - raises PlaneError if they don't have the same shape and place
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
        limits, gamma = contrast_of(layer)
        channel = Channel(
            data=_levels(layer),
            limits=limits,
            gamma=gamma,
            colours=np.asarray(layer.colormap.map(np.linspace(0, 1, 256)), dtype=np.float64),
            opacity=float(layer.opacity),
            blending=str(layer.blending),
            rgb=bool(layer.rgb),
        )
        channels.append(channel)
        shown_as = channel.limits, channel.gamma, channel.opacity, channel.blending
        key.append((layer.unique_id, _Same(layer.data), shown_as, channel.colours.tobytes()))
    return ImageView(
        picture=(tuple(key), plane),
        shape=plane.shape,
        region=Region.whole(plane.shape),
        render=partial(compose_planes, tuple(channels), plane),
    )


def _levels(layer: Image) -> Any:
    """Return a layer's array, or all levels of its pyramid as a tuple, the full size first."""
    return tuple(layer.data) if layer.multiscale else layer.data


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
