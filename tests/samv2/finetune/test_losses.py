from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from napari_samv2_prompts.samv2.finetune.losses import (
    LossWeights,
    dice_loss,
    focal_loss,
    mask_iou,
    neighbourhood_weights,
    outline_weights,
    round_loss,
)
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded


def square(size: int = 16, low: int = 4, high: int = 12) -> torch.Tensor:
    target = torch.zeros(1, size, size)
    target[:, low:high, low:high] = 1
    return target


def logits_of(target: torch.Tensor) -> torch.Tensor:
    """Low-res logits that give the target back, (P, 1, S/4, S/4)."""
    return (F.avg_pool2d(target, 2) - 0.5)[:, None] * 40


def test_the_right_masks_cost_next_to_nothing_and_wrong_ones_much():
    target = square()
    right = logits_of(target).repeat(1, 4, 1, 1)
    object_logits = torch.tensor([20.0])
    good = round_loss(Decoded(right, torch.ones(1, 4), object_logits), target, LossWeights())
    bad = round_loss(Decoded(-right, torch.ones(1, 4), -object_logits), target, LossWeights())
    assert good.iou.min() == 1
    assert bad.iou.max() == 0
    assert good.total < 0.1 * bad.total


@pytest.mark.parametrize("others", [0.0, 0.3])
def test_of_the_three_the_best_is_trained_and_the_others_little(others):
    target = square()
    # The best is not quite right, so that there is something left to learn.
    right = (logits_of(target) / 20).repeat(1, 4, 1, 1)
    logits = (right * torch.tensor([1.0, 0.2, 1.0, 0.1]).view(1, 4, 1, 1)).requires_grad_()
    decoded = Decoded(logits, torch.ones(1, 4), torch.ones(1))
    round_loss(decoded, target, LossWeights(others=others)).total.backward()
    assert logits.grad is not None
    trained = logits.grad.abs().sum((0, 2, 3))
    assert trained[0] > 0
    assert trained[2] > 0
    assert (trained[[1, 3]] > 0).tolist() == [others > 0] * 2
    assert trained[[1, 3]].max() < 0.5 * trained[2]


def test_where_there_is_no_object_only_the_scores_learn():
    logits = torch.randn(1, 4, 8, 8, requires_grad=True)
    scores = torch.full((1, 4), 0.5, requires_grad=True)
    presence = torch.zeros(1, requires_grad=True)
    loss = round_loss(Decoded(logits, scores, presence), torch.zeros(1, 16, 16), LossWeights())
    loss.total.backward()
    assert logits.grad is None or logits.grad.abs().sum() == 0
    assert (scores.grad > 0).all()
    assert presence.grad > 0


def test_each_side_of_the_neighbourhood_has_the_same_weight_whatever_the_size():
    for high in (6, 40):
        weights = neighbourhood_weights(square(128, 4, high))
        assert torch.isclose(weights.sum(), torch.tensor(2.0), atol=1e-3)
        assert weights[0, 5, 5] > weights[0, 127, 127]


def test_the_focal_loss_without_focus_is_the_weighted_cross_entropy():
    logits, target = torch.randn(2, 8, 8), torch.rand(2, 8, 8)
    weights = torch.rand(2, 8, 8)
    expected = F.binary_cross_entropy_with_logits(logits, target, weight=weights, reduction="none")
    assert torch.allclose(focal_loss(logits, target, weights, 0.0), expected.sum((1, 2)))
    assert (focal_loss(logits, target, weights, 2.0) < expected.sum((1, 2))).all()


def test_dice_and_iou_of_half_an_object():
    target = square()
    half = torch.where(torch.arange(16) < 8, 20.0, -20.0).repeat(1, 16, 1)
    half = torch.where(target > 0, half, -20.0)
    assert torch.isclose(mask_iou(half[:, None], target)[0, 0], torch.tensor(0.5))
    assert torch.isclose(dice_loss(half, target)[0], torch.tensor(1 / 3), atol=0.01)


def test_a_piece_has_the_iou_of_a_piece():
    target = square()
    hidden = target.sum() * 3
    iou = mask_iou((target[:, None] - 0.5) * 40, target, hidden[None])
    assert iou[0, 0] == pytest.approx(0.25)


def test_hand_drawn_outlines_count_less():
    target = square(32, 8, 24)
    for rough, least in ((True, 0.3), (False, 1.0)):
        weights = outline_weights(target, torch.tensor([rough]))
        assert weights[0, 16, 8] == pytest.approx(least)
        assert weights[0, 16, 16] == weights[0, 0, 0] == 1
