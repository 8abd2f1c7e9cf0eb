"""From prompts to tokens and a dense map, for the mask decoder.

Sparse: one token per click or box corner, and one that says there are no more.  Dense: the
previous low-res logits, brought to the embedding's grid.  Kirillov et al., *Segment Anything*
(2023), section A, in SAM 2's form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .config import Variant
from .layers import LayerNorm2d
from .point_labels import PAD
from .position import RandomFourierEncoding


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPrompts:
    """What the mask decoder reads."""

    sparse: Tensor  # shape (P, N, C): tokens
    # Shape (P or 1, C, S/16, S/16): added to the image embedding; one row when it is the same for
    # all prompts.
    dense: Tensor


class PromptEncoder(nn.Module):
    """Embed clicks, boxes and previous logits.

    - `maps`: channels of what is brought to the embedding's grid: 1 for the logits alone, as
      published
    - `hidden`: channels after the first step on that way
    """

    def __init__(self, variant: Variant, maps: int = 1, hidden: int = 4) -> None:
        super().__init__()
        width = variant.width
        self.pe_layer = RandomFourierEncoding(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(maps, hidden, kernel_size=2, stride=2),
            LayerNorm2d(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, 4 * hidden, kernel_size=2, stride=2),
            LayerNorm2d(4 * hidden),
            nn.GELU(),
            nn.Conv2d(4 * hidden, width, kernel_size=1),
        )

    def tokens(self, coords: Tensor, labels: Tensor, input_size: tuple[int, int]) -> Tensor:
        """Embed points ``(P, N, 2)`` as ``(P, N + 1, C)``; without points there is no token."""
        if coords.shape[1] == 0:
            width = self.not_a_point_embed.weight.shape[1]
            return self.not_a_point_embed.weight.new_zeros((coords.shape[0], 0, width))
        # The published predictor closes every list of points with one padding token.
        coords = torch.cat([coords, coords.new_zeros((coords.shape[0], 1, 2))], dim=1)
        labels = torch.cat([labels, labels.new_full((labels.shape[0], 1), PAD)], dim=1)
        height, width = input_size
        unit = (coords + 0.5) / torch.stack([coords.new_full((), n) for n in (width, height)])
        kinds = torch.cat([e.weight for e in (self.not_a_point_embed, *self.point_embeddings)])
        positions = self.pe_layer(unit) * (labels != PAD)[..., None]
        tokens: Tensor = positions + kinds[labels + 1]
        return tokens

    def forward(
        self, coords: Tensor, labels: Tensor, mask_input: Tensor | None, grid: tuple[int, int]
    ) -> EncodedPrompts:
        """Embed a batch of prompts.

        - `coords`: Tensor of shape (P, N, 2), float32; ``(x, y)`` in pixels of the input
        - `labels`: Tensor of shape (P, N), int64; -1 padding, 0 negative, 1 positive, 2 and 3 box
          corners (these first)
        - `mask_input`: Tensor of shape (P, 1, S/4, S/4) or None
        - `grid`: ``(height, width)`` of the image embedding, S/16
        """
        height, width = grid
        sparse = self.tokens(coords, labels, (16 * height, 16 * width))
        if mask_input is not None:
            mask_input = mask_input.to(self.no_mask_embed.weight.dtype)
            return EncodedPrompts(sparse, self.mask_downscaling(mask_input))
        dense = self.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, height, width)
        return EncodedPrompts(sparse, dense)
