"""The plane that the viewer shows of an image, and coordinates of other layers on it.

Here: reading ``Dims``, transforms and units into the values of ``geometry``, and naming what is to
be embedded.  Not here: prompts (``prompt_reading``), values of pixels (``images``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap, Plane, PlaneError
from napari_samv2_prompts.images import Contrast, ImageView

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Layer
    from numpy.typing import ArrayLike, NDArray

__all__ = ["current_plane", "image_view", "on_plane", "world_map"]


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
    raise NotImplementedError


def image_view(
    image_layer: Image, plane: Plane, contrast: Contrast = "displayed", *, revision: int = 0
) -> ImageView:
    """Return what is to be embedded: a key that says the content, and a function that reads it.

    Quick, for the GUI thread; ``view.read()`` is for the worker and touches no layer.

    Parameters
    ----------
    image_layer : napari.layers.Image
    plane : Plane
        From :func:`current_plane` of the same layer.
    contrast : {"displayed", "percentiles"}
        Map values as the viewer does (contrast limits and gamma), or by percentiles of the plane.
        RGB images are taken as they are.
    revision : int, optional
        Count up to have edits in place noticed.  Replaced data (``layer.data = ...``) is noticed
        without it.
    """
    raise NotImplementedError
