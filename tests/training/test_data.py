from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from training.annotated import HELD_OUT, in_validation, read_folder
from training.data import Mixture, Samples, SampleSettings
from training.recipe import Recipe, Wide, samples_of_step


def test_the_split_is_fixed():
    """Weights in use were trained on this split: another would let them be tested on what they have
    seen."""
    assert not any(in_validation(name) for name in ("00071198d059", "003cee89357d", "0287e7ee5b00"))
    assert all(in_validation(name) for name in ("091944f1d261", "0c2550a23b8a", "0e4c2e2780de"))


def test_the_split_is_a_seventh():
    share = np.mean([in_validation(f"image{i}") for i in range(4000)])
    assert 0.13 < share < 0.17


def test_no_image_is_in_both_splits_and_none_is_lost(tmp_path):
    names = {f"image{i}" for i in range(40)} | set(HELD_OUT)
    for name in names:
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
        Image.new("I;16", (8, 8)).save(tmp_path / f"{name}.labels.png")
    train, test = ({i.name for i in read_folder(tmp_path, validation=v)} for v in (False, True))
    assert train.isdisjoint(test)
    assert train | test == names - HELD_OUT


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="labels"):
        read_folder(tmp_path, validation=True)


def test_a_sample_depends_on_its_number_alone(images):
    settings = SampleSettings(size=64, objects=3, full=64)
    one, two = Samples(images, settings), Samples(images, settings)
    one[3]
    for name, value in one[7].items():
        assert torch.equal(value, two[7][name])
    assert not torch.equal(one[7]["image"], one[8]["image"])


@pytest.mark.parametrize("generated", [0.0, 1.0])
def test_prompts_belong_to_their_objects(images, generated):
    samples = Samples(images, SampleSettings(size=64, objects=4, full=64, generated=generated))
    seen = 0
    for number in range(12):
        sample = samples[number]
        assert sample["image"].shape == (3, 64, 64)
        assert int(sample["targets"].max()) <= 4
        for target, points, box in zip(
            sample["targets"].numpy(), sample["clicks"].numpy(), sample["box"].numpy(), strict=True
        ):
            if not target.any():
                continue
            seen += 1
            xs, ys = points.astype(int).T
            assert (target[ys // 2, xs // 2] > 0).all()
            assert (box[0] <= box[1]).all()
            inside_y, inside_x = np.nonzero(target == 4)
            if len(inside_y):
                middle = np.array([inside_x.mean(), inside_y.mean()]) * 2
                assert (middle >= box[0] - 12).all()
                assert (middle <= box[1] + 12).all()
    assert seen > 24


def test_steps_with_larger_windows_are_a_fixed_share_and_each_sample_is_one_process_s(images):
    small, large = (SampleSettings(size=size, objects=2, full=size) for size in (32, 64))
    recipe = Recipe(steps=400, batch=6, samples=small, wide=Wide(large, share=0.25, batch=2))
    drawn = []
    for step in range(recipe.steps):
        alone = samples_of_step(recipe, step, 0, 1)
        assert [s for rank in (0, 1) for s in samples_of_step(recipe, step, rank, 2)] == alone
        assert len(alone) == (2 if alone[0][0] else 6)
        drawn += alone
    assert len(set(drawn)) == len(drawn)
    assert 0.18 < sum(which for which, _ in drawn) / 2 / recipe.steps < 0.32
    mixture = Mixture([Samples(images, small), Samples(images, large)])
    assert [mixture[which, 3]["image"].shape[-1] for which in (0, 1)] == [32, 64]
