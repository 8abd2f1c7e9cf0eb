"""Masks painted over each other and over labels: which pixel is whose, and what is written.

What is released, renamed or adopted is in ``test_masks_released``; Labels layers are in
``tests/layers``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.painted_page import SHAPE, Page, existing, rectangle, rectangles

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import edits, paint, respect_edits

# --- whatever the masks and the labels are ---


@given(existing, rectangles())
def test_edits_lie_within_the_mask_and_hold_no_pixel_twice(labels, mask):
    page = Page(labels)
    rows, columns = [], []
    for edit in page.write({1: mask}, "replace"):
        rows += edit.rows.tolist()
        columns += edit.columns.tolist()
    assert len(set(zip(rows, columns, strict=True))) == len(rows) == mask.area
    assert mask.full(SHAPE)[rows, columns].all()


@given(existing, rectangles(), rectangles())
def test_moving_touches_only_what_differs(labels, first, second):
    page = Page(labels)
    page.write({1: first})
    before = page.labels.copy()
    n_written = sum(len(edit.rows) for edit in page.write({1: second}))
    assert n_written == (page.labels != before).sum()


@given(existing, st.lists(rectangles(), min_size=1, max_size=4))
def test_labels_of_others_never_change_under_keep(labels, masks):
    page = Page(labels)
    for number, mask in enumerate(masks, start=1):
        page.write({number: mask}, "keep")
    np.testing.assert_array_equal(page.labels[labels > 0], labels[labels > 0])
    assert (page.labels[~np.any([m.full(SHAPE) for m in masks], axis=0) & (labels == 0)] == 0).all()


@given(existing, st.lists(rectangles(), min_size=1, max_size=4), st.randoms())
def test_taking_all_objects_away_in_any_order_restores_every_pixel(labels, masks, random):
    page = Page(labels)
    for number, mask in enumerate(masks, start=1):
        page.write({number: mask}, "replace")
    numbers = list(page.live)
    random.shuffle(numbers)
    for number in numbers:
        page.write({number: None})
    np.testing.assert_array_equal(page.labels, labels)
    assert page.live == {}


@st.composite
def speckled(draw):
    """A mask that does not fill its box."""
    box = draw(rectangles())
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return MaskCrop(box.top, box.left, random.random(box.mask.shape) < 0.7)


steps = st.lists(
    st.tuples(
        st.integers(1, 3),
        speckled(),
        st.sampled_from(["keep", "replace", "background"]),
        st.frozensets(st.sampled_from([1, 2, 3, 50, 51])),
    ),
    min_size=1,
    max_size=5,
)


@given(existing, steps)
@settings(max_examples=40)
def test_a_plane_shows_what_the_rules_say_of_masks_of_any_shape(labels, steps):
    """The same rules on whole planes, one below the other, without boxes or memory."""
    page, objects = Page(labels), {}
    for number, mask, policy, kept in steps:
        kept -= {number}
        held = mask.full(SHAPE) & ~np.isin(page.labels, [*kept]) & ~np.isin(labels, [*kept])
        objects.pop(number, None)
        if policy != "replace":
            held &= labels == 0
        if policy == "background":
            held &= ~np.any([np.zeros(SHAPE, bool), *objects.values()], axis=0)
        objects[number] = held
        page.write({number: mask}, policy, kept)
        expected = labels.copy()
        for label, pixels in objects.items():
            expected[pixels] = label
        np.testing.assert_array_equal(page.labels, expected)


@given(existing, st.lists(rectangles(), min_size=2, max_size=5))
def test_where_boxes_overlap_each_pixel_is_written_once(labels, masks):
    page = Page(labels)
    places = [
        (row, column)
        for edit in page.write(dict(enumerate(masks, start=1)), "replace")
        for row, column in zip(edit.rows.tolist(), edit.columns.tolist(), strict=True)
    ]
    covered = np.logical_or.reduce([mask.full(SHAPE) for mask in masks])
    assert sorted(places) == [tuple(place) for place in np.argwhere(covered).tolist()]


# --- what lies over what ---


def test_the_object_predicted_last_is_on_top():
    page = Page()
    page.write({1: rectangle(0, 0, 5, 5)})
    page.write({2: rectangle(2, 2, 6, 6)})
    assert page.labels[3, 3] == 2
    page.write({1: rectangle(0, 0, 5, 6)})
    assert page.labels[3, 3] == 1
    page.write({1: None})
    assert page.labels[3, 3] == 2


def test_of_objects_predicted_together_the_smaller_is_on_top():
    for small in (1, 2):
        page = Page()
        page.write({small: rectangle(2, 2, 2, 2), 3 - small: rectangle(0, 0, 9, 11)})
        assert (page.labels[2:4, 2:4] == small).all()
        assert (page.labels == small).sum() == 4


def test_an_object_predicted_later_lies_over_a_smaller_one_predicted_before():
    page = Page()
    page.write({1: rectangle(1, 1, 4, 4), 2: rectangle(2, 2, 2, 2)})
    page.write({3: rectangle(0, 0, 6, 6)})
    assert (page.labels[:6, :6] == 3).all()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("keep", [9, 2, 2, 0]), ("replace", [2, 2, 2, 0]), ("background", [9, 1, 2, 0])],
)
def test_policies(policy, expected):
    page = Page()
    page.labels[0, 0] = 9  # existing label
    page.write({1: rectangle(0, 1, 1, 1)})
    page.write({2: rectangle(0, 0, 1, 3)}, policy)
    assert page.labels[0, :4].tolist() == expected


def test_a_kept_label_is_covered_by_nothing_not_even_where_an_object_lies_on_it():
    page = Page()
    page.labels[0, :4] = 9
    page.write({1: rectangle(0, 0, 1, 2)}, "replace")
    page.write({2: rectangle(0, 0, 2, 4)}, "replace", frozenset({9}))
    assert page.labels[:2, :4].tolist() == [[1, 1, 9, 9], [2, 2, 2, 2]]


def test_around_a_kept_label_an_object_has_its_mask_and_no_more():
    page = Page()
    page.labels[0, :4] = 9
    page.write({1: rectangle(4, 0, 1, 4)}, kept=frozenset({9}))
    corner = MaskCrop(0, 0, np.tri(6, dtype=bool))
    page.write({2: corner}, "replace", frozenset({9, 1}))
    expected = np.where(corner.full(SHAPE), 2, 0)
    expected[0, :4], expected[4, :4] = 9, 1
    np.testing.assert_array_equal(page.labels, expected)


def test_a_pixel_beside_an_objects_mask_but_in_its_box_is_free():
    page = Page()
    corner = np.array([[True, True, True], [True, False, False], [True, False, False]])
    page.write({1: MaskCrop(0, 0, corner)})
    page.write({2: rectangle(1, 1, 2, 2)}, "background")
    assert page.labels[:3, :3].tolist() == [[1, 1, 1], [1, 2, 2], [1, 2, 2]]


def test_an_empty_mask_clears_what_was_painted():
    page = Page()
    page.write({1: rectangle(0, 0, 4, 4)})
    page.write({1: MaskCrop(0, 0, np.zeros((0, 0), bool))})
    assert not page.labels.any()
    assert set(page.live) == {1}


def test_what_lies_under_an_object_comes_back_into_labels_of_another_type():
    page = Page(np.full(SHAPE, 9, np.int64))
    page.write({1: rectangle(0, 0, 4, 4)}, "replace")
    page.labels = page.labels.astype(np.uint16)
    page.write({1: None})
    assert (page.labels == 9).all()


# --- edits by hand ---


def test_an_edited_pixel_is_the_users_as_long_as_the_mask_covers_it():
    page = Page()
    page.write({1: rectangle(0, 0, 4, 4)})
    page.labels[1, 1] = 0  # erased
    page.labels[2, 2] = 70  # painted
    page.write({1: rectangle(0, 0, 5, 5)})
    assert page.labels[1, 1] == 0
    assert page.labels[2, 2] == 70
    page.write({1: None})
    assert np.argwhere(page.labels).tolist() == [[2, 2]]


def test_an_edit_where_two_objects_overlap_is_respected_by_both():
    page = Page()
    page.write({1: rectangle(0, 0, 5, 5)})
    page.write({2: rectangle(2, 2, 5, 5)})
    page.labels[3, 3] = 0
    page.write({1: rectangle(0, 0, 5, 6)})
    page.write({2: rectangle(2, 2, 5, 6)})
    assert page.labels[3, 3] == 0


def test_painting_back_an_objects_own_label_makes_the_pixel_its_own_again():
    page = Page()
    page.write({1: rectangle(0, 0, 4, 4)})
    page.labels[1, 1] = 0
    page.write({1: rectangle(0, 0, 4, 5)})
    page.labels[1, 1] = 1
    page.write({1: None})
    assert not page.labels.any()


def test_a_hand_edit_between_two_objects_that_change_together_is_kept():
    page = Page()
    page.write({1: rectangle(0, 0, 2, 2), 2: rectangle(4, 5, 2, 2), 3: rectangle(7, 9, 2, 2)})
    page.labels[4:6, 5:7] = 90
    page.write({1: rectangle(0, 0, 3, 3), 3: rectangle(6, 8, 3, 3)})
    assert (page.labels[4:6, 5:7] == 90).all()


def test_a_hand_edit_right_beside_what_changes_is_kept():
    page = Page()
    page.write({1: rectangle(1, 1, 2, 2), 2: rectangle(1, 3, 2, 2), 3: rectangle(6, 7, 2, 2)})
    page.labels[1:3, 3] = 90
    page.write({1: rectangle(1, 1, 1, 2), 3: rectangle(6, 7, 1, 2)})
    assert (page.labels[1:3, 3] == 90).all()


def test_an_edit_takes_nothing_from_an_object_but_what_was_edited():
    page = Page()
    page.labels[0, :3] = 9
    page.write({1: rectangle(0, 0, 3, 3)})
    page.labels[2, 2] = 0
    page.write({1: rectangle(0, 0, 3, 3)}, "replace")
    assert page.labels[:3, :3].tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]


def test_a_label_painted_of_an_object_below_gives_nothing_back_to_the_one_above():
    page = Page()
    page.write({1: rectangle(0, 0, 4, 4), 2: rectangle(1, 1, 2, 2)})
    page.labels[1:3, 1:3] = 90
    page.write({1: rectangle(0, 0, 4, 4), 2: rectangle(1, 1, 2, 2)})  # both yield
    page.labels[1, 1] = 1
    page.write({2: rectangle(1, 1, 2, 2)})
    page.write({2: None})
    assert page.labels[1:3, 1:3].tolist() == [[1, 90], [90, 90]]


def test_an_undone_edit_is_given_back_from_under_any_of_several_objects():
    page = Page()
    masks = {1: rectangle(0, 0, 5, 5), 2: rectangle(1, 0, 1, 5), 3: rectangle(3, 0, 1, 4)}
    page.write(masks)
    before = page.labels.copy()
    page.labels[1], page.labels[3] = 90, 90
    page.write(masks)
    page.labels[:] = before
    page.write(masks)
    page.write({2: None, 3: None})
    assert (page.labels[:5, :5] == 1).all()


# --- how much work it is ---


def test_work_goes_with_the_mask_not_with_the_plane():
    read = []
    for side in (50, 500):
        page = Page(np.zeros((side, side), np.uint16))
        page.write({1: rectangle(5, 5, 10, 10)})
        page.write({1: rectangle(30, 30, 10, 10)})
        read.append(page.read_pixels)
    assert read[0] == read[1] <= 2 * 35**2
    far = Page(np.zeros((2000, 2000), np.uint16))
    far.write({1: rectangle(5, 5, 10, 10)})
    far.write({1: rectangle(1900, 1900, 10, 10)})
    assert far.read_pixels <= 10 * 100


def test_an_object_that_a_box_does_not_reach_into_is_not_looked_at_even_beside_it():
    page = Page()
    places = [(top, left) for top in (0, 3, 6) for left in (0, 3, 6)]
    page.write({n: rectangle(*place, 3, 3) for n, place in enumerate(places, start=1)})
    page.read_pixels = 0
    respect_edits(page.read, page.live, [page.live[5].box])
    assert page.read_pixels == 9


def test_many_objects_are_written_in_one_edit():
    page = Page(np.zeros((400, 400), np.uint16))
    masks = {n: rectangle(40 * (n % 8), 40 * (n // 8), 25, 25) for n in range(1, 60)}
    after = paint(page.read, {}, masks, "keep", 0)
    (edit,) = edits(page.read, {}, after)
    assert len(edit.rows) == 59 * 25 * 25


def test_two_objects_are_written_in_one_edit():
    page = Page()
    assert len(page.write({1: rectangle(0, 0, 2, 2), 2: rectangle(5, 5, 2, 2)})) == 1


def test_objects_far_apart_are_not_written_with_all_that_is_between():
    page = Page(np.zeros((3000, 3000), np.uint16))
    masks = {1: rectangle(5, 5, 4, 6), 2: rectangle(2900, 2900, 6, 4)}
    assert len(page.write(masks)) == 2
