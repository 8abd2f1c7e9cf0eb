"""What propagation writes into a Labels layer, and what of the user's it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
from tests.layers.labels_bench import SHAPE, disc, paint, target_on

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.stack_labels import StackLabels
from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.propagation import Filled, Section

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


def moved(stack: StackLabels) -> None:
    stack.begin("keep")
    find(stack, {4: CORNER})


def ended(stack: StackLabels) -> None:
    stack.end(4, PLANE, nullcontext)


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
