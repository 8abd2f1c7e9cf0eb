"""Small layers that several parts of the network are made of."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.ops.kernels import Activation, linear

Linear = tuple[Tensor, Tensor]
"""Weight ``(out, in)`` and bias ``(out,)``."""


class Mlp(nn.Module):
    """Linear layers with an activation between them; the keys are ``layers.0``, ``layers.1`` ...

    - `widths`: width of the input, of each hidden layer and of the output
    """

    def __init__(self, *widths: int, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.activation: Activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(..., widths[0])`` to ``(..., widths[-1])``."""
        *hidden, last = (layer for layer in self.layers if isinstance(layer, nn.Linear))
        for layer in hidden:
            x = linear(x, layer, self.activation)
        return linear(x, last)


class LayerNorm2d(nn.Module):
    """Layer norm over the channels of ``(B, C, H, W)``; eps 1e-6 throughout SAM 2."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def over_last(self, x: Tensor) -> Tensor:
        """Normalise the channels where they are the last axis."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x, weight.shape, weight, bias, self.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each position's channels."""
        return self.over_last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def as_linear(conv: nn.Module) -> Linear:
    """Return weight ``(out, in)`` and bias ``(out,)`` of a 1 x 1 convolution."""
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    return conv.weight.flatten(1), conv.bias


def pointwise(x: Tensor, conv: nn.Module) -> Tensor:
    """Apply a 1 x 1 convolution to a channels-last map, as the matrix product that it is."""
    weight, bias = as_linear(conv)
    return F.linear(x.to(weight.dtype), weight, bias)


def pointwise_pair(x: Tensor, first: Linear, second: Linear) -> Tensor:
    """Apply two 1 x 1 convolutions in a row as one."""
    (weight_1, bias_1), (weight_2, bias_2) = first, second
    return F.linear(x.to(weight_1.dtype), weight_2 @ weight_1, weight_2 @ bias_1 + bias_2)
