"""A plane of any array as the 8-bit picture that the model sees.

Here: :class:`ImageView` (what is to be embedded, as a key and a slow ``read``), reading a plane out
of numpy, dask, zarr, xarray or the like, mapping its values to 8 bit, and laying several coloured
channels over each other.

Not here: layers (``layers``), coordinates (``geometry``), resizing to the model's input
(``samv2``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.geometry import Plane

__all__ = [
    "Channel",
    "Contrast",
    "ImageView",
    "compose_planes",
    "percentile_limits",
    "read_plane",
    "render_plane",
    "to_uint8",
]

Contrast = Literal["displayed", "percentiles"]

# Share of the pixels that may saturate at either end, in percent: enough to ignore hot pixels.
SATURATED = 0.5
# Percentiles are taken from at most about this many pixels, spread evenly.
SAMPLE = 1_000_000
# Values are converted in blocks of rows of about this many values, to bound temporary arrays.
BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class ImageView:
    """What is to be embedded: a name for its content, its size and how to read it.

    Two views are equal when they show the same content.

    Parameters
    ----------
    key : hashable
        Says the content: layer, its data, plane and contrast.
    shape : tuple of int
        ``(height, width)`` of the picture in plane pixels.
    read : callable
        Reads and converts: ``() -> array of shape (height, width) or (height, width, 3), uint8``,
        grey or RGB.  May be slow (disk, network, computation): call it in a worker.  It touches no
        layer.
    """

    key: Hashable
    shape: tuple[int, int]
    read: Callable[[], NDArray[np.uint8]] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One of several images of the same size that are shown together, and how it is shown.

    Attributes
    ----------
    data : array of any kind
    limits, gamma
        As for :func:`render_plane`.
    colours : array of shape (256, 4), float
        The colormap as RGBA in [0, 1].
    opacity : float
    blending : str
        How the viewer lays it over the channels below: "additive", "translucent",
        "translucent_no_depth", "opaque", "minimum" or "multiplicative".
    rgb : bool
        Whether the data has colours of its own, so that the colormap means nothing.
    """

    data: Any
    limits: tuple[float, float]
    gamma: float
    colours: NDArray[np.float64]
    opacity: float = 1.0
    blending: str = "additive"
    rgb: bool = False


def compose_planes(channels: Sequence[Channel], plane: Plane) -> NDArray[np.uint8]:
    """Lay the same plane of several channels over each other, as a viewer does on a black canvas.

    Parameters
    ----------
    channels : sequence of Channel
        The lowest first.
    plane : Plane
        Of each of them.

    Returns
    -------
    array of shape (H, W, 3), uint8
    """
    pictures = [
        render_plane(c.data, plane, rgb=c.rgb, limits=c.limits, gamma=c.gamma) for c in channels
    ]
    out = np.empty((*plane.shape, 3), dtype=np.uint8)
    rows = max(1, BLOCK // (4 * plane.shape[1]))
    for start in range(0, plane.shape[0], rows):
        block = np.s_[start : start + rows]
        colour: NDArray[Any] | None = None  # nothing but the canvas yet
        for channel, picture in zip(channels, pictures, strict=True):
            colour = _blended(colour, channel, picture[block])
        if colour is not None:
            out[block] = np.rint(np.clip(colour, 0, 1) * 255)
    return out


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


def render_plane(
    data: Any,
    plane: Plane,
    *,
    rgb: bool = False,
    limits: tuple[float, float] | None = None,
    gamma: float = 1.0,
) -> NDArray[np.uint8]:
    """Read a plane and map its values to 8 bit.

    Parameters
    ----------
    data : array of any kind
        With the plane's axes, then one of 3 or 4 channels if ``rgb``.
    plane : Plane
    rgb : bool
    limits : tuple of float, optional
        Values that become 0 and 255.  None: percentiles of the plane; RGB of 8 bit stays as it is.
    gamma : float

    Returns
    -------
    array of shape (H, W) or (H, W, 3), uint8
        RGBA is laid over black, as on the viewer's canvas.
    """
    values = read_plane(data, plane)
    colour, alpha = (values[..., :3], values[..., 3:]) if rgb else (values, values[..., :0])
    if limits is None:
        unchanged = rgb and values.dtype == np.uint8
        limits = (0.0, 255.0) if unchanged else percentile_limits(colour)
    picture = to_uint8(colour, limits, gamma)
    if rgb and alpha.shape[-1]:
        opaque = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
        alpha = np.clip(np.nan_to_num(alpha), 0, opaque) / opaque
        picture = np.rint(picture * alpha).astype(np.uint8)
    return picture


def read_plane(data: Any, plane: Plane) -> NDArray[Any]:
    """Read one plane, and nothing else, of an array.

    Parameters
    ----------
    data : array of any kind
        Anything that takes whole numbers and slices as index (numpy, dask, zarr, xarray,
        tensorstore).

    Returns
    -------
    array of shape (H, W) or (H, W, channels)
        As shown: transposed if the plane is.

    Raises
    ------
    ValueError
        If the values are neither bool, whole nor real numbers.
    """
    values = np.asarray(data[plane.indexer()])
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"An image of type {values.dtype} can't be segmented; convert it to real numbers."
        )
    return plane.oriented(values)


def percentile_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Return the values between which all but a few of the finite pixels lie.

    Parameters
    ----------
    values : array of shape (H, W) or (H, W, channels)

    Returns
    -------
    tuple of float
        Equal if the image is constant, (0, 0) if no pixel is finite.
    """
    step = max(1, int(np.sqrt(values.size / SAMPLE)))
    sample = values[::step, ::step]
    sample = sample.astype(np.float64)[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(sample, (SATURATED, 100 - SATURATED))
    if low == high:  # a few bright spots on a constant ground
        low, high = sample.min(), sample.max()
    return float(low), float(high)


def to_uint8(
    values: NDArray[Any], limits: tuple[float, float], gamma: float = 1.0
) -> NDArray[np.uint8]:
    """Map values linearly between two limits, then by gamma, to 0...255, as a viewer displays them.

    Parameters
    ----------
    values : array of any shape; bool, whole or real numbers
        NaN becomes 0; what is beyond a limit, infinities too, saturates.
    limits : tuple of float
        The values for 0 and 255.  If they are equal, only what is above them is 255.
    gamma : float

    Returns
    -------
    array of the same shape, uint8
    """
    if values.dtype == np.uint8 and limits == (0.0, 255.0) and gamma == 1.0:
        return np.array(values, dtype=np.uint8)  # a copy: the layer's own array may change
    if np.issubdtype(values.dtype, np.bool_):
        return to_uint8(values.view(np.uint8), limits, gamma)
    if np.issubdtype(values.dtype, np.integer) and values.dtype.itemsize <= 2:
        info = np.iinfo(values.dtype)
        table = _mapped(np.arange(info.min, info.max + 1), limits, gamma)
        return table[values] if info.min == 0 else table[values.astype(np.int32) - info.min]
    out = np.empty(values.shape, dtype=np.uint8)
    rows = max(1, BLOCK * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        out[start : start + rows] = _mapped(values[start : start + rows], limits, gamma)
    return out


def _mapped(values: NDArray[Any], limits: tuple[float, float], gamma: float) -> NDArray[np.uint8]:
    low, high = limits
    if not high > low:
        return np.where(values > low, np.uint8(255), np.uint8(0))
    # Clip before scaling, so that infinities and huge values don't overflow.
    shares = (np.clip(values.astype(np.float64), low, high) - low) / (high - low)
    if gamma != 1:
        shares **= gamma
    return np.rint(np.nan_to_num(shares) * 255).astype(np.uint8)
