"""Results that come one after the other and are undone together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.layers.labels_bench import PLANE, SHAPE, disc, paint, target_on

from napari_samv2_prompts.layers import OpenStep


def test_writes_into_one_step_are_undone_and_redone_together():
    target, step = target_on(np.zeros(SHAPE, np.uint16)), OpenStep()
    for column in (2, 6, 10):
        with target.joined(step):
            target.write(PLANE, {column: disc(5, column, 1)})
    after = target.labels.data.copy()
    target.labels.undo()
    assert not target.labels.data.any()
    assert target.live() == frozenset()
    target.labels.redo()
    np.testing.assert_array_equal(target.labels.data, after)
    assert target.live() == {2, 6, 10}


def test_a_step_that_was_undone_is_not_open():
    target, step = target_on(np.zeros(SHAPE, np.uint16)), OpenStep()
    assert target.is_open(step)
    with target.joined(step):
        target.write(PLANE, {1: disc(5, 5, 1)})
    assert target.is_open(step)
    target.labels.undo()
    assert not target.is_open(step)


def test_a_full_list_of_steps_forgets_none_for_a_step_that_grows():
    target, step = target_on(np.zeros(SHAPE, np.uint16)), OpenStep()
    count = target.labels._undo_history.maxlen
    for number in range(1, count):
        target.write(PLANE, {number: disc(number % 12, number // 12, 0)})
    before = target.labels.data.copy()
    for number in (201, 202, 203):
        with target.joined(step):
            target.write(PLANE, {number: disc(11, number - 200, 0)})
    target.labels.undo()
    np.testing.assert_array_equal(target.labels.data, before)
    for _ in range(count - 1):
        target.labels.undo()
    assert not target.labels.data.any()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["write", "paint", "other"]), min_size=1, max_size=8))
def test_whatever_is_done_in_between_everything_can_be_undone(actions):
    target, step = target_on(np.zeros(SHAPE, np.uint16)), OpenStep()
    for place, action in enumerate(actions):
        if action == "write":
            with target.joined(step):
                target.write(PLANE, {place + 1: disc(2, place + 1, 0)})
        elif action == "other":
            target.write(PLANE, {place + 50: disc(6, place + 1, 0)})
        else:
            paint(target.labels, disc(9, place + 1, 0).full(SHAPE), 99)
    steps = sum(action != "write" for action in actions) + ("write" in actions)
    for _ in range(steps):
        target.labels.undo()
    assert not target.labels.data.any()
    assert target.live() == frozenset()
