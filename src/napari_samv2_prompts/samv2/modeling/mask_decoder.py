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
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.inference.tiling import in_bands
from napari_samv2_prompts.samv2.nano.mask_scores import MaskScores
from napari_samv2_prompts.samv2.nano.refinement import begin_at_zero, refinement
from napari_samv2_prompts.samv2.weights.variants import Variant

from .hiera import Mlp
from .neck import pointwise
from .prompt_encoder import EncodedPrompts, LayerNorm2d
from .transformer import CELLS_AT_ONCE, SharedImage, TwoWayTransformer

__all__ = ["Decoded", "MaskDecoder", "choose_single", "from_cells", "to_cells"]

N_MASKS = 4
STABILITY_DELTA = 0.05
STABILITY_THRESHOLD = 0.98


class Decoded(NamedTuple):
    """All four masks of each prompt.

    Attributes
    ----------
    logits : Tensor of shape (P, 4, S/4, S/4)
    scores : Tensor of shape (P, 4)
        Predicted IoU in [0, 1].
    object_logits : Tensor of shape (P,)
        Positive when the object is there.
    """

    logits: Tensor
    scores: Tensor
    object_logits: Tensor


def choose_single(decoded: Decoded) -> Decoded:
    """Keep one mask per prompt: token 0, or the best of the others where 0 is not stable.

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


def to_cells(x: Tensor, halvings: int) -> Tensor:
    """Regroup ``(P, H, W, C)`` by the cells of a coarser grid: ``(P, cells, parts, C)``.

    A cell's parts are in the order in which upscaling makes them: the four quarters of the cell,
    then the four quarters of each quarter.  In this layout both upscaling steps are plain matrix
    products, and nothing is moved between them.
    """
    side = 2**halvings
    rows, columns = x.shape[1] // side, x.shape[2] // side
    quarters = [2] * halvings
    x = x.reshape(x.shape[0], rows, *quarters, columns, *quarters, x.shape[3])
    fine_rows, fine_columns = range(2, 2 + halvings), range(3 + halvings, 3 + 2 * halvings)
    parts = [axis for pair in zip(fine_rows, fine_columns, strict=True) for axis in pair]
    x = x.permute(0, 1, 2 + halvings, *parts, x.ndim - 1)
    return x.reshape(x.shape[0], rows * columns, side * side, -1)


def from_cells(x: Tensor, grid: tuple[int, int], halvings: int) -> Tensor:
    """Undo :func:`to_cells` for a grid of ``(height, width)`` cells: ``(P, H, W, C)``."""
    height, width = grid
    x = x.reshape(x.shape[0], height, width, *[2] * (2 * halvings), x.shape[-1])
    rows, columns = range(3, 3 + 2 * halvings, 2), range(4, 4 + 2 * halvings, 2)
    x = x.permute(0, 1, *rows, 2, *columns, x.ndim - 1)
    side = 2**halvings
    return x.reshape(x.shape[0], side * height, side * width, -1)


def _as_product(conv: nn.Module, dtype: torch.dtype) -> Tensor:
    """Return a 2 x 2 transposed convolution with stride 2 as matrix ``(4 * out, in)``, no bias."""
    assert isinstance(conv, nn.ConvTranspose2d)
    return conv.weight.permute(2, 3, 1, 0).reshape(4 * conv.out_channels, -1).to(dtype)


def _split_cells(x: Tensor, conv: Tensor) -> Tensor:
    """Bring cells ``(P, M, parts, C)`` to their quarters, ``(P, M, 4 * parts, C')``, float32."""
    # As one product: of a band of several prompts' cells, torch would make one for each cell.
    split = F.linear(x.reshape(-1, x.shape[-1]).to(conv.dtype), conv).float()
    return split.reshape(x.shape[0], x.shape[1], -1, split.shape[-1] // 4)


class MaskDecoder(nn.Module):
    """Two-way transformer, upscaling, one hypernetwork per mask token, score heads.

    Parameters
    ----------
    variant : Variant
    """

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
        if variant.dense_skip:
            self.conv_drawn = nn.Conv2d(variant.drawn_channels, width // 8, kernel_size=1)
        self.refined = bool(variant.refine_8 or variant.refine_4)
        if self.refined:
            self.drawn_8 = begin_at_zero(
                nn.Conv2d(variant.drawn_channels, width // 4, kernel_size=2, stride=2)
            )
            self.refine_8 = refinement(width // 4, width // 2, variant.refine_8)
            self.refine_4 = refinement(width // 8, width // 8, variant.refine_4)
        if variant.mask_scores:
            channels = width // 8 + variant.drawn_channels
            self.mask_scores = MaskScores(channels, N_MASKS, variant.mask_scores)
        self.output_hypernetworks_mlps = nn.ModuleList(
            Mlp(width, width, width, width // 8, then="relu") for _ in range(N_MASKS)
        )
        hidden = variant.score_width
        self.iou_prediction_head = Mlp(width, hidden, hidden, N_MASKS, then="relu")
        self.pred_obj_score_head = Mlp(width, width, width, 1, then="relu")

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

    def _logits_of_cells(
        self,
        kernels: Tensor,
        convs: tuple[Tensor, Tensor],
        image: Tensor,
        high_res_4: Tensor,
        high_res_8: Tensor,
        drawn: Tensor | None = None,
    ) -> Tensor:
        """Bring cells ``(P, m, C)`` to their 4 x 4 parts and apply kernels ``(P, 4, C/8)``.

        ``convs`` are the two steps as products: the first in the cells' number type, all that
        comes after it in float32, since masks end where its sums are next to nothing.  ``drawn
        (P, m, 16, 4)`` are the drawn prompts.  Returns ``(P, 4, m * 16)``.
        """
        _, norm, act1, _, act2 = self.output_upscaling
        assert isinstance(norm, LayerNorm2d)
        x = act1(norm.over_last(_split_cells(image[:, :, None], convs[0]) + high_res_8))
        x = _split_cells(x, convs[1]) + high_res_4
        if drawn is not None:
            x = x + pointwise(drawn, self.conv_drawn)
        # Kernels first: a product of four columns is several times slower than one of four rows.
        return kernels @ act2(x).flatten(1, 2).transpose(1, 2)

    def _refined_logits(
        self,
        kernels: Tensor,
        convs: tuple[Tensor, Tensor],
        image: Tensor,
        high_res_4: Tensor,
        high_res_8: Tensor,
        drawn: Tensor,
        grid: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return ``(P, 4, S/4, S/4)`` as `_logits_of_cells`, with convolutions on the way.

        ``drawn (P, D, S/4, S/4)`` are the drawn prompts. Second: the features
        ``(P, C/8, S/4, S/4)`` that the masks were made of.
        """
        _, norm, act1, _, act2 = self.output_upscaling
        assert isinstance(norm, LayerNorm2d)
        x = act1(norm.over_last(_split_cells(image[:, :, None], convs[0]) + high_res_8))
        # Maps stay channels-last in memory: cells and convolutions agree on that.
        x = from_cells(x, grid, 1).permute(0, 3, 1, 2) + self.drawn_8(drawn)
        x = self.refine_8(x).permute(0, 2, 3, 1)
        grid_8 = (x.shape[1], x.shape[2])
        x = from_cells(_split_cells(to_cells(x, 0), convs[1]), grid_8, 1)
        x = x + from_cells(high_res_4, grid, 2)
        x = act2(self.refine_4(x.permute(0, 3, 1, 2) + self.conv_drawn(drawn)))
        return (kernels @ x.flatten(2)).unflatten(2, x.shape[2:]), x

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

        Parameters
        ----------
        embedding : Tensor of shape (P or 1, C, H, W)
            Image embedding, stride 16.
        position : Tensor of shape (H * W, C)
            Encoding of the embedding's grid.
        high_res_4, high_res_8 : Tensor
            As :class:`.network.ImageFeatures` has them, :meth:`with_biases`; with P rows or one.
        prompts : EncodedPrompts
        shared : SharedImage, optional
            Of the embedding with this dense prompt, where that is the same for all prompts.
        """
        n_prompts = prompts.sparse.shape[0]
        learnt = torch.cat(
            [self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight]
        )
        tokens = torch.cat([learnt.expand(n_prompts, -1, -1), prompts.sparse], dim=1)
        height, width = embedding.shape[-2:]
        if shared is None:
            image = (embedding + prompts.dense.to(embedding.dtype)).flatten(2).transpose(1, 2)
        else:
            image = shared.image
        tokens, image = self.transformer(image, position[None], tokens, len(learnt), shared)
        kernels = torch.stack(
            [mlp(tokens[:, 2 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        first = _as_product(self.output_upscaling[0], image.dtype)
        second = _as_product(self.output_upscaling[3], kernels.dtype)
        scores = self.iou_prediction_head(tokens[:, 1])
        if self.refined:
            assert prompts.drawn is not None
            logits, features = self._refined_logits(
                kernels,
                (first, second),
                image,
                high_res_4,
                high_res_8,
                prompts.drawn,
                (height, width),
            )
            if hasattr(self, "mask_scores"):
                scores = self.mask_scores(logits, scores, torch.cat([features, prompts.drawn], 1))
        else:
            maps = [image, high_res_4, high_res_8]
            if prompts.drawn is not None and hasattr(self, "conv_drawn"):
                maps.append(to_cells(prompts.drawn.permute(0, 2, 3, 1), 2))
            work = partial(self._logits_of_cells, kernels, (first, second))
            cells = in_bands(work, maps, CELLS_AT_ONCE // n_prompts, axis=2)
            cells = cells.flatten(0, 1).unflatten(1, (height * width, 16))[..., None]
            logits = from_cells(cells, (height, width), 2)[..., 0].unflatten(0, (-1, N_MASKS))
        objects = self.pred_obj_score_head(tokens[:, 0])[:, 0]
        return Decoded(logits, scores.sigmoid(), objects)
