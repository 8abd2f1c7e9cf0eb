"""The feature pyramid on top of the trunk: every level brought to one width.

Lin et al., *Feature Pyramid Networks for Object Detection* (2017), in the form SAM 2 uses: 1 x 1
convolutions, and only the levels that a variant names receive the next coarser one.  The coarsest
level is used for that alone and is not returned.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .layers import Linear, as_linear, pointwise, pointwise_pair


class FpnNeck(nn.Module):
    """Lateral convolutions and top-down sums.

    - `stage_widths`: channels of the trunk's stages, finest first
    - `width`: channels of the result
    - `top_down_levels`: levels (0 is the finest) that add the next coarser level
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

    def forward(self, stages: list[Tensor], narrowing: Sequence[Linear]) -> list[Tensor]:
        """Return maps of strides 4, 8 and 16, channels last: ``(B, H, W, C)``.

        - `stages`: maps of strides 4, 8, 16 and 32, as :class:`.hiera.Hiera` gives them
        - `narrowing`: 1 x 1 convolutions to be applied to the finest levels, in this order.  Where
          no sum comes between, they are one with the lateral convolution: the wide maps, the
          largest of all, are never made.
        """
        levels: list[Tensor] = []
        above: Tensor | None = None
        last = len(stages) - 1
        for level in range(last, -1, -1):
            lateral = self.convs[last - level].get_submodule("conv")
            narrows = level < len(narrowing)
            if narrows and not {level, level - 1} & set(self.top_down_levels):
                levels.append(pointwise_pair(stages[level], as_linear(lateral), narrowing[level]))
                continue
            x = pointwise(stages[level], lateral)
            if above is not None and level in self.top_down_levels:
                x = x + above.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
            above = x
            levels.append(F.linear(x, *narrowing[level]) if narrows else x)
        return levels[::-1][:last]
