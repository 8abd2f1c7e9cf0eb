"""Stretch every image to its full contrast, as the small model wants it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.pixels import colour_statistics, to_unit

DARKEST, BRIGHTEST = 0.001, 0.999
"""Shares of an image's cells that become black and white."""
LEAST_RANGE = 16 / 255
"""An image of less contrast is not stretched to the full range: it would be noise."""


def stretch_contrast(pixels: Tensor) -> Tensor:
    """Stretch each image to the full range of brightness, all channels alike.

    Extremes are looked for among means of 4 x 4 pixels, so that single hot pixels do not count.

    - `pixels`: Tensor of shape (B, 3, S, S); normalised with ImageNet's mean and deviation, as is
      the result
    """
    pixels = pixels.float()
    mean, deviation = colour_statistics(pixels)
    cells = to_unit(F.avg_pool2d(pixels, 4)).flatten(1)
    low, high = (end[:, None, None, None] for end in _quantiles(cells, (DARKEST, BRIGHTEST)))
    reach = (high - low).clamp_min(LEAST_RANGE)
    unit = (pixels * (deviation / reach)).add_((mean - low) / reach).clamp_(0, 1)
    return unit.sub_(mean).div_(deviation)


def _quantiles(rows: Tensor, shares: tuple[float, ...]) -> list[Tensor]:
    """Return the values below which these shares of each row lie, interpolated linearly."""
    if rows.device.type == "cpu":
        # numpy looks for a few values; sorting all takes five times as long.
        found = np.quantile(rows.numpy(), shares, axis=1)
        return [torch.from_numpy(values).to(rows) for values in found]
    return _sorted_quantiles(rows, shares)


def _sorted_quantiles(rows: Tensor, shares: tuple[float, ...]) -> list[Tensor]:
    ordered, last = rows.sort(dim=1).values, rows.shape[1] - 1
    places = [(min(int(share * last), last - 1), share * last) for share in shares]
    return [torch.lerp(ordered[:, low], ordered[:, low + 1], at - low) for low, at in places]
