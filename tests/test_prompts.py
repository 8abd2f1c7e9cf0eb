"""Prompts are checked once and never change; masks cut to their boxes lie where they were."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.mask_crops import EMPTY_MASK, Crops, MaskCrop, cropped
from napari_samv2_prompts.prompts import MAX_OBJECT, ItemMasks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Region

COORDINATE = st.floats(-1e4, 1e4)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), max_size=4)


def test_a_prompt_does_not_change_with_the_array_it_was_made_of() -> None:
    points = np.array([[1.0, 2.0]])
    prompt = Prompt.of(1, points)
    points[:] = 99
    np.testing.assert_array_equal(prompt.points, [[1, 2]])
    with pytest.raises(ValueError, match="read-only"):
        prompt.points[0, 0] = 5
    with pytest.raises(FrozenInstanceError):
        prompt.object = 2  # type: ignore[misc]


def test_without_clicks_there_are_none() -> None:
    prompt = Prompt(1, None, None, (1, 2, 3, 4))
    assert prompt.points.shape == (0, 2)
    assert prompt.labels.shape == (0,)


def test_labels_are_kept_as_they_are_given() -> None:
    assert Prompt(1, [[1, 2], [3, 4]], [1, 0]).labels.tolist() == [1, 0]


def test_clicks_are_positive_unless_said_otherwise() -> None:
    np.testing.assert_array_equal(Prompt.of(1, [[1, 2], [3, 4]]).labels, [1, 1])


@given(st.tuples(*[COORDINATE] * 4))
def test_a_box_is_put_in_order_or_refused_when_empty(
    corners: tuple[float, float, float, float],
) -> None:
    x0, y0, x1, y1 = corners
    if x0 == x1 or y0 == y1:
        with pytest.raises(ValueError, match="empty"):
            Prompt.of(1, box=corners)
        return
    box = Prompt.of(1, box=corners).box
    assert box == (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


def test_an_object_is_what_labels_hold() -> None:
    assert Prompt(MAX_OBJECT).object == MAX_OBJECT
    with pytest.raises(ValueError, match="from 1 to 2147483647"):
        Prompt(MAX_OBJECT + 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"points": [[1, 2, 3]]}, r"\(N, 2\)"),
        ({"points": [1, 2]}, r"\(N, 2\)"),
        ({"points": [[np.nan, 2]]}, "NaN"),
        ({"points": [[1, 2]], "labels": [-1]}, "1 .*or 0"),
        ({"points": [[1, 2]], "labels": [1, 1]}, "one label per point"),
        ({"box": [1, 2, 3]}, "four numbers"),
        ({"box": [1, 2, np.inf, 4]}, "infinite"),
        ({"mask": np.zeros((2, 4, 4))}, "2D"),
        ({"mask": [[np.nan]]}, "NaN"),
    ],
)
def test_an_unusable_prompt_is_refused_with_the_reason(
    arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Prompt.of(1, **arguments)


def test_a_lone_click_is_ambiguous_and_nothing_else_is() -> None:
    mask = np.zeros((4, 4))
    assert Prompt.of(1, [[1, 1]]).is_ambiguous
    assert not Prompt.of(1, [[1, 1], [2, 2]]).is_ambiguous
    assert not Prompt.of(1, [[1, 1]], box=[0, 0, 3, 3]).is_ambiguous
    assert not Prompt.of(1, [[1, 1]], mask=mask).is_ambiguous


def test_an_object_stands_once_in_a_batch() -> None:
    with pytest.raises(ValueError, match="only once"):
        PromptBatch((Prompt.of(4, [[1, 1]]), Prompt.of(4, [[2, 2]])))
    assert PromptBatch((Prompt.of(4), Prompt.of(2))).objects == (4, 2)


@given(top=st.integers(0, 5), left=st.integers(0, 5), seed=st.integers(0, 99))
def test_a_crop_pastes_back_to_where_it_was(top: int, left: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((3, 4)) < 0.5
    crop = MaskCrop(top, left, mask)
    full = crop.full((10, 12))
    assert crop.box == (top, left, top + 3, left + 4)
    assert full.sum() == crop.area == mask.sum()
    np.testing.assert_array_equal(full[top : top + 3, left : left + 4], mask)
    np.testing.assert_array_equal(full[crop.slices], mask)
    part = Region(2, 1, 7, 6)
    np.testing.assert_array_equal(crop.within(part), full[part.slices])


@given(seed=st.integers(0, 99), share=st.sampled_from((0.0, 0.1)))
def test_a_mask_is_cut_to_its_box_in_the_image_that_it_is_part_of(seed: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((5, 6)) < share
    crop = cropped(mask, 2, 3)
    np.testing.assert_array_equal(crop.moved(-2, -3).full((5, 6)) if crop.area else mask, mask)
    assert crop.area == mask.sum()
    assert crop is EMPTY_MASK or crop.mask[0].any()


def test_the_best_candidate_has_the_highest_score() -> None:
    crop = MaskCrop(0, 0, np.ones((1, 1), bool))
    scores = np.array([0.1, 0.9, 0.5], np.float32)
    assert ItemMasks(1, (crop,) * 3, scores, np.zeros((3, 4, 4), np.float32), 1.0).best == 1


def test_crops_are_made_once_and_when_they_are_looked_at() -> None:
    made = []

    def maker(number: int) -> MaskCrop:
        made.append(number)
        return MaskCrop(number, 0, np.ones((1, 1), bool))

    there = MaskCrop(9, 0, np.ones((1, 1), bool))
    crops = Crops([lambda: maker(0), there, lambda: maker(2)])
    assert len(crops) == 3
    assert crops[1] is there
    assert not made
    assert crops[-1].top == 2
    assert crops[2] is crops[-1]
    assert [crop.top for crop in crops] == [0, 9, 2]
    assert [crop.top for crop in crops[1:]] == [9, 2]
    assert made == [2, 0]
