"""What propagation writes into a Labels layer, and what of the user's it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
from tests.layers.labels_bench import SHAPE, disc, paint, target_on

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.endings import divide_object, end_object
from napari_samv2_prompts.layers.stack_labels import StackLabels
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import End, Filled, Section, key_of

PLANE = Plane((1, 2), (1, None, None), SHAPE)
LEFT, RIGHT, CORNER = disc(5, 4, 3), disc(5, 7, 2), disc(10, 11, 1)


@pytest.fixture
def stack() -> StackLabels:
    """One plane, on which object 4 was found to the right of object 3, and over it."""
    target = target_on(np.zeros((3, *SHAPE), np.uint16))
    stack = StackLabels.along(0, PLANE, target)
    stack.begin("keep")
    find(stack, {3: LEFT, 4: RIGHT})
    return stack


def find(stack: StackLabels, masks: dict[int, MaskCrop]) -> None:
    filled = Filled(1, {n: Section(crop, 0.9, 0.1, (None, None)) for n, crop in masks.items()})
    stack.found.add(filled)
    assert stack.write(filled, nullcontext)


def mask_of(stack: StackLabels, number: int) -> np.ndarray:
    return np.asarray(stack.target.labels.data[1] == number)


def test_an_end_is_remembered_until_its_run_is_undone(stack: StackLabels) -> None:
    stroke = np.zeros(stack.target.labels.data.shape, bool)
    stroke[0] = CORNER.full(SHAPE)
    paint(stack.target.labels, stroke, 6)
    between = key_of(0, stack.read_anchors(frozenset({6}))[6][0]), None
    end = End(6, 3, 1, between, "not seen")
    for place, ends in ((1, ()), (2, (end,))):
        stack.begin("keep")
        filled = Filled(place, {6: Section(CORNER, 0.9, 0.1, between)}, ends)
        stack.found.add(filled)
        assert stack.write(filled, nullcontext)
    for _ in range(2):
        stack.read_anchors(frozenset({6}))
        assert list(stack.found.ends.values()) == [end]
    stack.target.labels.undo()
    stack.read_anchors(frozenset({6}))
    assert not stack.found.ends
    stack.target.labels.redo()
    stack.read_anchors(frozenset({6}))
    assert list(stack.found.ends.values()) == [end]


def followed_anew(stack: StackLabels, number: int) -> bool:
    """Tell whether an object would be followed once more."""
    anchors = {number: {0: LEFT}, **stack.read_anchors(frozenset({number}))}
    return 1 not in stack.found.sections.get(number, {}) or 1 in anchors[number]


def test_what_others_cover_altogether_is_not_found_again_until_there_is_room(
    stack: StackLabels,
) -> None:
    stack.target.accept({3})
    stack.begin("keep")
    find(stack, {5: disc(4, 3, 1)})  # it lies within 3
    assert not mask_of(stack, 5).any()
    assert not followed_anew(stack, 5)
    stack.target.relabel(PLANE, [3])
    assert followed_anew(stack, 5)
    find(stack, {5: disc(4, 3, 1)})
    assert np.array_equal(mask_of(stack, 5), disc(4, 3, 1).full(SHAPE))


def test_a_run_goes_on_after_more_strokes_than_the_viewer_can_undo(stack: StackLabels) -> None:
    stroke = np.zeros(stack.target.labels.data.shape, bool)
    stroke[0, 0, 0] = True
    for number in range(120):
        paint(stack.target.labels, stroke, 7 + number % 2)
    find(stack, {4: CORNER})
    assert np.array_equal(mask_of(stack, 4), CORNER.full(SHAPE))


def test_however_the_image_is_turned_the_planes_are_the_same(stack: StackLabels) -> None:
    turned = Plane((2, 1), (1, None, None), SHAPE[::-1])
    assert StackLabels.along(0, turned, stack.target).planes == stack.planes


def test_where_an_object_is_the_users_it_does_not_end(stack: StackLabels) -> None:
    stack.target.accept({4})
    before = stack.target.labels.data.copy()
    with pytest.raises(ValueError, match="Object 4 was painted or accepted on this plane: erase"):
        end_object(stack, 4, PLANE, nullcontext)
    assert not stack.ended
    assert np.array_equal(stack.target.labels.data, before)


def test_a_kept_label_neither_ends_nor_divides(stack: StackLabels) -> None:
    stack.target.keep(4, True)
    with pytest.raises(ValueError, match="Label 4 is kept"):
        end_object(stack, 4, PLANE, nullcontext)
    with pytest.raises(ValueError, match="Label 4 is kept"):
        divide_object(stack, 4, PLANE, nullcontext)
    assert not stack.ended
    assert not stack.parents


def test_what_is_the_users_by_now_is_not_doubtful(stack: StackLabels) -> None:
    assert stack.is_found(1, 4)
    stack.target.labels.undo()
    assert not stack.is_found(1, 4)
    stack.target.labels.redo()
    stroke = np.zeros(stack.target.labels.data.shape, bool)
    stroke[1, 1, 1] = True
    paint(stack.target.labels, stroke, 4)
    assert not stack.is_found(1, 4)


def moved(stack: StackLabels) -> None:
    stack.begin("keep")
    find(stack, {4: CORNER})


def ended(stack: StackLabels) -> None:
    end_object(stack, 4, PLANE, nullcontext)


@pytest.mark.parametrize("leave", [moved, ended])
def test_what_a_mask_leaves_comes_back_to_an_object_that_was_found_there(
    stack: StackLabels, leave: Callable[[StackLabels], None]
) -> None:
    leave(stack)
    assert np.array_equal(mask_of(stack, 3), LEFT.full(SHAPE))


@pytest.mark.parametrize("leave", [moved, ended])
def test_what_a_mask_leaves_does_not_come_back_to_an_object_that_was_corrected(
    stack: StackLabels, leave: Callable[[StackLabels], None]
) -> None:
    labels = stack.target.labels
    stroke = np.zeros(labels.data.shape, bool)
    stroke[1, 1, 1] = True
    paint(labels, stroke, 3)
    corrected, before = mask_of(stack, 3), labels.data.copy()
    leave(stack)
    after = labels.data.copy()
    assert np.array_equal(mask_of(stack, 3), corrected)
    labels.undo()
    assert np.array_equal(labels.data, before)
    labels.redo()
    assert np.array_equal(labels.data, after)
