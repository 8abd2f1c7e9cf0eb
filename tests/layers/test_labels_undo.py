"""Undo and redo of results: napari's history and the target's stay of one mind."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from tests.layers.labels_bench import PLANE, SHAPE, disc, paint, target_on

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import undo_steps


def test_a_result_is_one_undo_step_also_when_it_moves_an_object():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 2), 2: disc(8, 8, 2)})
    first = target.labels.data.copy()
    target.write(PLANE, {1: disc(6, 5, 2), 2: disc(8, 9, 2)})
    second = target.labels.data.copy()
    target.labels.undo()
    np.testing.assert_array_equal(target.labels.data, first)
    target.labels.redo()
    np.testing.assert_array_equal(target.labels.data, second)
    target.labels.undo()
    target.labels.undo()
    assert not target.labels.data.any()


def test_after_several_undos_no_debris_is_left():
    target = target_on(np.zeros(SHAPE, np.uint16))
    for column in (3, 6, 9):
        target.write(PLANE, {1: disc(5, column, 2)})
    target.labels.undo()
    target.labels.undo()
    target.write(PLANE, {1: disc(5, 11, 2)})
    np.testing.assert_array_equal(target.labels.data, disc(5, 11, 2).full(SHAPE))


def test_redoing_a_move_is_not_taken_for_undoing_what_came_before():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(0, 0, 0)})
    target.write(PLANE, {1: disc(0, 12, 0)})
    target.labels.undo()
    target.labels.redo()
    assert target.live() == {1}
    target.remove([1])
    assert not target.labels.data.any()


def test_undoing_further_is_not_taken_for_redoing_a_removal():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 1), 2: disc(8, 8, 1)})
    target.write(PLANE, {1: None})
    target.labels.undo()
    target.labels.undo()
    assert target.live() == frozenset()
    target.write(PLANE, {2: disc(8, 9, 1)})
    np.testing.assert_array_equal(target.labels.data, 2 * disc(8, 9, 1).full(SHAPE))


def test_undo_after_an_undone_removal_is_told_from_redoing_the_removal():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(0, 0, 0)})
    target.write(PLANE, {1: disc(0, 12, 0)})
    target.remove([1])
    target.labels.undo()
    target.labels.undo()
    target.remove([1])
    assert not target.labels.data.any()


def test_erasing_all_of_an_object_by_hand_is_not_taken_for_undo():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 2.0)})
    paint(target.labels, target.labels.data == 1, 0)
    assert target.live() == {1}
    target.write(PLANE, {1: disc(5, 5, 3.5)})
    assert not target.labels.data[disc(5, 5, 2.0).full(SHAPE)].any()
    assert (target.labels.data == 1).any()


def test_redo_brings_back_an_object_none_of_whose_pixels_is_seen():
    data = np.zeros(SHAPE, np.uint16)
    data[:, 7:] = 90
    target = target_on(data)
    target.write(PLANE, {1: disc(5, 3, 2.0)})
    assert target.write(PLANE, {2: disc(5, 10, 2.0)}) == 0
    target.labels.undo()
    assert target.live() == set()
    target.labels.redo()
    assert target.live() == {1, 2}


def test_an_undone_result_counts_as_never_painted():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3)})
    target.labels.undo()
    assert target.live() == frozenset()
    target.write(PLANE, {2: disc(5, 9, 3)})
    np.testing.assert_array_equal(target.labels.data, 2 * disc(5, 9, 3).full(SHAPE))


def test_an_undone_hand_edit_gives_the_pixels_back_to_the_object():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 4)})
    paint(target.labels, disc(3, 5, 1).full(SHAPE), 0)
    target.write(PLANE, {2: disc(10, 12, 1)})
    target.labels.undo()
    target.labels.undo()
    target.write(PLANE, {1: disc(5, 6, 4)})
    np.testing.assert_array_equal(target.labels.data, disc(5, 6, 4).full(SHAPE))


def test_accepting_one_object_leaves_the_others_live_through_undo():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(4, 3, 2), 2: disc(8, 9, 2)})
    target.write(PLANE, {2: disc(8, 10, 2)})
    target.accept([1])
    assert target.live() == {2}
    target.labels.undo()
    assert target.live() == {2}
    target.remove([1, 2])
    np.testing.assert_array_equal(target.labels.data, disc(4, 3, 2).full(SHAPE))


def test_steps_hold_one_copy_of_live_objects_and_none_of_accepted_ones():
    target = target_on(np.zeros((30, *SHAPE), np.uint16))
    target.write(Plane((1, 2), (0, None, None), SHAPE), {1: disc(5, 5, 2), 2: disc(9, 9, 1)})
    for z in range(1, 30):
        target.write(Plane((1, 2), (z, None, None), SHAPE), {2: disc(5, 5, 2)})
        target.accept([2])
    lives = [live for step in target._steps._done for live in (step.before, step.after)]
    assert len({id(objects) for live in lives for objects in live.values()}) == 1
    assert target.live() == {1}


def test_an_undone_result_takes_no_erased_one_with_it():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 2)})
    paint(target.labels, target.labels.data == 1, 0)
    target.write(PLANE, {2: disc(8, 9, 2)})
    target.labels.undo()
    target.labels.refresh()
    assert target.live() == {1}  # with no pixel left, but as live as before


def test_steps_of_a_hidden_layer_are_followed_too():
    target = target_on(np.zeros(SHAPE, np.uint16))
    for column in (3, 6, 9):
        target.write(PLANE, {column: disc(5, column, 1)})
    target.labels.visible = False
    for _ in range(2):
        target.labels.undo()
    assert target.live() == {3}
    for _ in range(2):
        target.labels.redo()
    assert target.live() == {3, 6, 9}


def test_what_was_undone_and_painted_over_unseen_is_gone():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 1)})
    target.write(PLANE, {2: disc(8, 8, 1)})
    target.labels.visible = False
    target.labels.undo()
    paint(target.labels, disc(10, 2, 1).full(SHAPE), 40)
    target.labels.undo()
    assert target.live() == {1}
    target.labels.undo()
    assert target.live() == frozenset()


def test_objects_stay_live_when_the_viewer_forgets_its_steps():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 1)})
    target.labels.editable = False
    target.labels.editable = True
    target.labels.undo()
    assert target.live() == {1}
    target.remove([1])
    assert not target.labels.data.any()


def test_more_results_than_the_viewer_can_undo_stay_live():
    target = target_on(np.zeros(SHAPE, np.uint16))
    for number in range(1, 121):
        target.write(PLANE, {number: disc(number % 12, number // 12, 0)})
    assert len(target.live()) == 120
    for _ in range(110):
        target.labels.undo()
    assert target.live() == frozenset(range(1, 21))
    for _ in range(110):
        target.labels.redo()
    assert len(target.live()) == 120


def test_an_undone_hand_edit_gives_the_pixels_back_to_covered_objects_too():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3), 2: disc(5, 5, 2)})  # the smaller one is on top
    paint(target.labels, disc(5, 5, 1).full(SHAPE), 0)
    target.write(PLANE, {2: disc(5, 5, 2)})  # takes note of the edit, and changes nothing
    target.labels.undo()
    target.write(PLANE, {2: None})
    np.testing.assert_array_equal(target.labels.data, disc(5, 5, 3).full(SHAPE))


def test_a_label_painted_over_an_erased_place_gives_nothing_back_to_others():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3)})
    paint(target.labels, disc(5, 5, 1).full(SHAPE), 0)
    target.write(PLANE, {2: disc(5, 5, 1)})
    target.write(PLANE, {2: None})
    expected = disc(5, 5, 3).full(SHAPE) & ~disc(5, 5, 1).full(SHAPE)
    np.testing.assert_array_equal(target.labels.data, expected)


def test_an_objects_label_painted_over_another_one_is_the_objects():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3), 2: disc(5, 5, 2)})
    paint(target.labels, disc(5, 5, 1).full(SHAPE), 1)
    target.write(PLANE, {1: None})
    expected = 2 * (disc(5, 5, 2).full(SHAPE) & ~disc(5, 5, 1).full(SHAPE))
    np.testing.assert_array_equal(target.labels.data, expected)


def test_an_undone_label_of_the_users_own_does_not_come_back_with_the_next_result():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3)})
    paint(target.labels, disc(5, 5, 1).full(SHAPE), 90)
    target.write(PLANE, {1: disc(5, 5, 3)})  # takes note of the edit, and changes nothing
    target.labels.undo()
    target.write(PLANE, {1: disc(5, 5, 3.2)})
    np.testing.assert_array_equal(target.labels.data, disc(5, 5, 3.2).full(SHAPE))


def test_of_a_viewer_that_does_not_tell_its_steps_an_undone_result_is_a_hand_edit(monkeypatch):
    bare = SimpleNamespace()
    histories = undo_steps.histories
    monkeypatch.setattr(undo_steps, "histories", lambda labels: histories(bare))
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 1)})
    target.labels.undo()
    assert target.live() == {1}
    target.write(PLANE, {2: disc(8, 8, 1)})
    np.testing.assert_array_equal(target.labels.data, 2 * disc(8, 8, 1).full(SHAPE))
