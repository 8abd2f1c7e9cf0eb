"""Positional encodings: random Fourier features for prompts and the image grid.

The sine encoding of the published neck is used by the video memory only, never by the image path,
and is therefore not here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["RandomFourierEncoding"]


class RandomFourierEncoding(nn.Module):
    """Encode positions in the unit square with fixed random frequencies.

    Tancik et al., *Fourier Features Let Networks Learn High Frequency Functions* (2020), as used
    by the prompt encoder of SAM: ``[sin(2 pi B c), cos(2 pi B c)]`` with ``c`` in ``[-1, 1]``.

    Parameters
    ----------
    width : int
        Channels of the result; half are sines, half cosines.
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
