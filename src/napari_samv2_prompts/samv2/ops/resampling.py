"""Reading maps between their cells and resizing images, on devices that cannot do all of it.

PyTorch on Apple GPUs refuses, in versions that we allow, to read beyond the border of a map and to
resize with antialiasing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def device_to_resize_on(device: torch.device) -> torch.device:
    """Return where an image for this device is resized with antialiasing."""
    return torch.device("cpu") if device.type == "mps" else device


def sample_bilinear(maps: Tensor, places: Tensor) -> Tensor:
    """Read maps between their cells; beyond the border lies what is at the border.

    - `maps`: Tensor of shape (B, C, H, W)
    - `places`: Tensor of shape (B, N, 2); ``(x, y)`` in cells, the first one's centre being 0
    - returns a Tensor of shape (B, C, N)
    """
    size = places.new_tensor((maps.shape[3], maps.shape[2]))
    padding = "border"
    if _refuses_borders(maps.device):
        places, padding = places.clamp_min(0).minimum(size - 1), "zeros"
    grid = (places + 0.5) * (2 / size) - 1
    sampled = F.grid_sample(
        maps, grid[:, :, None], mode="bilinear", padding_mode=padding, align_corners=False
    )
    return sampled[..., 0]


def _refuses_borders(device: torch.device) -> bool:
    return device.type == "mps"
