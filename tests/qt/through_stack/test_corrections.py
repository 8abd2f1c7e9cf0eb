"""What was followed and is then corrected, undone, ended or accepted, and what is doubtful of it.

Divisions are in ``test_divisions``; what is done during a run is in ``test_meanwhile``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.qt.stack_bench import PLANES, Stack, box_on, film

from napari_samv2_prompts.layers import current_plane
from napari_samv2_prompts.propagation import doubts_of_planes

pytestmark = pytest.mark.usefixtures("qapp")


# --- corrections and undo ---


def test_a_correction_changes_nothing_beyond_the_next_anchors(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.data_setitem(np.nonzero(box_on(1, 8, 20, 8, 24)), 1)
    before = bench.labels.data.copy()
    bench.through.propagate([1])
    assert np.array_equal(bench.labels.data[3:], before[3:])
    assert np.array_equal(bench.labels.data == 2, before == 2)
    assert np.array_equal(bench.labels.data[1], before[1])


def test_what_was_painted_onto_a_found_plane_is_not_taken_by_another_object(bench: Stack) -> None:
    bench.through.propagate([1])
    bench.labels.data_setitem(np.nonzero(box_on(5, 2, 3, 2, 3)), 1)
    users = bench.labels.data[5] == 1
    bench.go(4)
    bench.draw((6, 14, 22, 30))  # where 1 is
    bench.through.propagate([3])
    assert np.array_equal(bench.labels.data[5] == 1, users)
    assert (bench.labels.data[6] == 3).sum() > 100


def test_what_was_undone_is_found_again(bench: Stack) -> None:
    bench.through.propagate()
    after = bench.labels.data.copy()
    bench.labels.undo()
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, after)


def test_runs_that_were_undone_leave_what_earlier_ones_found(bench: Stack) -> None:
    bench.through.propagate()
    followed = bench.labels.data.copy()
    bench.labels.data_setitem(np.nonzero(box_on(5, 4, 20, 20, 36)), 1)
    corrected = bench.labels.data.copy()
    bench.through.propagate()
    anew = bench.labels.data.copy()
    assert not np.array_equal(anew, corrected)
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, corrected)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, anew)
    bench.labels.undo()
    bench.labels.undo()  # the correction
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, followed)


def test_what_was_followed_is_deleted_with_its_prompts_in_one_step(bench: Stack) -> None:
    bench.through.propagate([2])
    before = bench.labels.data.copy()
    assert bench.controller.label_tools.delete(2)
    assert bench.planes_of(2) == []
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)


# --- ends ---


def test_an_end_that_was_undone_is_none(bench: Stack) -> None:
    bench.through.propagate()
    followed = bench.labels.data.copy()
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    ended = bench.labels.data.copy()
    bench.labels.undo()
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, followed)
    bench.labels.redo()
    assert np.array_equal(bench.labels.data, ended)
    bench.through.propagate()
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    assert np.array_equal(bench.labels.data == 1, ended == 1)


def test_ends_here_takes_the_object_away_from_there_on(bench: Stack) -> None:
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    bench.through.propagate([2])
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]


def test_ends_here_leaves_what_was_corrected_beyond(bench: Stack) -> None:
    bench.through.propagate([2])
    place = np.argwhere(bench.labels.data[6] == 2)[0]
    bench.labels.data_setitem((np.array([6]), place[:1] - 1, place[1:]), 2)
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4, 6]


def test_ends_here_does_not_read_the_whole_layer(bench: Stack, monkeypatch) -> None:
    bench.through.propagate([2])
    bench.go(5)
    monkeypatch.setattr("napari_samv2_prompts.layers.stack_labels.read_anchors", None)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]


def test_an_object_may_end_on_all_sides(bench: Stack) -> None:
    bench.through.propagate()
    for plane, there in ((5, [0, 1, 2, 3, 4]), (1, [2, 3, 4]), (3, [])):
        bench.go(plane)
        bench.through.end_here(1)
        assert bench.planes_of(1) == there


def test_an_end_is_one_of_the_labels_that_were_there_then(bench: Stack) -> None:
    before = bench.labels.data.copy()
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    bench.labels.data = before
    bench.controller.refresh()
    bench.through.propagate([2])
    assert bench.planes_of(2) == list(range(PLANES))


@pytest.mark.parametrize("live", [True, False])
def test_an_end_stays_where_labels_are_converted(bench: Stack, live: bool) -> None:
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    if not live:
        bench.controller.targets.of(bench.labels).accept()
    bench.labels.data = bench.labels.data.astype(np.uint32)
    bench.controller.refresh()
    bench.through.propagate([2])
    assert bench.planes_of(2) == list(range(5))


# --- accepted and kept ---


def test_what_was_followed_can_be_accepted_on_whatever_plane_is_shown(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(0)
    state = bench.controller.state()
    assert state.acceptable
    bench.controller.accept()
    assert not bench.controller.state().acceptable


def test_accepted_planes_are_anchors(bench: Stack) -> None:
    bench.through.propagate()
    objects = bench.controller.accept()
    bench.through.accepted(objects)
    before = bench.labels.data.copy()
    bench.through.propagate([1, 2])
    assert np.array_equal(bench.labels.data, before)


def test_a_label_that_was_kept_for_a_while_is_the_users_on_all_planes(bench: Stack) -> None:
    bench.through.propagate()
    for on in (True, False):
        bench.controller.label_tools.keep(1, on=on)
    track = bench.through.stack.track(bench.through.stack.now(), 0)
    assert sorted(track.read_anchors(frozenset({1}))[1]) == list(range(PLANES))


# --- doubtful ---


def test_next_doubtful_goes_there_in_order_of_doubt(bench: Stack) -> None:
    bench.through.propagate()
    seen = []
    for _ in range(3):
        place, number = bench.through.next_doubtful()
        assert bench.viewer.dims.current_step[0] == place
        assert bench.controller.state().current == number
        assert f"Object {number} on plane {place}: doubt" in bench.through.state.said
        seen.append((place, number))
    doubts = {
        (place, number): doubt
        for number, places in bench.through._track.found.sections.items()
        for place, doubt in doubts_of_planes(places).items()
    }
    assert [doubts[one] for one in seen] == sorted(doubts.values(), reverse=True)[:3]


def test_next_doubtful_goes_to_the_plane_of_the_labels_whatever_other_layers_there_are() -> None:
    bench = Stack(film((2, PLANES, 50, 60)))
    bench.viewer.add_image(np.zeros((2, 40, 50, 60)), scale=(1, 0.5, 1, 1), translate=(0, -4, 0, 0))
    bench.viewer.dims.set_point((0, 1), (0, 3))
    bench.controller.refresh()
    bench.draw((28, 32, 44, 48))
    bench.through.propagate(axis=1)
    bench.viewer.dims.set_point(0, 1)
    bench.controller.refresh()
    place, _ = bench.through.next_doubtful()
    shown = current_plane(bench.viewer.dims, bench.labels)
    assert shown.index == (0, place, None, None)
    bench.close()


def test_what_was_corrected_is_not_doubtful_any_more(bench: Stack) -> None:
    bench.through.propagate([1])
    place, _ = bench.through.next_doubtful()
    bench.labels.data_setitem(np.nonzero(box_on(place, 0, 4, 0, 4)), 1)
    visited = [bench.through.next_doubtful()[0] for _ in range(PLANES)]
    assert place not in visited
    assert set(visited) == set(range(PLANES)) - {3, place}


def test_what_is_doubtful_is_so_in_the_labels_that_are_chosen(bench: Stack) -> None:
    bench.through.propagate()
    first = bench.controller.chosen
    bench.choose(replace(first, labels=bench.viewer.add_labels(np.zeros_like(bench.labels.data))))
    assert not bench.through.state.doubtful
    assert bench.through.next_doubtful() is None
    bench.choose(first)
    assert bench.through.state.doubtful
    assert bench.through.next_doubtful() is not None


def test_what_was_undone_is_not_to_be_looked_at(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.undo()
    assert bench.through.next_doubtful() is None
    assert bench.through.state.said == "Nothing that was found is left to look at."
    assert not bench.through.state.doubtful


@pytest.mark.parametrize("planes", [slice(2), slice(None)])
def test_nothing_is_doubtful_in_labels_that_have_another_shape_by_now(
    bench: Stack, planes: slice
) -> None:
    bench.through.propagate([2])
    bench.labels.data = bench.labels.data[planes, :30].copy()
    assert bench.through.next_doubtful() is None
