"""From a user's image to the network's pixels: checks, stretching to the input square, colours.

Only 8-bit images are taken here: how 12-bit or float data become 8 bits is a choice that the
caller has to make (the plugin makes it as displayed, in ``images``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.pixels import colour_statistics
from napari_samv2_prompts.samv2.ops.resampling import device_to_resize_on

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 256  # rows of the image in memory as floats


def check_image(image: object) -> NDArray[np.uint8]:
    """Return the image as an array, or say what is wrong with it.

    - `image`: array-like of shape (H, W) or (H, W, 3), uint8; grey or RGB.  A PIL image will do.
    - raises ValueError if shape, channels or number type are different; the message says how to
      convert
    """
    array = np.asarray(image)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] != 3):
        raise ValueError(_shape_message(array.shape))
    if array.size == 0:
        raise ValueError(f"The image is empty: its shape is {array.shape}.")
    if array.dtype != np.uint8:
        raise ValueError(_dtype_message(array))
    return array


def _shape_message(shape: tuple[int, ...]) -> str:
    start = f"The image must have shape (H, W) or (H, W, 3), not {shape}"
    if len(shape) == 3 and shape[-1] == 4:
        return f"{start}: drop the alpha channel with image[..., :3]."
    if len(shape) == 3 and shape[-1] == 1:
        return f"{start}: drop the last axis with image[..., 0]."
    if len(shape) == 3 and shape[0] == 3:
        return f"{start}: move the channels last with np.moveaxis(image, 0, -1)."
    if len(shape) >= 3:
        return f"{start}: take one plane, such as image[0]."
    return f"{start}."


def _dtype_message(array: NDArray[np.generic]) -> str:
    start = f"The image must be uint8 (0 to 255), not {array.dtype}"
    if array.dtype == np.bool_:
        return f"{start}: convert it with image.astype(np.uint8) * 255."
    has_nan = np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    fill = " after replacing NaN and infinite values with np.nan_to_num(image)" if has_nan else ""
    return (
        f"{start}: choose the values that become black and white and convert{fill}, for example "
        "(np.clip((image - low) / (high - low), 0, 1) * 255).astype(np.uint8)."
    )


def to_pixels(image: NDArray[np.uint8], side: int, device: torch.device) -> Tensor:
    """Stretch an image to the input square and normalise it.

    Bilinear with antialiasing and without keeping the aspect, as the published predictor does.

    - `image`: array of shape (H, W) or (H, W, 3), uint8
    - `side`: side of the square in pixels
    - `device`: where the pixels go, and where it is done if that is possible
    - returns a Tensor of shape (1, 3, side, side), float32
    """
    grey = image.ndim == 2
    # A copy only where torch needs one: it takes neither read-only nor negatively strided arrays.
    source = np.require(image, requirements=["C", "W"])
    channels = torch.from_numpy(source).to(device_to_resize_on(device))
    channels = channels[None] if grey else channels.permute(2, 0, 1)
    pixels = _resize(channels, side).to(device)
    if grey:
        pixels = pixels.expand(1, 3, side, side)
    mean, deviation = colour_statistics(pixels)
    return (pixels * (1 / (255 * deviation))).sub_(mean / deviation)


def _resize(channels: Tensor, side: int) -> Tensor:
    """Resize ``(C, H, W)`` uint8 to ``(1, C, side, side)`` float32.

    Rows first, some at a time, then columns: as torch does it, without a whole image of floats.
    """

    def resized(x: Tensor, height: int) -> Tensor:
        size = (height, side)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False, antialias=True)

    rows = channels[None].split(_ROWS_AT_ONCE, dim=2)
    wide = [resized(part.to(torch.float32), part.shape[2]) for part in rows]
    return resized(torch.cat(wide, dim=2), side)
