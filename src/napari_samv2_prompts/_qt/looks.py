"""What the model sees: the chosen image in one contrast or another, or all channels together.

How values become a picture is in ``images``; when it is embedded again, the session decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from napari.layers import Image

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import Contrast, ImageView
from napari_samv2_prompts.layers import composed_view, image_view

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

__all__ = ["Look", "cover_the_same", "view_of"]

Look = Contrast | Literal["channels"]


def view_of(viewer: Viewer, image: Image, plane: Plane, look: Look) -> ImageView:
    """Return what is to be embedded for a plane of an image; quick, reads no pixels.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : napari.layers.Image
    plane : Plane
        The shown plane of it.
    look : {"displayed", "percentiles", "channels"}
        The image as displayed, or in a contrast of its own, or with all other visible images that
        lie in the same place.
    """
    if look != "channels":
        return image_view(image, plane, look)
    layers = [layer for layer in viewer.layers if isinstance(layer, Image) and layer.visible]
    channels = [layer for layer in layers if cover_the_same(image, layer)]
    return composed_view(channels or [image], plane, viewer.dims)


def cover_the_same(one: Layer, other: Layer) -> bool:
    """Whether two layers lie in the same place of the world."""
    here, there = one.extent.world, other.extent.world
    return bool(here.shape == there.shape and np.allclose(here, there))
