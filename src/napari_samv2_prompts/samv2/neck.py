"""The feature pyramid on top of the trunk: every level brought to one width.

Lin et al., *Feature Pyramid Networks for Object Detection* (2017), in the form SAM 2 uses: 1 x 1
convolutions, and only the levels that a variant names receive the next coarser one.  The coarsest
level is used for that alone and is not returned.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FpnNeck", "pointwise"]


def pointwise(x: Tensor, conv: nn.Module) -> Tensor:
    """Apply a 1 x 1 convolution to a channels-last map, as the matrix product that it is."""
    assert isinstance(conv, nn.Conv2d)
    return F.linear(x, conv.weight.flatten(1), conv.bias)


class FpnNeck(nn.Module):
    """Lateral convolutions and top-down sums.

    Parameters
    ----------
    stage_widths : tuple of 4 int
        Channels of the trunk's stages, finest first.
    width : int
        Channels of the result.
    top_down_levels : tuple of int
        Levels (0 is the finest) that add the next coarser level.
    """

    def __init__(
        self, stage_widths: tuple[int, ...], width: int, top_down_levels: tuple[int, ...]
    ) -> None:
        super().__init__()
        # convs.0 belongs to the coarsest level, as in the published files.
        self.convs = nn.ModuleList()
        for channels in reversed(stage_widths):
            level = nn.Sequential()
            level.add_module("conv", nn.Conv2d(channels, width, kernel_size=1))
            self.convs.append(level)
        self.top_down_levels = top_down_levels

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        """Return maps of strides 4, 8 and 16, channels last: ``(B, H, W, width)``.

        Parameters
        ----------
        stages : list of 4 Tensor
            Maps of strides 4, 8, 16 and 32, as :class:`.hiera.Hiera` gives them.
        """
        levels: list[Tensor] = []
        above: Tensor | None = None
        last = len(stages) - 1
        for level in range(last, -1, -1):
            x = pointwise(stages[level], self.convs[last - level].get_submodule("conv"))
            if above is not None and level in self.top_down_levels:
                # Summed in float32, as published: half precision would round the sum twice.
                coarse = above.float().repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                x = (x.float() + coarse).to(x.dtype)
            above = x
            levels.append(x)
        return levels[::-1][:last]
