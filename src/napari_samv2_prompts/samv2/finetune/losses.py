"""The loss of one round of prompts: masks, predicted IoU and object score.

Masks are compared at half the input's size or all of it, finer than the quarter-size logits: the
boundaries of small objects depend on where between two logits the zero lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded

SURROUND = 8.0
"""How far, in target pixels, an object's neighbourhood reaches beyond half its own extent."""
OUTLINE = 2
"""How far from its outline, in target pixels, a hand-drawn mask may be wrong."""
OUTLINE_WEIGHT = 0.3


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms, and the focal exponent (0 is plain cross-entropy).

    ``others`` is a little of the dice loss for all of masks 1 to 3. Where objects are rarely
    ambiguous each would otherwise learn from a third of the data only.

    ``mean_scores`` has scores learn the mean of the IoU that is to be expected (squared error) in
    place of its median (absolute error, as published). Where a mask is either right or quite wrong
    the two differ much, and the best choice among masks is the one with the best mean.
    """

    focal: float = 2.0
    dice: float = 1.0
    score: float = 0.5
    presence: float = 0.2
    others: float = 0.3
    gamma: float = 0.0
    mean_scores: bool = False


@dataclass(frozen=True)
class RoundLoss:
    """The loss of a round and what is worth showing of it."""

    total: Tensor  # shape ()
    iou: Tensor  # shape (P, 4): True IoU of the four masks, without gradient


def neighbourhood_weights(target: Tensor) -> Tensor:
    """Pixel weights (P, H, W) that sum to 1 in each object's enlarged box and to 1 outside of it.

    A mean over all pixels would drown a small object's boundary in background. The box is enlarged
    by half its extent plus `SURROUND` pixels on each side.
    """
    axes = []
    for dim in (2, 1):
        filled = (target > 0).any(dim)
        length = filled.shape[1]
        place = torch.arange(length, device=target.device)
        first = torch.where(filled, place, length).amin(1, keepdim=True)
        last = torch.where(filled, place, -1).amax(1, keepdim=True)
        margin = (last - first + 1) / 2 + SURROUND
        axes.append(((place >= first - margin) & (place <= last + margin)).float())
    inside = axes[0][:, :, None] * axes[1][:, None, :]
    area = inside.sum((1, 2), keepdim=True)
    rest = (inside[0].numel() - area).clamp_min(1)
    return inside / area.clamp_min(1) + (1 - inside) / rest


def focal_loss(logits: Tensor, target: Tensor, weights: Tensor, gamma: float) -> Tensor:
    """Cross-entropy with soft targets, weighted by |p - t|^gamma (Lin et al. 2017): (P,)."""
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if gamma:
        loss = loss * (logits.sigmoid() - target).abs() ** gamma
    return (loss * weights).sum((1, 2))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - 2 |p t| / (|p| + |t|), smoothed by one pixel: (P,)."""
    p = logits.sigmoid()
    return 1 - (2 * (p * target).sum((1, 2)) + 1) / (p.sum((1, 2)) + target.sum((1, 2)) + 1)


def dice_loss_of_all(logits: Tensor, target: Tensor) -> Tensor:
    """Mean dice loss over several masks (P, C, H, W) of one target (P, H, W): (P,)."""
    each = dice_loss(logits.flatten(0, 1), target.repeat_interleave(logits.shape[1], 0))
    return each.view(logits.shape[:2]).mean(1)


def enlarge(logits: Tensor, like: Tensor) -> Tensor:
    """Low-res logits (P, C, h, w) at a target's size, interpolated as the predictor does it."""
    return F.interpolate(logits, size=like.shape[-2:], mode="bilinear", align_corners=False)


def mask_iou(logits: Tensor, target: Tensor, hidden: Tensor | None = None) -> Tensor:
    """IoU (P, C) of logits (P, C, H, W) with soft targets (P, H, W); 0 where both are empty.

    ``hidden`` (P,) are pixels of the objects that the maps do not show: what is a piece of a thing
    has the IoU of a piece.
    """
    # Counting by products of float32 is several times faster than sums of booleans, and exact.
    predicted = (logits > 0).flatten(2).to(torch.float32)
    true = (target >= 0.5).flatten(1).to(torch.float32)
    inter = (predicted @ true[:, :, None])[..., 0]
    union = predicted.sum(2) + true.sum(1, keepdim=True) - inter
    if hidden is not None:
        union = union + hidden[:, None]
    return inter / union.clamp_min(1)


def outline_weights(target: Tensor, rough: Tensor) -> Tensor:
    """Pixel weights (P, H, W) that take hand-drawn outlines less seriously.

    `OUTLINE_WEIGHT` within `OUTLINE` pixels of the outlines of objects that are ``rough`` (P,),
    1 elsewhere.
    """
    soft = F.avg_pool2d(target[:, None], 2 * OUTLINE + 1, 1, OUTLINE, count_include_pad=False)[:, 0]
    near = (soft > 0.01) & (soft < 0.99) & rough[:, None, None]
    return 1 - (1 - OUTLINE_WEIGHT) * near.float()


def round_loss(
    decoded: Decoded,
    target: Tensor,
    weights: LossWeights,
    hidden: Tensor | None = None,
    rough: Tensor | None = None,
) -> RoundLoss:
    """The loss of all four masks of each prompt.

    Mask 0 is always trained. Of masks 1 to 3 the best is (Kirillov et al. 2023), so that they part
    ways where a click is ambiguous; the others hardly (see `LossWeights`). Scores of all four learn
    their true IoU, the object score whether there is an object; where there is none, masks are
    not trained.

    - `target`: Tensor of shape (P, S/2, S/2) or (P, S, S), float32; covered share of each pixel
    - `hidden`: Tensor of shape (P,); target pixels that the objects have beyond the edges
    - `rough`: Tensor of shape (P,), bool; whose outlines are hand-drawn
    """
    logits, scores, object_logits = decoded[:3]
    rows = torch.arange(len(logits), device=logits.device)
    present = target.flatten(1).any(1)
    with torch.no_grad():
        iou = mask_iou(enlarge(logits.detach(), target), target, hidden)
        coarse = F.avg_pool2d(target, target.shape[-1] // logits.shape[-1])
        best = torch.stack([dice_loss(logits[:, i], coarse) for i in (1, 2, 3)], 1).argmin(1) + 1
        pixel_weights = neighbourhood_weights(target)
        if rough is not None and rough.any():
            pixel_weights = pixel_weights * outline_weights(target, rough)
    chosen = enlarge(torch.stack([logits[:, 0], logits[rows, best]], 1), target)
    per_prompt = sum(
        weights.focal * focal_loss(chosen[:, i], target, pixel_weights, weights.gamma)
        + weights.dice * dice_loss(chosen[:, i], target)
        for i in (0, 1)
    )
    if weights.others:
        per_prompt = per_prompt + weights.others * dice_loss_of_all(logits[:, 1:], coarse)
    masks = (per_prompt * present).sum() / present.sum().clamp_min(1)
    error = (scores - iou).square() if weights.mean_scores else (scores - iou).abs()
    score = error.mean(1).mean()
    presence = F.binary_cross_entropy_with_logits(object_logits, present.float())
    return RoundLoss(masks + 4 * weights.score * score + weights.presence * presence, iou)
