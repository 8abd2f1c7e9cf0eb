"""The published mask decoder, with convolutions in its upscaling and scores by looks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_samv2_prompts.samv2.modeling.cells import from_cells, to_cells
from napari_samv2_prompts.samv2.modeling.mask_decoder import N_MASKS, MaskDecoder
from napari_samv2_prompts.samv2.modeling.prompt_encoder import EncodedPrompts

from .config import PROMPT_MAPS, NanoVariant
from .mask_scores import MaskScores
from .prompt_encoder import DrawnPrompts
from .refinement import begin_at_zero, refinement

_PUBLISHED_HEADS = ("output_hypernetworks_mlps", "iou_prediction_head", "pred_obj_score_head")


class NanoMaskDecoder(MaskDecoder):
    """Predict masks from what tokens and image know of each other, and from the drawn prompts."""

    def __init__(self, variant: NanoVariant) -> None:
        super().__init__(variant)
        width = variant.width
        heads = {name: self._modules.pop(name) for name in _PUBLISHED_HEADS}
        self.conv_drawn = nn.Conv2d(PROMPT_MAPS, width // 8, kernel_size=1)
        self.drawn_8 = begin_at_zero(nn.Conv2d(PROMPT_MAPS, width // 4, kernel_size=2, stride=2))
        self.refine_8 = refinement(width // 4, width // 2, variant.refine_8)
        self.refine_4 = refinement(width // 8, width // 8, variant.refine_4)
        self.mask_scores = MaskScores(width // 8 + PROMPT_MAPS, N_MASKS, variant.mask_scores)
        # Last again: optimizers in checkpoints of training go by the order of the parameters.
        for name, head in heads.items():
            self.register_module(name, head)

    def masks(
        self,
        tokens: Tensor,
        image: Tensor,
        finer: tuple[Tensor, Tensor],
        grid: tuple[int, int],
        prompts: EncodedPrompts,
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of all masks and their scores; see :meth:`.MaskDecoder.masks`."""
        assert isinstance(prompts, DrawnPrompts)
        features = self._refined(image, *finer, prompts.maps, grid)
        logits = (self.kernels(tokens) @ features.flatten(2)).unflatten(2, features.shape[2:])
        own = self.iou_prediction_head(tokens[:, 1])
        seen = torch.cat([features, prompts.maps], dim=1)
        return logits, self.mask_scores(logits, own, seen)

    def _refined(
        self,
        image: Tensor,
        high_res_4: Tensor,
        high_res_8: Tensor,
        maps: Tensor,
        grid: tuple[int, int],
    ) -> Tensor:
        """Return the features ``(P, C/8, S/4, S/4)`` that masks are read from."""
        # Maps stay channels-last in memory: cells and convolutions agree on that.
        x = from_cells(self.upscale_8(image, high_res_8), grid, 1)
        x = self.refine_8(x.permute(0, 3, 1, 2) + self.drawn_8(maps)).permute(0, 2, 3, 1)
        grid_8 = (x.shape[1], x.shape[2])
        x = from_cells(self.upscale_4(to_cells(x, 0)), grid_8, 1)
        x = x + from_cells(high_res_4, grid, 2)
        x = self.refine_4(x.permute(0, 3, 1, 2) + self.conv_drawn(maps))
        features: Tensor = self.output_upscaling[4](x)
        return features
