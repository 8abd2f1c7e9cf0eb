"""The memory encoder: a frame's map and an object's mask to what is remembered of them.

Ravi et al., *SAM 2* (2024), section 4.  The mask is brought down to the map's grid by strided
convolutions and added to the projected map; two ConvNeXt blocks (Liu et al. 2022) mix them.

Not here: how memories are read (:mod:`.memory_attention`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import LayerNorm2d
from .memory_attention import MEMORY_WIDTH

HALVINGS = 4
BLOCKS = 2


class MaskDownsampler(nn.Module):
    """Bring a mask down to a sixteenth of its size, with four times the channels at each halving.

    - `width`: channels of the result
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for halving in range(HALVINGS):
            before, after = 4**halving, 4 ** (halving + 1)
            steps += [nn.Conv2d(before, after, 3, stride=2, padding=1), LayerNorm2d(after)]
            steps.append(nn.GELU())
        self.encoder = nn.Sequential(*steps, nn.Conv2d(4**HALVINGS, width, kernel_size=1))

    def forward(self, mask: Tensor) -> Tensor:
        """Turn ``(B, 1, S, S)`` into ``(B, width, S/16, S/16)``."""
        mask = mask.contiguous(memory_format=torch.channels_last)
        result: Tensor = self.encoder(mask)
        return result


class ConvNextBlock(nn.Module):
    """A depthwise convolution, then an MLP on each cell; what they make is added to the map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = LayerNorm2d(width)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.act = nn.GELU()
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """Update a map ``(B, C, H, W)``."""
        cells = self.norm.over_last(self.dwconv(x).permute(0, 2, 3, 1))
        cells = self.pwconv2(self.act(self.pwconv1(cells))) * self.gamma
        return x + cells.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """The blocks, one after the other."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ConvNextBlock(width) for _ in range(BLOCKS))

    def forward(self, x: Tensor) -> Tensor:
        """Update a map ``(B, C, H, W)``."""
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Mask downsampler, projection of the map, fuser, projection to a memory's channels.

    - `width`: channels of the map
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownsampler(width)
        self.pix_feat_proj = nn.Conv2d(width, width, kernel_size=1)
        self.fuser = Fuser(width)
        self.out_proj = nn.Conv2d(width, MEMORY_WIDTH, kernel_size=1)

    def forward(self, image: Tensor, masks: Tensor) -> Tensor:
        """Encode what is remembered of objects on a frame.

        - `image`: Tensor of shape (1 or B, C, H, W); as the neck gives it
        - `masks`: Tensor of shape (B, 1, 16 * H, 16 * W); from -10, outside, to 10, inside
        - returns a Tensor of shape (B, H * W, 64)
        """
        projected = self.pix_feat_proj(image.contiguous(memory_format=torch.channels_last))
        memory: Tensor = self.out_proj(self.fuser(projected + self.mask_downsampler(masks)))
        return memory.flatten(2).transpose(1, 2)
