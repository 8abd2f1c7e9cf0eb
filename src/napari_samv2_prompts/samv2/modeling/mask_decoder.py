"""The mask decoder: image embedding and prompt tokens to low-res logits and scores.

Kirillov et al., *Segment Anything* (2023), section A, with SAM 2's additions: an object-score
token, high-resolution features in the upscaling, and a choice by stability when a single mask is
wanted.  It predicts four masks always: token 0 for unambiguous prompts, tokens 1 to 3 for the
parts and wholes a single click can mean.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from napari_samv2_prompts.samv2.ops.kernels import add, gelu
from napari_samv2_prompts.samv2.ops.tiling import in_tiles

from .cells import as_product, logits_from_cells, split_cells
from .config import Variant
from .layers import LayerNorm2d, Mlp
from .prompt_encoder import EncodedPrompts
from .transformer import CELLS_AT_ONCE, SharedImage, TwoWayTransformer

N_MASKS = 4
STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98


class Decoded(NamedTuple):
    """All four masks of each prompt."""

    logits: Tensor  # shape (P, 4, S/4, S/4)
    scores: Tensor  # shape (P, 4): predicted IoU in [0, 1]
    object_logits: Tensor  # shape (P,): positive when the object is there
    # Shape (P, 4, C): what the masks were made from, for pointers to the object on other frames of
    # a film.
    tokens: Tensor | None = None


def choose_single(decoded: Decoded) -> Decoded:
    """Keep one mask per prompt, without tokens: 0, or the best of the others where 0 is not stable.

    A mask is stable when moving the threshold by +-0.05 hardly changes its area (ratio of at least
    0.98; an empty mask counts as stable).  Numbers of the published image predictor.
    """
    single = decoded.logits[:, 0].flatten(1)
    inner = (single > STABILITY_DELTA).sum(dim=1)
    outer = (single > -STABILITY_DELTA).sum(dim=1)
    stable = (inner >= STABILITY_THRESHOLD * outer) | (outer == 0)
    best = decoded.scores[:, 1:].argmax(dim=1) + 1
    chosen = torch.where(stable, torch.zeros_like(best), best)
    rows = torch.arange(len(chosen), device=chosen.device)
    return Decoded(
        decoded.logits[rows, chosen][:, None],
        decoded.scores[rows, chosen][:, None],
        decoded.object_logits,
    )


class MaskDecoder(nn.Module):
    """Two-way transformer, upscaling, one hypernetwork per mask token, score heads."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        width = variant.width
        self.transformer = TwoWayTransformer(
            width, variant.decoder_heads, variant.decoder_mlp, variant.decoder_depth
        )
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(N_MASKS, width)
        self.obj_score_token = nn.Embedding(1, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = nn.Conv2d(width, width // 8, kernel_size=1)
        self.conv_s1 = nn.Conv2d(width, width // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(
            Mlp(width, width, width, width // 8, activation="relu") for _ in range(N_MASKS)
        )
        hidden = variant.score_width
        self.iou_prediction_head = Mlp(width, hidden, hidden, N_MASKS, activation="relu")
        self.pred_obj_score_head = Mlp(width, width, width, 1, activation="relu")

    def with_biases(self, high_res_4: Tensor, high_res_8: Tensor) -> tuple[Tensor, Tensor]:
        """Add to the finer maps the biases of the upscaling steps that they are added to.

        Once for an image, in place of once for each cell of each prompt.
        """
        first, _, _, second, _ = self.output_upscaling
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(second, nn.ConvTranspose2d)
        assert first.bias is not None
        assert second.bias is not None
        return high_res_4 + second.bias, high_res_8 + first.bias

    def look(
        self,
        embedding: Tensor,
        position: Tensor,
        prompts: EncodedPrompts,
        shared: SharedImage | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Let prompts and image exchange what they know, see :meth:`forward`.

        - returns `tokens`: Tensor of shape (P, 6, C); of the object score, of the IoU, and of the
          four masks
        - returns `image`: Tensor of shape (P, M, C)
        """
        learnt = torch.cat(
            [self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight]
        )
        tokens = torch.cat([learnt.expand(len(prompts.sparse), -1, -1), prompts.sparse], dim=1)
        if shared is None:
            image = (embedding + prompts.dense.to(embedding.dtype)).flatten(2).transpose(1, 2)
        else:
            image = shared.image
        result: tuple[Tensor, Tensor] = self.transformer(
            image, position[None], tokens, len(learnt), shared
        )
        return result

    def kernels(self, tokens: Tensor) -> Tensor:
        """Return what each mask is read from the last features with, ``(P, 4, C / 8)``."""
        heads = enumerate(self.output_hypernetworks_mlps)
        return torch.stack([mlp(tokens[:, 2 + i]) for i, mlp in heads], dim=1)

    def upscale_8(self, image: Tensor, high_res_8: Tensor) -> Tensor:
        """Bring cells ``(P, m, C)`` to their quarters, ``(P, m, 4, C / 4)``, float32.

        The product is in the cells' number type, all that comes after it in float32, since masks
        end where its sums are next to nothing.
        """
        conv, norm, *_ = self.output_upscaling
        assert isinstance(norm, LayerNorm2d)
        x = add(split_cells(image[:, :, None], as_product(conv, image.dtype)), high_res_8)
        return gelu(norm.over_last(x))

    def upscale_4(self, x: Tensor) -> Tensor:
        """Bring cells' parts ``(P, m, parts, C / 4)`` to their quarters, ``C / 8`` channels."""
        return split_cells(x, as_product(self.output_upscaling[3], x.dtype))

    def _logits_of_cells(
        self, kernels: Tensor, image: Tensor, high_res_4: Tensor, high_res_8: Tensor
    ) -> Tensor:
        """Bring cells ``(P, m, C)`` to 4 x 4 parts and apply kernels: ``(P, 4, m * 16)``."""
        x = add(self.upscale_4(self.upscale_8(image, high_res_8)), high_res_4)
        # Kernels first: a product of four columns is several times slower than one of four rows.
        return kernels @ gelu(x).flatten(1, 2).transpose(1, 2)

    def forward(
        self,
        embedding: Tensor,
        position: Tensor,
        high_res_4: Tensor,
        high_res_8: Tensor,
        prompts: EncodedPrompts,
        shared: SharedImage | None = None,
    ) -> Decoded:
        """Predict the four masks of each prompt.

        - `embedding`: Tensor of shape (P or 1, C, H, W); image embedding, stride 16
        - `position`: Tensor of shape (H * W, C); encoding of the embedding's grid
        - `high_res_4`, `high_res_8`: as :class:`.network.ImageFeatures` has them,
          :meth:`with_biases`; with P rows or one
        - `shared`: of the embedding with this dense prompt, where that is the same for all prompts
        """
        tokens, image = self.look(embedding, position, prompts, shared)
        grid = (embedding.shape[-2], embedding.shape[-1])
        logits, scores = self.masks(tokens, image, (high_res_4, high_res_8), grid, prompts)
        objects = self.pred_obj_score_head(tokens[:, 0])[:, 0]
        return Decoded(logits, scores.sigmoid(), objects, tokens[:, 2 : 2 + N_MASKS])

    def masks(
        self,
        tokens: Tensor,
        image: Tensor,
        finer: tuple[Tensor, Tensor],
        grid: tuple[int, int],
        prompts: EncodedPrompts,
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of all masks and their scores, before these are squashed.

        - `tokens`, `image`: as :meth:`look` returns them
        - `finer`: ``high_res_4`` and ``high_res_8``
        - `grid`: ``(H, W)`` of the cells
        """
        work = partial(self._logits_of_cells, self.kernels(tokens))
        cells = in_tiles(work, (image, *finer), CELLS_AT_ONCE // len(tokens), axis=2)
        return logits_from_cells(cells, grid, 2), self.iou_prediction_head(tokens[:, 1])
