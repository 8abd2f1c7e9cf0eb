from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from training.checkpoint import resume, start
from training.data import SampleSettings
from training.recipe import Recipe, learning_rate
from training.train import train

from napari_samv2_prompts.samv2.finetune.interaction import (
    add_clicks,
    choose,
    first_prompts,
    misled,
)
from napari_samv2_prompts.samv2.modeling import point_labels
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded

RECIPE = Recipe(
    steps=40,
    batch=2,
    samples=SampleSettings(size=64, objects=3, full=64, generated=0.5),
    rate=2e-3,
    warmup=5,
)


def test_a_few_steps_lower_the_loss(small, images, tmp_path):
    run = start(RECIPE, small)
    losses = [h["loss"] for h in train(run, RECIPE, images, tmp_path, workers=0)]
    assert len(losses) == RECIPE.steps
    assert np.mean(losses[-8:]) < 0.75 * np.mean(losses[:8])


def test_a_killed_run_goes_on_along_the_same_curve(small, images, tmp_path):
    recipe = replace(RECIPE, steps=8)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = start(recipe, small)
    curve = train(whole, recipe, images, tmp_path / "whole", workers=0)

    killed = start(recipe, small)
    train(killed, recipe, images, tmp_path / "killed", workers=0, until=5)
    again = start(replace(recipe, samples=replace(recipe.samples, seed=9)), small)
    resume(again, tmp_path / "killed" / "checkpoint.pt")
    assert again.step == 5
    rest = train(again, recipe, images, tmp_path / "killed", workers=0)

    assert rest == curve[5:]
    for one, two in zip(
        [*whole.network.parameters(), *whole.ema.parameters()],
        [*again.network.parameters(), *again.ema.parameters()],
        strict=True,
    ):
        assert torch.equal(one, two)


def test_the_average_lags_behind_and_is_never_trained(small, images, tmp_path):
    run = start(RECIPE, small)
    before = run.ema.no_mem_embed.clone()
    train(run, RECIPE, images, tmp_path, workers=0, until=3)
    moved = (run.network.no_mem_embed - before).abs().sum()
    assert 0 < (run.ema.no_mem_embed - before).abs().sum() < moved
    assert not any(p.requires_grad for p in run.ema.parameters())


def test_the_rate_warms_up_and_falls_to_its_end():
    rates = [learning_rate(RECIPE, step) for step in range(RECIPE.steps + 1)]
    assert rates[0] < rates[2] < rates[4]
    assert max(rates) == pytest.approx(RECIPE.rate)
    assert rates[-1] == pytest.approx(RECIPE.final_rate)
    assert all(a >= b for a, b in pairwise(rates[5:]))


def test_first_prompts_of_one_kind_have_no_padding():
    rng = np.random.default_rng(0)
    batch = {
        "clicks": torch.rand(2, 3, 3, 2) * 60,
        "box": torch.rand(2, 3, 2, 2) * 60,
        "mask": torch.zeros(2, 3, 1, 16, 16),
        "before": torch.zeros(2, 3, 1, 16, 16),
        "before_box": torch.rand(2, 3, 2, 2) * 60,
        "before_click": torch.rand(2, 3, 1, 2) * 60,
    }
    made = [first_prompts(rng, batch, RECIPE.first).labels for _ in range(60)]
    kinds = {tuple(sorted(set(labels.flatten().tolist()))) for labels in made}
    assert (point_labels.POSITIVE,) in kinds
    assert (point_labels.BOX_START, point_labels.BOX_END) in kinds
    for labels in made:
        if (labels == point_labels.PAD).any():
            assert (labels[:, 0] == point_labels.BOX_START).any() or (
                labels[:, 1] == point_labels.PAD
            ).all()


@pytest.mark.parametrize("coarse", [1, 2])
def test_a_corrective_click_lies_in_the_error_at_input_scale(coarse):
    target = torch.zeros(1, 64 // coarse, 64 // coarse)
    target[:, 20 // coarse : 40 // coarse, 20 // coarse : 40 // coarse] = 1
    batch = {"clicks": torch.full((1, 1, 3, 2), 5.0), "box": torch.zeros(1, 1, 2, 2)}
    batch["mask"] = torch.zeros(1, 1, 1, 16, 16)
    prompts = first_prompts(np.random.default_rng(3), batch, (1.0, 0.0, 0.0, 0.0))
    nothing = torch.full((1, 16, 16), -5.0)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        added = add_clicks(rng, prompts, nothing, target, feed=True)
        x, y = added.coords[0, -1].tolist()
        assert added.labels[0, -1] == point_labels.POSITIVE
        assert 20 <= x < 40
        assert 20 <= y < 40
        assert torch.equal(added.mask[:, 0], nothing)
        assert add_clicks(rng, prompts, nothing, target, feed=False).mask is None


def test_some_masks_are_exchanged_before_a_correction():
    masks = torch.arange(200.0).view(200, 1, 1).expand(200, 4, 4)
    changed = misled(np.random.default_rng(0), masks)[:, 0, 0]
    own = changed == masks[:, 0, 0]
    others = changed == masks.roll(1, 0)[:, 0, 0]
    nothing = changed == -8
    assert (own | others | nothing).all()
    assert 0.55 < own.float().mean() < 0.85
    assert others.any()
    assert nothing.any()


def test_a_single_click_is_answered_by_the_best_of_three_others_by_the_single_mask():
    logits = torch.arange(1.0, 5.0).reshape(1, 4, 1, 1).repeat(4, 1, 2, 2)
    scores = torch.tensor([[0.9, 0.1, 0.8, 0.2]]).repeat(4, 1)
    labels = torch.tensor([[1, -1], [1, 1], [1, 0], [2, 3]])
    chosen, score = choose(Decoded(logits, scores, torch.ones(4)), labels)
    assert chosen[:, 0, 0].tolist() == [3, 1, 1, 1]
    assert score.tolist() == pytest.approx([0.8, 0.9, 0.9, 0.9])


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"refine_8": (1,)}, {"refine_8": (1, 2)}),
        ({"refine_4": ()}, {"refine_4": (1, 2)}),
    ],
)
def test_a_wider_network_begins_as_what_the_narrower_one_computes(small, less, more):
    narrow = start(RECIPE, replace(small, **less)).network.eval()
    wide = start(RECIPE, replace(small, **more), narrow.state_dict()).network.eval()
    pixels, coords = torch.randn(1, 3, 64, 64), torch.tensor([[[5.0, 9.0], [40.0, 50.0]]])
    with torch.inference_mode():
        one, other = (
            network.decode_prompts(network.encode_image(pixels), coords, torch.tensor([[2, 3]]))
            for network in (narrow, wide)
        )
    torch.testing.assert_close(one.logits, other.logits)
