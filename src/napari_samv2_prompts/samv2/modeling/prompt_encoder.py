"""From prompts to tokens and a dense map, for the mask decoder.

Sparse: one token per click or box corner, and one that says there are no more.  Dense: the
previous low-res logits, brought to the embedding's grid; in our own variants the clicks and the
box are drawn beside them (:func:`draw_prompts`).  Kirillov et al., *Segment Anything* (2023),
section A, in SAM 2's form.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.nano.geodesic import draw_reach
from napari_samv2_prompts.samv2.nano.likeness import draw_likeness
from napari_samv2_prompts.samv2.weights.variants import Variant

from .point_labels import BOX_START, NEGATIVE, PAD, POSITIVE
from .position import RandomFourierEncoding

__all__ = [
    "EncodedPrompts",
    "LayerNorm2d",
    "PromptEncoder",
    "draw_ellipse",
    "draw_prompts",
]

DISC_SIGMA = 2.0
"""Radius of a drawn click, in cells of the low-res logits (a quarter of the input)."""
SUBCELLS = 4
"""Places along a side of a cell at which the ellipse in a box is looked at: a pixel each."""
LOGIT_SCALE = 8.0
"""Drawn logits are squashed by ``tanh(logits / LOGIT_SCALE)``, so all channels lie in [-1, 1]."""


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


class EncodedPrompts(NamedTuple):
    """What the mask decoder reads.

    Attributes
    ----------
    sparse : Tensor of shape (P, N, C)
        Tokens.
    dense : Tensor of shape (P or 1, C, S/16, S/16)
        Added to the image embedding; one row when it is the same for all prompts.
    drawn : Tensor of shape (P, D, S/4, S/4) or None
        The drawn prompts themselves, where the variant has them.
    """

    sparse: Tensor
    dense: Tensor
    drawn: Tensor | None


def _disc_map(coords: Tensor, chosen: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw a Gaussian disc at each chosen point, ``(P, H, W)``, taking the largest of them.

    ``coords`` is ``(P, N, 2)`` in cells of the map, ``chosen`` ``(P, N)`` bool.
    """
    if not chosen.any():
        return coords.new_zeros((coords.shape[0], *size))
    y = torch.arange(size[0], device=coords.device, dtype=coords.dtype)
    x = torch.arange(size[1], device=coords.device, dtype=coords.dtype)
    scale = -0.5 / DISC_SIGMA**2
    # A Gaussian is separable: two short exponentials instead of one per cell and point.
    down = ((y - coords[..., 1:]).square() * scale).exp() * chosen[..., None]
    across = ((x - coords[..., :1]).square() * scale).exp()
    return (down[..., :, None] * across[..., None, :]).amax(dim=1)


