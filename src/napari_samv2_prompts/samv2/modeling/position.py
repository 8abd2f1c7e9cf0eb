"""Positional encodings: random Fourier features for prompts and the image grid, sines for memories.

Rotary positions, which turn queries and keys, are in :mod:`.rotary`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TEMPERATURE = 10000.0


class RandomFourierEncoding(nn.Module):
    """Encode positions in the unit square with fixed random frequencies.

    Tancik et al., *Fourier Features Let Networks Learn High Frequency Functions* (2020), as used
    by the prompt encoder of SAM: ``[sin(2 pi B c), cos(2 pi B c)]`` with ``c`` in ``[-1, 1]``.

    - `width`: channels of the result; half are sines, half cosines
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, width // 2))

    def forward(self, unit_coords: Tensor) -> Tensor:
        """Encode ``(..., 2)`` coordinates ``(x, y)`` in ``[0, 1]`` as ``(..., width)``.

        Computed in float32 whatever the network's number type: the phases reach hundreds of
        radians, where half precision has no digits left.
        """
        matrix = self.positional_encoding_gaussian_matrix
        phase = (2 * unit_coords.float() - 1) @ matrix.float() * (2 * math.pi)
        return torch.cat([phase.sin(), phase.cos()], dim=-1).to(matrix.dtype)

    def grid(self, height: int, width: int) -> Tensor:
        """Return the encoding of every cell's centre of a grid, ``(height * width, C)``.

        The phase is a sum of a part of x and a part of y, so sines and cosines of rows and columns
        are enough: ``sin(a + b) = sin a cos b + cos a sin b``, and its like for the cosine.
        """
        matrix = self.positional_encoding_gaussian_matrix.float()

        def phases(length: int, frequencies: Tensor) -> Tensor:
            centres = (torch.arange(length, device=matrix.device) + 0.5) / length
            return (2 * centres - 1)[:, None] * frequencies * (2 * math.pi)

        across, down = phases(width, matrix[0])[None], phases(height, matrix[1])[:, None]
        sin_x, cos_x, sin_y, cos_y = across.sin(), across.cos(), down.sin(), down.cos()
        sines, cosines = sin_x * cos_y + cos_x * sin_y, cos_x * cos_y - sin_x * sin_y
        encoding = torch.cat([sines, cosines], dim=-1).flatten(0, 1)
        return encoding.to(self.positional_encoding_gaussian_matrix.dtype)


def _periods(channels: int, device: torch.device) -> Tensor:
    """Return the periods of ``channels`` sines and cosines, each for two of them."""
    pairs = torch.arange(channels, device=device) // 2
    return TEMPERATURE ** (2 * pairs.float() / channels)


def sines(values: Tensor, channels: int) -> Tensor:
    """Encode numbers ``(N,)`` as ``(N, channels)``: sines, then cosines (Vaswani et al. 2017)."""
    phases = values.float()[:, None] / _periods(channels // 2, values.device)
    return torch.cat([phases.sin(), phases.cos()], dim=-1)


def sine_grid(height: int, width: int, channels: int, device: torch.device) -> Tensor:
    """Return the sine position of each cell of a grid, float32.

    As in Carion et al., *End-to-End Object Detection with Transformers* (2020): places count from
    one to a full turn at the last row and column.

    Returns Tensor of shape (height * width, channels); half for y, then half for x, with sines and
    cosines in turn.
    """
    periods = _periods(channels // 2, device)

    def along(length: int) -> Tensor:
        places = torch.arange(1, length + 1, device=device, dtype=torch.float32)
        phases = (places / (length + 1e-6) * (2 * math.pi))[:, None] / periods
        return torch.stack([phases[:, 0::2].sin(), phases[:, 1::2].cos()], dim=-1).flatten(1)

    down, across = along(height)[:, None], along(width)[None]
    cells = (down.expand(-1, width, -1), across.expand(height, -1, -1))
    return torch.cat(cells, dim=-1).flatten(0, 1)
