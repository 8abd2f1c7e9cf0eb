"""What a pixel's number means to the network: red, green and blue as ImageNet has them."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's channels in [0, 1]: pixels are normalised with them."""


def colour_statistics(like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel, to be used with pixels ``(B, 3, H, W)``."""
    # Filled and not copied from numbers in Python: a recording on a GPU can't do that.
    mean, deviation = (
        torch.stack([like.new_full((1, 1), value) for value in values])[None]
        for values in (MEAN, DEVIATION)
    )
    return mean, deviation


def to_unit(pixels: Tensor) -> Tensor:
    """Return normalised pixels ``(B, 3, H, W)`` as RGB in [0, 1]."""
    mean, deviation = colour_statistics(pixels)
    return pixels * deviation + mean