def _box_map(coords: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw the share of each cell that lies in the box, ``(P, H, W)``; zeros without a box."""
    if coords.shape[1] < 2:
        return coords.new_zeros((coords.shape[0], *size))
    start, end = coords[:, 0], coords[:, 1]

    def share(low: Tensor, high: Tensor, length: int) -> Tensor:
        cell = torch.arange(length, device=coords.device, dtype=coords.dtype)
        overlap = torch.minimum(cell + 0.5, high[:, None]) - torch.maximum(cell - 0.5, low[:, None])
        return overlap.clamp(0, 1)

    down = share(start[:, 1], end[:, 1], size[0])
    across = share(start[:, 0], end[:, 0], size[1])
    has_box = (labels[:, 0] == BOX_START)[:, None, None]
    return down[:, :, None] * across[:, None, :] * has_box


def draw_ellipse(coords: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw the share of each cell that lies in the ellipse inscribed in the box.

    A corner is the centre of a pixel that belongs to the box.

    Parameters
    ----------
    coords : Tensor of shape (P, N, 2)
        ``(x, y)`` in pixels of the input, box corners first.
    labels : Tensor of shape (P, N)
        -1 padding, 0 negative, 1 positive, 2 and 3 box corners.
    size : tuple of int
        ``(H, W)`` of the map, a quarter of the input.

    Returns
    -------
    Tensor of shape (P, 1, H, W), float32
        Zeros without a box.
    """
    if coords.shape[1] < 2 or not (labels[:, 0] == BOX_START).any():
        return coords.new_zeros((coords.shape[0], 1, *size))
    middle, extent = coords[:, :2].float().mean(1), (coords[:, 1] - coords[:, 0]).float() + 1

    def squares(axis: int, length: int) -> Tensor:
        pixel = torch.arange(length * SUBCELLS, device=coords.device, dtype=torch.float32)
        return ((pixel - middle[:, axis, None]) / (extent[:, axis, None].clamp_min(1) / 2)).square()

    down, across = squares(1, size[0]), squares(0, size[1])
    inside = (down[:, :, None] + across[:, None, :] <= 1).float()
    has_box = (labels[:, 0] == BOX_START)[:, None, None, None]
    return F.avg_pool2d(inside[:, None], SUBCELLS) * has_box


def draw_prompts(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, size: tuple[int, int]
) -> Tensor:
    """Draw prompts as four maps at a quarter of the input.

    Parameters
    ----------
    coords : Tensor of shape (P, N, 2)
        ``(x, y)`` in pixels of the input, box corners first.
    labels : Tensor of shape (P, N)
        -1 padding, 0 negative, 1 positive, 2 and 3 box corners.
    mask_input : Tensor of shape (P, 1, H, W) or None
        Previous low-res logits.
    size : tuple of int
        ``(H, W)`` of the maps.

    Returns
    -------
    Tensor of shape (P, 4, H, W), float32
        Positive clicks and negative clicks as Gaussian discs, the box's interior, the squashed
        logits.
    """
    cells = (coords.float() + 0.5) / 4 - 0.5
    if mask_input is None:
        logits = cells.new_zeros((coords.shape[0], *size))
    else:
        logits = (mask_input[:, 0].float() / LOGIT_SCALE).tanh()
    maps = (
        _disc_map(cells, labels == POSITIVE, size),
        _disc_map(cells, labels == NEGATIVE, size),
        _box_map(cells, labels, size),
        logits,
    )
    return torch.stack(maps, dim=1)


class PromptEncoder(nn.Module):
    """Embed clicks, boxes and previous logits.

    Parameters
    ----------
    variant : Variant
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        width, channels = variant.width, variant.drawn_channels
        hidden = 4 * variant.dense_channels
        self.dense_channels, self.drawn_ellipse = variant.dense_channels, variant.drawn_ellipse
        self.pe_layer = RandomFourierEncoding(width)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(channels, hidden, kernel_size=2, stride=2),
            LayerNorm2d(hidden),
            nn.GELU(),
            nn.Conv2d(hidden, 4 * hidden, kernel_size=2, stride=2),
            LayerNorm2d(4 * hidden),
            nn.GELU(),
            nn.Conv2d(4 * hidden, width, kernel_size=1),
        )
        if variant.descriptors:
            # How fast likeness falls with the distance in colour; stretched images span 0 to 1.
            self.likeness_scale = nn.Parameter(torch.tensor([3.0, 1.0]))

    def _tokens(self, coords: Tensor, labels: Tensor, input_size: tuple[int, int]) -> Tensor:
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

    def _likeness(self, coords: Tensor, labels: Tensor, descriptors: Tensor) -> list[Tensor]:
        """Draw likeness in colour and in what is learnt, and reach: ``(P, 2, S/4, S/4)`` each."""
        cells = (coords.float() + 0.5) / 4 - 0.5
        parts = (descriptors[:, :3], descriptors[:, 3:])
        scaled = [part * scale for part, scale in zip(parts, self.likeness_scale, strict=True)]
        likeness = [draw_likeness(part, cells, labels) for part in scaled]
        return [*likeness, draw_reach(descriptors[:, :3], cells, labels)]

    def forward(
        self,
        coords: Tensor,
        labels: Tensor,
        mask_input: Tensor | None,
        grid: tuple[int, int],
        descriptors: Tensor | None = None,
    ) -> EncodedPrompts:
        """Embed a batch of prompts.

        Parameters
        ----------
        coords : Tensor of shape (P, N, 2), float32
            ``(x, y)`` in pixels of the input.
        labels : Tensor of shape (P, N), int64
            -1 padding, 0 negative, 1 positive, 2 and 3 box corners (these first).
        mask_input : Tensor of shape (P, 1, S/4, S/4) or None
        grid : tuple of int
            ``(height, width)`` of the image embedding, S/16.
        descriptors : Tensor of shape (P or 1, D, S/4, S/4), optional
            What the image's cells are compared in: three colours, then what is learnt.
        """
        height, width = grid
        sparse = self._tokens(coords, labels, (16 * height, 16 * width))
        dtype = self.no_mask_embed.weight.dtype
        if self.dense_channels > 1:
            drawn = draw_prompts(coords, labels, mask_input, (4 * height, 4 * width)).to(dtype)
            if descriptors is not None and hasattr(self, "likeness_scale"):
                drawn = torch.cat([drawn, *self._likeness(coords, labels, descriptors)], dim=1)
            if self.drawn_ellipse:
                ellipse = draw_ellipse(coords, labels, (4 * height, 4 * width)).to(dtype)
                drawn = torch.cat([drawn, ellipse], dim=1)
            return EncodedPrompts(sparse, self.mask_downscaling(drawn), drawn)
        if mask_input is not None:
            return EncodedPrompts(sparse, self.mask_downscaling(mask_input.to(dtype)), None)
        dense = self.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, height, width)
        return EncodedPrompts(sparse, dense, None)
