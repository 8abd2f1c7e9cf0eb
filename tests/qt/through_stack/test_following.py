"""What a run finds: on which planes, for which objects, and where the window hears of it.

What happens while a run goes on is in ``test_meanwhile``, what comes after it in
``test_corrections``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import ManualRunner
from tests.qt.stack_bench import PLANES, Stack, box_on, film, see_walls, shortened, waiting

from napari_samv2_prompts._qt.propagation import NOTHING

pytestmark = pytest.mark.usefixtures("qapp")


def test_prompted_on_one_plane_the_objects_are_on_all(bench: Stack) -> None:
    bench.through.propagate()
    assert bench.planes_of(1) == bench.planes_of(2) == list(range(PLANES))
    for plane in range(PLANES):
        assert bench.labels.data[plane, 14, 14 + 2 * plane] == 1
        assert bench.labels.data[plane, 36, 40] == 2
    assert not bench.through.running


def test_by_the_walls_an_object_may_end_earlier_than_it_was_followed(monkeypatch) -> None:
    see_walls(monkeypatch, True, shortened)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    before = bench.labels.data.copy()
    bench.through.propagate()
    assert bench.planes_of(1) == list(range(PLANES))
    assert bench.planes_of(2) == list(range(PLANES - 2))
    track = bench.through._track
    assert sorted(track.found.sections[2]) == [p for p in range(PLANES - 2) if p != 3]
    assert f"Object 2 ended at plane {PLANES - 2}: not seen." in track.ends
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)
    bench.close()


def test_an_end_is_not_told_any_more_once_the_object_is_known_beyond_it(monkeypatch) -> None:
    see_walls(monkeypatch, True, shortened)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    bench.through.propagate()
    assert bench.through._track.ends == f"Object 2 ended at plane {PLANES - 2}: not seen."
    rows, columns = np.nonzero(bench.labels.data[3] == 2)
    bench.labels.data_setitem((np.full(len(rows), PLANES - 1), rows, columns), 2)
    bench.through.propagate()
    assert bench.planes_of(2) == list(range(PLANES))
    assert bench.through._track.ends == ""
    bench.close()


def test_where_there_are_walls_what_was_followed_is_fitted_to_them(monkeypatch) -> None:
    see_walls(monkeypatch, True)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    anchor = bench.labels.data[3].copy()
    bench.through.propagate()
    sections = bench.through._track.found.sections[1]
    assert sorted(sections) == [place for place in range(PLANES) if place != 3]
    for place, section in sections.items():
        assert section.crop.area < section.followed.area
        assert np.array_equal(bench.labels.data[place] == 1, section.crop.full((50, 60)))
    assert np.array_equal(bench.labels.data[3], anchor)
    bench.close()


def test_the_shown_plane_comes_first(bench: Stack) -> None:
    places: list[int] = []
    bench.through.changed.connect(lambda state: state.done and places.append(state.place))
    bench.go(1)
    bench.through.propagate()
    assert list(dict.fromkeys(places))[:3] == [2, 1, 0]
    assert bench.planes_of(1) == list(range(PLANES))


@pytest.mark.parametrize("shown", [1, 3])
def test_the_window_is_told_of_pixels_that_it_shows_and_of_no_others(bench: Stack, shown) -> None:
    told: list[int] = []
    bench.go(shown)
    bench.labels.events.labels_update.connect(lambda event: told.append(1))
    bench.through.propagate()
    # The plane with the prompts stays as it is; where there are walls others are written twice.
    assert not told if shown == 3 else 0 < len(told) <= 2
    bench.go(5)
    assert np.array_equal(bench.labels._data_view > 0, bench.labels.data[5] > 0)


def test_a_view_across_the_planes_is_told_of_all_of_them() -> None:
    bench, runner = waiting()
    bench.through.propagate()
    bench.viewer.dims.order = (1, 0, 2)
    bench.viewer.dims.set_current_step(1, 14)
    told: list[int] = []
    bench.labels.events.labels_update.connect(lambda event: told.append(1))
    runner.finish_all()
    assert bench.planes_of(1) == list(range(PLANES))
    assert len(told) >= PLANES - 1
    assert np.array_equal(bench.labels._data_view > 0, bench.labels.data[:, 14] > 0)
    bench.close()


def test_a_run_is_one_undo_step(bench: Stack) -> None:
    before = bench.labels.data.copy()
    bench.through.propagate()
    after = bench.labels.data.copy()
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)
    bench.labels.redo()
    assert np.array_equal(bench.labels.data, after)


def test_other_labels_are_not_touched(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(np.ones((PLANES, 50, 16), bool)), 9)
    before = bench.labels.data == 9
    bench.through.propagate([1])
    assert (bench.labels.data[before] == 9).all()


def test_kept_labels_are_not_followed(bench: Stack) -> None:
    bench.controller.label_tools.keep(1, on=True)
    bench.through.propagate()
    assert bench.planes_of(1) == [3]
    assert bench.planes_of(2) == list(range(PLANES))


def test_a_direction_a_range_and_an_object_are_kept_to(bench: Stack) -> None:
    bench.through.propagate([2], "forward", last=5)
    assert bench.planes_of(1) == [3]
    assert bench.planes_of(2) == [3, 4, 5]


def test_a_painted_plane_is_an_anchor_and_is_not_changed(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(box_on(5, 8, 14, 20, 30)), 1)
    painted = bench.labels.data[5] == 1
    bench.through.propagate([1])
    assert np.array_equal(bench.labels.data[5] == 1, painted)
    assert bench.planes_of(1) == list(range(PLANES))


def test_asking_again_does_nothing_again(bench: Stack) -> None:
    bench.through.propagate()
    before, asked = bench.labels.data.copy(), len(bench.factory.predictor.sizes)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, before)
    assert len(bench.factory.predictor.sizes) == asked


def test_pressing_does_not_read_the_layer_on_the_thread_of_the_window(monkeypatch) -> None:
    runner = ManualRunner()
    bench = Stack(runner=runner)
    bench.draw((6, 12, 22, 28))
    runner.finish_all()
    bench.through.propagate()
    runner.finish_all()
    assert bench.through._track.has_found
    monkeypatch.setattr("napari_samv2_prompts.layers.stack_labels.read_mask", None)
    bench.through.propagate()  # the worker would read it
    bench.through.cancel()
    bench.close()


def test_labels_of_another_length_are_another_stack() -> None:
    bench = Stack()
    bench.go(3)
    bench.draw((28, 32, 44, 48))
    bench.through.propagate()
    bench.image.data = np.concatenate([film(), film()[:2]])
    bench.labels.data = np.concatenate([np.asarray(bench.labels.data), np.zeros_like(film()[:2])])
    bench.go(4)
    bench.through.propagate([1])
    assert bench.planes_of(1) == list(range(PLANES + 2))
    bench.close()


def test_any_axis_of_more_may_be_gone_through() -> None:
    bench = Stack(film((2, PLANES, 50, 60)))
    bench.viewer.dims.set_current_step(0, 1)
    bench.go(2)
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    bench.through.propagate(axis=1)
    assert not (bench.labels.data[0] == 1).any()
    assert (bench.labels.data[1] == 1).any((1, 2)).all()
    assert [axis.number for axis in bench.through.stack.axes()[0]] == [1, 0]
    bench.close()


def test_what_can_not_be_done_is_said(bench: Stack) -> None:
    with pytest.raises(ValueError, match="The first plane, 5, lies behind the last, 2"):
        bench.through.propagate(first=5, last=2)
    with pytest.raises(ValueError, match="no such axis"):
        bench.through.propagate(axis=2)
    with pytest.raises(ValueError, match="no object 0: they are counted from 1"):
        bench.through.propagate(np.unique(bench.labels.data))
    bench.session.update(None)
    with pytest.raises(ValueError, match="Choose a model that is on this machine"):
        bench.through.propagate()


def test_objects_that_have_no_mask_yet_are_said_to_be_nothing_to_follow(bench: Stack) -> None:
    bench.controller.set_options(replace(bench.controller.options, live=False))
    bench.points.add([[3, 45, 5]])
    bench.through.propagate([3])
    assert not bench.through.running
    assert bench.through.state.said == NOTHING
