from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from training.annotated import HELD_OUT, Annotated, in_validation, read_all, read_folder
from training.data import (
    Mixture,
    Samples,
    SampleSettings,
    View,
    pick_objects,
    touching,
)
from training.prompting import prompts_of_section
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
    settings = SampleSettings(size=64, objects=4, full=64, generated=generated, coarse=2)
    samples = Samples(images, settings)
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


def test_other_kinds_are_split_by_groups_of_like_names(tmp_path):
    folder = tmp_path / "open" / "embryos_drosophila"
    folder.mkdir(parents=True)
    for name in ("1d30-1", "1d30-2", "3d30-3", "3d30-4", "5d34-1"):
        Image.new("L", (8, 8)).save(folder / f"{name}.png")
        Image.new("I;16", (8, 8)).save(folder / f"{name}.labels.png")
    train, test = (
        {item.name for item in read_all(tmp_path, validation=which)} for which in (False, True)
    )
    assert train == {"1d30-1", "1d30-2"}
    assert test == {"3d30-3", "3d30-4", "5d34-1"}


def disc(kind: str, radius: int, hand_drawn: bool = False) -> Annotated:
    y, x = np.mgrid[0:256, 0:256]
    labels = (np.hypot(y - 128, x - 128) < radius).astype(np.int32)
    image = np.repeat((labels * 150 + 40).astype(np.uint8)[..., None], 3, 2)
    return Annotated(kind, image, labels, kind, hand_drawn)


def test_what_lies_beyond_a_sample_is_known():
    """A score of a piece must learn that it is one."""
    settings = SampleSettings(
        size=64, objects=1, full=256, largest=256, generated=0.0, diameters=(150.0, 160.0)
    )
    samples = Samples([disc("embryos", 100)], settings)
    shares = []
    for number in range(20):
        sample = samples[number]
        shown, hidden = float(sample["targets"].sum()), float(sample["hidden"].sum())
        if shown:
            shares.append(shown / (shown + hidden))
    # A disc of some 155 pixels has 18 900, a sample 4096.
    assert 0.05 < np.mean(shares) < 0.45


def test_nothing_unlabelled_of_a_hand_drawn_picture_is_taken_for_background():
    settings = SampleSettings(size=64, objects=6, full=64, generated=0.0, diameters=(20.0, 40.0))
    for hand_drawn in (True, False):
        samples = Samples([disc("worms", 12, hand_drawn)], settings)
        empty = [not t.any() for n in range(30) for t in samples[n]["targets"]]
        assert any(empty) is not hand_drawn


def test_a_section_hands_over_its_mask_box_and_middle():
    mask = np.zeros((64, 64), bool)
    mask[12:32, 20:48] = True
    given = prompts_of_section(np.random.default_rng(0), mask)
    assert given["before_box"].tolist() == [[20, 12], [47, 31]]
    x, y = given["before_click"][0].astype(int)
    assert mask[y, x]
    assert ((given["before"][0] > 0).sum() * 16) == pytest.approx(mask.sum(), rel=0.1)


def test_electron_micrographs_are_shown_more_often_and_nuclei_as_often_as_before():
    picture = np.zeros((4, 4, 3), np.uint8)
    kinds = ["dark", "fibsem", "segmush", "flakes2d_om"]
    images = [Annotated(kind, picture, picture[..., 0].astype(np.int32), kind) for kind in kinds]
    dark, neurites, *others = Samples(images, SampleSettings(nuclei=0.4, neurites=4.0)).chances
    assert dark == pytest.approx(0.4)
    assert neurites == pytest.approx(0.4)
    assert others == pytest.approx([0.1, 0.1])


def test_objects_that_touch_others_are_chosen_more_often_if_that_is_asked_for():
    labels = np.zeros((64, 64), np.int32)
    labels[8:20, 8:20], labels[8:20, 21:33], labels[44:56, 8:20], labels[44:56, 30:42] = 1, 2, 3, 4
    assert touching(labels) == {1, 2}
    view = View(np.zeros((64, 64, 3), np.uint8), [labels], [], [np.bincount(labels.ravel()) * 1.0])
    rng = np.random.default_rng(0)

    def share(times: float) -> float:
        settings = SampleSettings(objects=1, touching=times)
        picked = [pick_objects(rng, view, settings)[0].mask for _ in range(400)]
        found = [mask[8:20].any() for mask in picked if mask.any()]
        return float(np.mean(found))

    assert 0.42 < share(1.0) < 0.58
    assert 0.74 < share(4.0) < 0.86
