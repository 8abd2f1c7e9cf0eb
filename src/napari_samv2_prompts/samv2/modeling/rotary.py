"""Rotary positions of a map: each pair of channels turns by an angle that grows along x or y.

Su et al., *RoFormer* (2021), in the axial form of Heo et al., *Rotary Position Embedding for Vision
Transformer* (2024), as SAM 2's memory attention has it: half of the pairs turn with x, half with y.
After turning, the product of a query and a key depends on how far apart they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

THETA = 10000.0


def rotation(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return cosines and sines of the angles of each cell.

    - `height`, `width`: of the map, in cells
    - `channels`: of queries and keys; a multiple of 4
    - returns a Tensor of shape (2, height * width, channels / 2), float32
    """
    exponents = torch.arange(channels // 4, device=device, dtype=torch.float32) * (4 / channels)
    frequencies = THETA**-exponents
    x = torch.arange(width, device=device, dtype=torch.float32)[:, None] * frequencies
    y = torch.arange(height, device=device, dtype=torch.float32)[:, None] * frequencies
    across, down = x[None].expand(height, -1, -1), y[:, None].expand(-1, width, -1)
    angles = torch.cat([across, down], dim=-1).flatten(0, 1)
    return torch.stack([angles.cos(), angles.sin()])


def halves_of_pairs(channels: int, device: torch.device) -> Tensor:
    """Return the order of channels in which the first of all pairs come first.

    Published weights have the two channels of a pair side by side.  Queries and keys in another
    order have the same products, and halves are turned several times faster than neighbours.
    """
    return torch.arange(channels, device=device).unflatten(0, (-1, 2)).T.flatten()


def turned(x: Tensor, cos_sin: Tensor) -> Tensor:
    """Turn queries or keys ``(..., M, C)``, in the order of :func:`halves_of_pairs`.

    Computed in float32, returned in the number type of ``x``.
    """
    cos, sin = cos_sin
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)
