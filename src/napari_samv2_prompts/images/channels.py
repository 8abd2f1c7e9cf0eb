"""Several coloured channels laid over each other, as a viewer does on a black canvas.

Not here: reading and mapping one channel (``rendering``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .rendering import render_plane
from .values import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One of several images of the same size that are shown together, and how it is shown."""

    data: Any  # array of any kind, or tuple of the levels of a pyramid
    # As for :func:`render_plane`.
    limits: tuple[float, float]
    gamma: float
    colours: NDArray[np.float64]  # shape (256, 4): the colormap as RGBA in [0, 1]
    opacity: float = 1.0
    # How the viewer lays it over the channels below: "additive", "translucent",
    # "translucent_no_depth", "opaque", "minimum" or "multiplicative".
    blending: str = "additive"
    rgb: bool = False  # whether the data has colours of its own, so that the colormap means nothing


def compose_planes(
    channels: Sequence[Channel],
    plane: Plane,
    *,
    region: Region | None = None,
    side: int | None = None,
) -> NDArray[np.uint8]:
    """Lay the same plane of several channels over each other, as a viewer does on a black canvas.

    - `channels`: the lowest first
    - `plane`: of each of them
    - `region`, `side`: as for :func:`render_plane`.  The first channel decides the size of the
      result; channels that are stored in other levels are fitted to it by their nearest pixels.
    - returns an array of shape (h, w, 3), uint8
    """
    pictures: list[NDArray[np.uint8]] = []
    for c in channels:
        picture = render_plane(
            c.data, plane, rgb=c.rgb, limits=c.limits, gamma=c.gamma, region=region, side=side
        )
        pictures.append(_fitted(picture, pictures[0].shape[:2]) if pictures else picture)
    height, width = pictures[0].shape[:2]
    out = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, BLOCK // (4 * width))
    for start in range(0, height, rows):
        block = np.s_[start : start + rows]
        colour: NDArray[Any] | None = None  # nothing but the canvas yet
        for channel, picture in zip(channels, pictures, strict=True):
            colour = _blended(colour, channel, picture[block])
        if colour is not None:
            out[block] = np.rint(np.clip(colour, 0, 1) * 255)
    return out


def _fitted(picture: NDArray[np.uint8], size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Bring a picture to a size by its nearest pixels."""
    if picture.shape[:2] == size:
        return picture
    rows, columns = (
        ((np.arange(n) + 0.5) * m / n).astype(np.intp)
        for n, m in zip(size, picture.shape, strict=False)
    )
    return picture[np.ix_(rows, columns)]


def _blended(
    below: NDArray[Any] | None, channel: Channel, picture: NDArray[np.uint8]
) -> NDArray[Any]:
    """Lay a channel over what is below; the equations are those of the viewer's blending modes."""
    colour: NDArray[Any]
    alpha: NDArray[Any]
    if channel.rgb:
        colour, alpha = picture / np.float32(255), np.ones((), np.float32)
    else:
        rgba = channel.colours.astype(np.float32)[picture]
        colour, alpha = rgba[..., :3], rgba[..., 3:]
    alpha = alpha * np.float32(channel.opacity)
    if channel.blending == "opaque" or (channel.blending == "minimum" and below is None):
        return colour
    if below is None:
        return colour * alpha
    if channel.blending == "minimum":
        out = np.minimum(below, colour)
    elif channel.blending == "multiplicative":
        out = below * colour
    elif channel.blending == "additive":
        out = below + colour * alpha
    else:
        out = colour * alpha + below * (1 - alpha)
    return np.asarray(out)
