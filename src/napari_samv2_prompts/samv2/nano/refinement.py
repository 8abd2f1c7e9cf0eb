"""Convolutions that shape a mask from what lies next to it, in the decoder's upscaling.

The published decoder's last layers look at each cell alone, and a strong trunk has told the cell
what it needs.  A small trunk has not: a few convolutions at the fine strides, where the prompt is
already known, find outlines and keep masks in one piece.  Dilation widens their view (Yu and
Koltun, *Multi-Scale Context Aggregation by Dilated Convolutions*, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor, nn

from napari_samv2_prompts.samv2.modeling.layers import Mlp
from napari_samv2_prompts.samv2.ops.kernels import gelu

Layer = TypeVar("Layer", bound=nn.Module)


def begin_at_zero(layer: Layer) -> Layer:
    """Let a layer whose result is added to something begin by adding nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def judging(measures: int, hidden: int) -> Mlp:
    """Return what makes one number of measures, with two hidden layers; begins with 0."""
    head = Mlp(measures, hidden, hidden, 1, activation="relu")
    begin_at_zero(head.layers[-1])
    return head


class DilatedBlock(nn.Module):
    """A residual pair of convolutions, 3 x 3 with holes and 1 x 1; begins as the identity."""

    def __init__(self, width: int, hidden: int, dilation: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, hidden, kernel_size=3, padding=dilation, dilation=dilation)
        self.join = begin_at_zero(nn.Conv2d(hidden, width, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        """Refine a map ``(P, C, H, W)``."""
        joined: Tensor = x + self.join(gelu(self.look(x)))
        return joined


def refinement(width: int, hidden: int, dilations: Sequence[int]) -> nn.Sequential:
    """Return blocks of these dilations, one after the other."""
    return nn.Sequential(*(DilatedBlock(width, hidden, dilation) for dilation in dilations))
