"""Labels that are there: merged, deleted, kept; objects of which they leave nothing to be seen.

What is refined is in ``test_editing``; buttons and keys are in ``tests/qt/test_label_panel.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.bench import Bench, objects_of
from tests.qt.labelled_bench import FIRST, tools_of, with_labels

from napari_samv2_prompts._qt.widget_state import Options

pytestmark = pytest.mark.usefixtures("qapp")


# --- merging and deleting ---


def test_merging_gives_the_label_to_the_current_object_in_one_step(bench: Bench) -> None:
    before = bench.labels.data.copy()
    bench.controller.pick_object(7)
    assert tools_of(bench).merge(3)
    np.testing.assert_array_equal(bench.labels.data, np.where(before == 3, 7, before))
    bench.controller.undo()
    np.testing.assert_array_equal(bench.labels.data, before)


def test_what_was_undone_is_not_said_any_more(bench: Bench) -> None:
    bench.controller.pick_object(3)
    assert tools_of(bench).merge(7)
    assert "part of label 3" in bench.controller.state().said
    bench.controller.undo()
    assert bench.painted == {3, 7}
    assert bench.controller.state().said == ""


def test_merging_live_objects_leaves_the_prompts_of_the_one_that_stays(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70), (60, 75, 70, 85))
    bench.controller.pick_object(8)
    assert tools_of(bench).merge(9)
    assert objects_of(bench.shapes) == [8]
    assert (bench.labels.data[65, 65], bench.labels.data[65, 80]) == (8, 8)
    bench.shapes.data = [bench.shapes.data[0] - 20]  # what was merged is the user's
    bench.controller.refresh()
    assert (bench.labels.data[65, 65], bench.labels.data[65, 80]) == (0, 8)


def test_deleting_takes_prompts_and_pixels_of_this_plane_in_one_step() -> None:
    bench = with_labels((2, 80, 100))
    bench.labels.data[1][FIRST] = 3
    bench.click(0, 65, 65)
    bench.viewer.dims.set_point(0, 1)
    bench.controller.refresh()
    bench.controller.pick_object(8)
    bench.click(1, 65, 65)
    before = bench.labels.data.copy()
    assert tools_of(bench).delete(8)
    assert bench.labels.data[0, 65, 65] == 8
    assert not (bench.labels.data[1] == 8).any()
    assert len(bench.points.data) == 1
    bench.controller.undo()
    np.testing.assert_array_equal(bench.labels.data, before)
    assert tools_of(bench).delete(3)
    assert (bench.labels.data[0] == 3).any()
    assert not (bench.labels.data[1] == 3).any()
    bench.controller.close()


def test_several_are_deleted_in_one_step_but_those_that_are_kept(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.draw((65, 65, 75, 75))
    tools_of(bench).keep(7, on=True)
    before = bench.labels.data.copy()
    assert tools_of(bench).delete(3, 7, 8, 9)
    assert bench.painted == {7}
    assert objects_of(bench.shapes) == []
    assert tools_of(bench).said == (
        "Labels 3, 8, 9 are deleted. Label 7 is kept: release it first."
    )
    bench.controller.undo()
    np.testing.assert_array_equal(bench.labels.data, before)
    bench.labels.redo()
    assert bench.painted == {7}


def test_what_lay_under_another_object_is_merged_too(bench: Bench) -> None:
    bench.controller.set_options(Options(policy="replace"))
    bench.draw((15, 15, 25, 35))
    bench.controller.pick_object(7)
    tools_of(bench).merge(3)
    bench.shapes.data = [bench.shapes.data[0] + 50]
    bench.controller.refresh()
    assert (bench.labels.data[FIRST] == 7).all()


# --- keeping ---


def test_several_are_kept_at_once(bench: Bench) -> None:
    told: list[tuple[int, ...]] = []
    tools = tools_of(bench)
    keep = tools.taken.connect(told.append)
    bench.draw((60, 60, 70, 70))
    assert tools.keep(3, 8, on=True)
    assert told == [(3, 8)]
    assert bench.controller.state().kept == (3, 8)
    assert objects_of(bench.shapes) == []
    assert tools.said == "Labels 3, 8 are kept: no result changes them."
    assert keep


def test_no_result_changes_a_kept_label_whatever_the_policy(bench: Bench) -> None:
    tools_of(bench).keep(3, on=True)
    for policy in ("replace", "keep", "background"):
        bench.controller.set_options(Options(policy=policy))
        bench.draw((5, 5, 25, 35))
        assert (bench.labels.data[FIRST] == 3).all()
        assert (bench.labels.data == 3).sum() == 200
    assert bench.controller.state().kept == (3,)
    tools_of(bench).keep(3, on=False)
    bench.controller.set_options(Options(policy="replace"))
    bench.draw((5, 5, 25, 35))
    assert not (bench.labels.data == 3).any()


def test_keeping_a_live_object_accepts_it(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.click(65, 75)
    assert tools_of(bench).keep(8, on=True)
    assert (len(bench.points.data), len(bench.shapes.data)) == (0, 0)
    kept = bench.labels.data == 8
    assert kept.any()
    bench.controller.pick_object(8)
    bench.click(20, 80)  # prompts of a kept label have no effect
    np.testing.assert_array_equal(bench.labels.data == 8, kept)


def test_what_a_kept_label_lies_over_may_change_around_it(bench: Bench) -> None:
    bench.controller.set_options(Options(policy="replace"))
    bench.draw((5, 5, 35, 45))
    bench.draw((15, 15, 25, 35))
    tools_of(bench).keep(9, on=True)
    kept = bench.labels.data == 9
    bench.shapes.data = [bench.shapes.data[0] + 2]
    bench.controller.refresh()
    np.testing.assert_array_equal(bench.labels.data == 9, kept)


def test_a_kept_label_is_neither_edited_nor_merged_nor_deleted(bench: Bench) -> None:
    before = bench.labels.data.copy()
    tools = tools_of(bench)
    tools.keep(3, on=True)
    bench.controller.pick_object(7)
    for refused in (tools.edit, tools.merge, tools.delete):
        assert not refused(3)
        assert "kept" in bench.controller.state().said
    bench.controller.pick_object(3)
    assert not tools.merge(7)
    np.testing.assert_array_equal(bench.labels.data, before)


# --- nothing of an object in the labels ---


@pytest.mark.parametrize("policy", ["replace", "delete"])
def test_a_mask_that_other_labels_cover_is_named_and_written_once_it_can_be(
    bench: Bench, policy: str
) -> None:
    bench.draw((12, 12, 18, 25))
    state = bench.controller.state()
    assert (bench.painted, state.covered, state.empty) == ({3, 7}, (8,), ())
    if policy == "replace":
        bench.controller.set_options(Options(policy="replace"))
    else:
        tools_of(bench).delete(3)
    bench.controller.run()
    assert 8 in bench.painted
    assert bench.controller.state().covered == ()


def test_a_mask_that_the_user_erased_or_painted_over_himself_is_not(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.labels.data_setitem(np.nonzero(bench.labels.data == 8), 0)
    bench.controller.run()
    assert bench.controller.state().covered == ()


def test_what_left_no_pixel_keeps_its_prompts_when_the_others_are_accepted(bench: Bench) -> None:
    tools_of(bench).keep(7, on=True)
    # The second lies under label 3, the third under one that is kept.
    bench.draw((60, 60, 70, 70), (12, 12, 18, 25), (42, 42, 48, 55))
    bench.controller.next_object()
    bench.controller.flip_sign()
    bench.click(30, 80)  # the last one has an empty mask
    assert bench.controller.accept() == (8,)
    assert (objects_of(bench.shapes), objects_of(bench.points)) == ([9, 10], [11])
    assert bench.painted == {3, 7, 8}
    assert bench.controller.state().said == (
        "3 objects keep their prompts, as nothing of them is in the labels: 9, 10, 11."
    )
    tools_of(bench).delete(3)
    bench.controller.run()
    assert bench.controller.accept() == (9,)
    assert "2 objects keep their prompts" in bench.controller.state().said


def test_what_another_object_hides_keeps_its_prompt(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.draw((58, 58, 72, 72))
    assert bench.painted == {3, 7, 9}
    assert bench.controller.accept() == (9,)
    assert objects_of(bench.shapes) == [8]
    assert bench.controller.state().covered == (8,)


def test_what_was_undone_keeps_its_prompt_and_what_was_set_anew_does_not(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.controller.undo()
    assert bench.controller.accept() == ()
    assert objects_of(bench.shapes) == [8]
    bench.controller.run()
    bench.labels.data = np.where(bench.labels.data == 3, 4, bench.labels.data)
    assert bench.controller.accept() == (8,)


def test_in_labels_of_another_shape_there_is_nothing_of_an_object(bench: Bench) -> None:
    bench.draw((60, 60, 70, 70))
    bench.labels.data = bench.labels.data[:30, :30].copy()
    assert bench.controller.accept() == ()
    assert objects_of(bench.shapes) == [8]


# --- words ---


@pytest.mark.parametrize("number", [5, 70_000])
def test_a_label_that_is_not_there_is_told(bench: Bench, number: int) -> None:
    tools = tools_of(bench)
    bench.controller.pick_object(7)
    for refused in (tools.edit, tools.merge, tools.delete):
        assert not refused(number)
        assert f"no label {number}" in tools.said
    assert not tools.edit(0)
    assert "under the mouse" in tools.said


def test_the_label_under_the_mouse(bench: Bench) -> None:
    for position, label in (((15, 15), 3), ((45, 45), 7), ((0, 0), 0), ((-20, 15), 0)):
        bench.viewer.cursor.position = position
        assert tools_of(bench).under_mouse == label


def test_without_labels_there_is_nothing_to_work_on() -> None:
    bench = Bench()
    tools = tools_of(bench)
    assert tools.under_mouse == 0
    assert not tools.delete(1)
    assert not tools.keep(1, on=True)
    assert "no label" in tools.said
    bench.controller.close()
