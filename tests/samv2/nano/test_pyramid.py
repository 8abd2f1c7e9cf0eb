"""A click is answered at every scale, and what is embedded for that stays one value."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.nano.candidates import Candidates, cover, offer, overlaps
from napari_samv2_prompts.samv2.nano.config import NANO
from napari_samv2_prompts.samv2.nano.scale_scores import (
    CUT,
    MEASURES,
    PIECE,
    TOUCHED,
    ScaleScores,
)
from napari_samv2_prompts.samv2.nano.windows import Window
from napari_samv2_prompts.samv2.weights.variants import find_variant


@pytest.fixture(scope="module")
def nano() -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor("nano", device="cpu", dtype="float32")


def bright_disc(side: int, diameter: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(diameter)
    y, x = np.mgrid[0:side, 0:side]
    mask = np.hypot(y - side / 2, x - side / 2) < diameter / 2
    grey = np.where(mask, 190.0, 60.0) + rng.normal(0, 4, mask.shape)
    return grey.astype(np.uint8), mask


@given(st.integers(8, 16).map(lambda n: 64 * n))
def test_each_copy_is_a_half_to_a_fourth_of_the_one_before_and_the_last_is_a_window(side) -> None:
    sides = (side, *NANO.pyramid(side))
    assert sides[-1] == NANO.window
    for one, other in pairwise(sides):
        assert other % 64 == 0
        assert 0.25 < other / one <= 0.5


def test_published_networks_have_no_copies() -> None:
    assert find_variant("tiny").pyramid(1024) == ()


@given(st.integers(0, 2**32))
def test_overlap_is_iou(seed: int) -> None:
    masks = np.random.default_rng(seed).random((5, 6, 6)) < 0.4
    found = overlaps(torch.from_numpy(masks).float()).numpy()
    for i, one in enumerate(masks):
        for j, other in enumerate(masks):
            union = (one | other).sum()
            expected = (one & other).sum() / union if union else 0
            assert found[i, j] == pytest.approx(expected, abs=1e-5)


@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from([16, 24, 32]))
def test_a_window_covers_on_the_coarsest_grid_what_it_covers_on_its_own(
    top: int, left: int, grid: int
) -> None:
    window = Window(min(top, grid - 12), min(left, grid - 12), 12)
    inside = torch.rand(1, 4, 48, 48) > 0.5
    shares = cover(inside, [window], grid, 16)
    assert shares.shape == (1, 4, 64, 64)
    assert 0 <= float(shares.min()) <= float(shares.max()) <= 1 + 1e-4
    area = inside.float().sum((2, 3)) * (16 / grid) ** 2
    torch.testing.assert_close(shares.sum((2, 3)), area, rtol=1e-4, atol=1e-3)


def test_three_are_offered_that_differ_best_first() -> None:
    masks = torch.zeros(8, 16, 16)
    masks[:5, 2:6, 2:6] = 1  # five alike,
    masks[5:7, 2:12, 2:12] = 1  # two larger ones,
    masks[7] = 1  # and one that is everything
    logits = [(masks[part] - 0.5) * 8 for part in (slice(0, 4), slice(4, 8))]
    found = Candidates(
        logits,
        [Window(0, 0, 4)] * 2,
        [4, 4],
        torch.rand(2, 4),
        torch.tensor([3.0, -2.0]),
        overlaps(masks),
        [torch.zeros(8, 16, 16)] * 2,
    )
    scores = torch.tensor([0.5, 0.9, 0.8, 0.7, 0.6, 0.3, 0.4, 0.1])
    offered = offer(found, scores, 3, -32.0)
    assert offered.scores.tolist() == pytest.approx([0.9, 0.4, 0.1])
    assert (offered.logits > 0).sum((1, 2)).tolist() == [16, 100, 256]
    assert float(offered.object_logit) == 3.0
    assert len(offer(found, scores, 1, -32.0).scores) == 1


@pytest.mark.parametrize(("side", "diameter"), [(512, 100), (512, 300), (700, 600)])
def test_one_click_finds_a_disc_of_any_size(
    nano: SAMV2ImagePredictor, side: int, diameter: int
) -> None:
    image, mask = bright_disc(side, diameter)
    click = PromptBatch((Prompt(1, [(side / 2 + 5, side / 2)], [1]),))
    (answer,) = nano.decode(nano.embed(image), click)
    found = answer.crops[answer.best].full(mask.shape)
    assert (found & mask).sum() / (found | mask).sum() > 0.85


def test_a_correction_of_a_large_object_keeps_it(nano: SAMV2ImagePredictor) -> None:
    image, mask = bright_disc(512, 340)
    embedding = nano.embed(image)
    (first,) = nano.decode(embedding, PromptBatch((Prompt(1, [(256, 256)], [1]),)))
    logits = first.low_res_logits[first.best]
    more = Prompt(1, [(256, 256), (300, 300)], [1, 1], mask=logits)
    (second,) = nano.decode(embedding, PromptBatch((more,)))
    found = second.crops[second.best].full(mask.shape)
    assert (found & mask).sum() / (found | mask).sum() > 0.85


def test_what_is_embedded_comes_back_from_bytes_with_all_its_levels(
    nano: SAMV2ImagePredictor,
) -> None:
    embedding = nano.embed(np.zeros((640, 600), np.uint8)).halved().from_afar()
    assert [level.embedding.shape[-1] for level in embedding.levels] == [40, 12]
    again = nano.packing.unpack(nano.packing.pack(embedding, "key"), "key")
    for one, other in zip(embedding.levels, again.levels, strict=True):
        for name, tensor in one.tensors().items():
            assert tensor.dtype == torch.float16
            assert torch.equal(tensor, other.tensors()[name])
    assert embedding.nbytes == sum(
        t.nbytes for level in embedding.levels for t in level.tensors().values()
    )
    assert replace(embedding, coarser=()).nbytes < embedding.nbytes


def test_clicks_are_answered_alike_alone_and_together(nano: SAMV2ImagePredictor) -> None:
    image, _ = bright_disc(512, 200)
    embedding = nano.embed(image)
    prompts = [Prompt(n, [(40.0 * n, 256)], [1]) for n in range(1, 9)]
    together = nano.decode(embedding, PromptBatch(tuple(prompts)))
    for prompt, one in zip(prompts, together, strict=True):
        (alone,) = nano.decode(embedding, PromptBatch((prompt,)))
        np.testing.assert_allclose(alone.scores, one.scores, atol=1e-3)


def test_a_mask_that_its_window_cuts_off_counts_less_than_the_same_one_whole() -> None:
    seen = torch.rand(6, MEASURES, generator=torch.Generator().manual_seed(0))
    seen[:, TOUCHED] = 0.0
    whole = ScaleScores(8)(seen)
    seen[:, TOUCHED] = 2 * CUT
    assert torch.allclose(ScaleScores(8)(seen), PIECE * whole)
