"""Scores by looks: masks are judged one by one, and not changed by it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from napari_samv2_prompts.samv2.nano.looks import REACH, grown
from napari_samv2_prompts.samv2.nano.mask_scores import MaskScores, with_agreement


def _judge(*, trained: bool = True) -> MaskScores:
    torch.manual_seed(0)
    judge = MaskScores(channels=6, masks=4, hidden=8)
    if trained:
        for parameter in judge.head.layers[-1].parameters():
            nn.init.normal_(parameter)
    return judge


def _masks(prompts: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return (
        4 * torch.randn(prompts, 4, 12, 12),
        torch.randn(prompts, 4),
        torch.randn(prompts, 6, 12, 12),
    )


def test_an_untrained_judge_changes_no_score() -> None:
    logits, scores, features = _masks()
    assert torch.equal(_judge(trained=False)(logits, scores, features), scores)


def test_a_trained_one_goes_by_what_lies_inside() -> None:
    logits, scores, features = _masks()
    changed = features + 3 * (logits[:, :1] > 0)
    before, after = (_judge()(logits, scores, f) for f in (features, changed))
    assert (before - after).abs().min() > 1e-4


def test_nothing_is_learnt_through_the_masks() -> None:
    logits, scores, features = (part.requires_grad_() for part in _masks())
    _judge()(logits, scores, features).sum().backward()
    assert logits.grad is None
    assert features.grad is None
    assert scores.grad is not None


def test_other_prompts_of_a_batch_make_no_difference() -> None:
    logits, scores, features = _masks()
    together = _judge()(logits, scores, features)
    alone = [_judge()(*(part[i : i + 1] for part in (logits, scores, features))) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_empty_and_full_masks_have_finite_scores() -> None:
    _, scores, features = _masks(1)
    for value in (-1e4, 1e4):
        assert _judge()(torch.full((1, 4, 12, 12), value), scores, features).isfinite().all()


def test_of_masks_that_were_scored_alike_the_one_like_the_others_is_best() -> None:
    masks = np.random.default_rng(0).random((2, 4, 20, 20)) < 0.1
    masks[:, 1:] |= masks[:, :1] | (np.random.default_rng(1).random((2, 3, 20, 20)) < 0.3)
    scores = with_agreement(torch.full((2, 4), 0.6), torch.from_numpy(masks)).numpy()
    for one, found in zip(masks, scores, strict=True):
        ious = [[(a & b).sum() / (a | b).sum() for b in one] for a in one]
        np.testing.assert_allclose(found, (0.6 + np.mean(ious, 1)) / 2, atol=1e-6)
        assert found.argmax() != 0


def test_empty_masks_agree_with_nothing() -> None:
    scores = with_agreement(torch.full((1, 4), 0.5), torch.zeros(1, 4, 8, 8, dtype=torch.bool))
    assert torch.equal(scores, torch.full((1, 4), 0.25))


def test_a_grown_mask_is_what_pooling_makes_of_it() -> None:
    maps = torch.rand(2, 4, 11, 17)
    pooled = torch.nn.functional.max_pool2d(maps, 2 * REACH + 1, stride=1, padding=REACH)
    assert torch.equal(grown(maps), pooled)
