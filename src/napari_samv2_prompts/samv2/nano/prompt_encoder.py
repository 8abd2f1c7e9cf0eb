"""Prompts as tokens, as published, and drawn as maps at a quarter of the input."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_samv2_prompts.samv2.modeling.prompt_encoder import EncodedPrompts, PromptEncoder

from .config import PROMPT_MAPS, NanoVariant
from .geodesic import draw_geodesic
from .prompt_maps import draw_ellipse, draw_prompts, to_map_cells
from .similarity import draw_similarity


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPrompts(EncodedPrompts):
    """What the mask decoder reads.

    - `.maps`: Tensor of shape (P, 11, S/4, S/4); the drawn prompts, of which ``dense`` was made
    """

    maps: Tensor


class NanoPromptEncoder(PromptEncoder):
    """Embed clicks, boxes and previous logits, all of them drawn into the dense part."""

    def __init__(self, variant: NanoVariant) -> None:
        super().__init__(variant, maps=PROMPT_MAPS, hidden=16)
        # How fast similarity falls with the distance in colour; stretched images span 0 to 1.
        self.likeness_scale = nn.Parameter(torch.tensor([3.0, 1.0]))

    def draw(
        self,
        coords: Tensor,
        labels: Tensor,
        mask_input: Tensor | None,
        grid: tuple[int, int],
        descriptors: Tensor,
    ) -> DrawnPrompts:
        """Embed a batch of prompts.

        - `coords`, `labels`, `mask_input`, `grid`: as of :meth:`.PromptEncoder.forward`
        - `descriptors`: Tensor of shape (P or 1, D, S/4, S/4); what the image's cells are compared
          in: three colours, then what is learnt
        """
        height, width = grid
        dtype, size = self.no_mask_embed.weight.dtype, (4 * height, 4 * width)
        cells = to_map_cells(coords)
        parts = (descriptors[:, :3], descriptors[:, 3:])
        scaled = [part * scale for part, scale in zip(parts, self.likeness_scale, strict=True)]
        maps = torch.cat(
            [
                draw_prompts(coords, labels, mask_input, size).to(dtype),
                *(draw_similarity(part, cells, labels) for part in scaled),
                draw_geodesic(descriptors[:, :3], cells, labels),
                draw_ellipse(coords, labels, size).to(dtype),
            ],
            dim=1,
        )
        sparse = self.tokens(coords, labels, (16 * height, 16 * width))
        return DrawnPrompts(sparse, self.mask_downscaling(maps), maps)
