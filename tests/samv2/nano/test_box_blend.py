"""A box's masks become one: what is measured of them, and how they are weighed."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.nano import decode
from napari_samv2_prompts.samv2.nano.box_blend import (
    MEASURES,
    SHIFTS,
    SIZE,
    BoxBlend,
    blend,
    expected,
    measures,
)

UNMOVED = SHIFTS.index(0.0)
FIT, BEYOND = 6, 7
"""Columns of what is measured: IoU of the mask's extent with the box, how far it lies beyond it."""


def _ramp(box: tuple[int, int, int, int]) -> torch.Tensor:
    """Logits (24, 24) that fall by 2 a cell from a box ``x0, y0, x1, y1`` outwards."""
    x0, y0, x1, y1 = box
    at = torch.arange(24) + 0.5
    across = torch.minimum(at - x0, x1 - at)
    down = torch.minimum(at - y0, y1 - at)
    return 2 * torch.minimum(across[None], down[:, None])


def _seen(box: tuple[int, int, int, int], drawn: tuple[float, ...]) -> torch.Tensor:
    logits = torch.stack([_ramp(box)] * 4)
    looks = torch.rand(8, 24, 24, generator=torch.Generator().manual_seed(0))
    return measures(logits[None], torch.full((1, 4), 0.5), torch.tensor([drawn]), looks[None])[0]


sides = st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(13, 22), st.integers(13, 22))


@given(sides)
def test_the_mask_that_ends_where_the_box_does_fits_it_best(box: tuple[int, int, int, int]) -> None:
    seen = _seen(box, tuple(map(float, box)))[: len(SHIFTS)]
    assert seen.shape[1] == MEASURES
    assert int(seen[:, FIT].argmax()) == UNMOVED
    assert float(seen[UNMOVED, FIT]) > 0.9
    assert float(seen[UNMOVED, BEYOND]) == pytest.approx(0, abs=0.03)
    assert (seen[:UNMOVED, BEYOND] > 0).all()  # a lower threshold goes beyond the box,
    assert (seen[UNMOVED + 1 :, BEYOND] < 0).all()  # a higher one ends short of it


@given(sides)
def test_what_is_measured_is_finite_for_boxes_of_no_extent_and_empty_masks(
    box: tuple[int, int, int, int],
) -> None:
    point = (float(box[0]), float(box[1])) * 2
    logits = torch.stack([_ramp(box), _ramp(box), _ramp(box) - 99, _ramp(box) + 99])
    looks = torch.rand(1, 8, 24, 24)
    seen = measures(logits[None], torch.rand(1, 4), torch.tensor([point]), looks)
    assert seen.isfinite().all()


def test_before_anything_is_learnt_a_mask_is_as_good_as_the_network_says() -> None:
    seen = torch.rand(3, 20, MEASURES)
    seen[..., SIZE] = 0.5
    assert torch.allclose(BoxBlend(8)(seen), seen[..., 0].clamp(0.01, 0.99))


def test_a_threshold_that_makes_something_else_of_a_mask_is_not_taken() -> None:
    logits = _ramp((4, 4, 18, 18))
    logits = torch.stack([logits, torch.where(logits > 0, logits, -1.5)])  # the second leaks
    box, looks = torch.tensor([[4.0, 4, 18, 18]]), torch.rand(1, 8, 24, 24)
    seen = measures(logits[None], torch.full((1, 2), 0.5), box, looks)
    scores = BoxBlend(8)(seen)[0].detach().unflatten(0, (2, -1))
    assert (scores[0, 1:4] > 0).all()
    assert float(scores[1, 0]) == 0


@given(st.integers(0, 2**32))
def test_masks_of_equal_scores_count_alike(seed: int) -> None:
    logits = torch.from_numpy(np.random.default_rng(seed).normal(0, 5, (4, 6, 6))).float()
    scores = torch.full((4 * len(SHIFTS),), 0.6)
    assert torch.allclose(blend(logits, scores), logits.mean(0), atol=1e-4)
    assert float(expected(scores)) == pytest.approx(0.6)


@given(st.integers(0, 3), st.integers(0, len(SHIFTS) - 1))
def test_a_mask_that_is_far_better_than_the_others_is_taken_at_its_threshold(
    mask: int, shift: int
) -> None:
    logits = torch.randn(4, 6, 6, generator=torch.Generator().manual_seed(mask))
    scores = torch.full((4, len(SHIFTS)), 0.1)
    scores[mask, shift] = 0.9
    found = blend(logits, scores.flatten())
    assert torch.allclose(found, logits[mask] - SHIFTS[shift], atol=1e-3)


def test_the_mask_of_a_box_is_one_piece_and_its_score_is_an_iou() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (128, 128), np.uint8)  # noise: masks fall to pieces
    picture[30:60, 30:60] = 200
    nano = SAMV2ImagePredictor("nano", device="cpu", dtype="float32")
    boxes = [(28, 28, 62, 62), (0, 0, 40, 40), (80, 10, 110, 50)]  # all on the finest level
    batch = PromptBatch(tuple(Prompt.of(n, box=box) for n, box in enumerate(boxes, 1)))
    for answer in nano.decode(nano.embed(picture), batch):
        (logits,) = answer.low_res_logits
        assert ndimage.label(logits > 0, np.ones((3, 3)))[1] <= 1
        assert 0 <= float(answer.scores[0]) <= 1


def test_only_a_box_that_is_said_alone_is_answered_by_the_blend() -> None:
    picture = np.full((128, 128), 60, np.uint8)
    picture[40:80, 40:80] = 190
    nano = SAMV2ImagePredictor("nano", device="cpu", dtype="float32")
    box, middle = (38, 38, 82, 82), [(60.0, 60.0)]
    prompts = (Prompt.of(1, box=box), Prompt.of(2, middle, [1], box), Prompt.of(3, middle, [1]))
    embedding = nano.embed(picture)
    with patch.object(decode, "blend", wraps=blend) as made:
        for prompt in prompts:
            nano.decode(embedding, PromptBatch((prompt,)), False)
            assert made.call_count == 1  # of the first
