"""Which object a new prompt is of, and which numbers are free.

Copies, and numbers that the user writes into tables, are in ``test_habits``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.bench import Bench, objects_of
from tests.fakes import ManualRunner

pytestmark = pytest.mark.usefixtures("qapp")


def test_each_drawn_box_is_an_object_of_its_own(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.draw((30, 30, 40, 50))
    assert objects_of(bench.shapes) == [1, 2]
    assert bench.labels.data[10, 10] == 1
    assert bench.labels.data[35, 40] == 2


def test_boxes_added_at_once_are_different_objects_in_one_batch(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50), (60, 60, 70, 80))
    assert objects_of(bench.shapes) == [1, 2, 3]
    assert bench.decoded == [(1, 2, 3)]


def test_clicks_go_to_the_drawn_box_until_the_next_object(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.click(10, 30)
    bench.controller.next_object()
    bench.click(50, 50)
    assert objects_of(bench.points) == [1, 2]
    assert bench.labels.data[10, 30] == 1
    assert bench.labels.data[50, 50] == 2


def test_a_box_after_clicks_starts_another_object(bench: Bench) -> None:
    bench.click(10, 10)
    bench.draw((40, 40, 50, 50))
    assert (objects_of(bench.points), objects_of(bench.shapes)) == ([1], [2])


def test_next_twice_skips_no_number(bench: Bench) -> None:
    for _ in range(3):
        bench.controller.next_object()
    bench.click(10, 10)
    assert objects_of(bench.points) == [1]


def test_the_sign_turns_for_the_next_clicks_only(bench: Bench) -> None:
    bench.click(10, 10)
    bench.controller.flip_sign()
    bench.click(10, 14)
    assert bench.points.features["polarity"].tolist() == ["positive", "negative"]
    assert bench.labels.data[10, 14] == 0
    bench.controller.next_object()
    bench.click(40, 40)
    assert bench.points.features["polarity"].tolist()[-1] == "positive"


def test_drawing_goes_on_after_an_object_number_was_cleared_by_hand(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.shapes.features = bench.shapes.features.assign(object=[np.nan])
    bench.draw((30, 30, 40, 50))
    first, second = objects_of(bench.shapes)
    assert first != second
    assert bench.labels.data[35, 40] == second


def test_a_pasted_box_is_a_new_object_here_and_the_same_on_another_plane() -> None:
    bench = Bench((4, 80, 100)).make_layers()
    bench.viewer.dims.set_point(0, 1)
    bench.controller.refresh()
    bench.draw((5, 5, 15, 20))
    box = bench.shapes.data[0]
    bench.shapes.feature_defaults = bench.shapes.feature_defaults.assign(object=1)
    bench.shapes.add_rectangles([box + np.array([0, 30, 30])])
    bench.controller.refresh()
    bench.shapes.feature_defaults = bench.shapes.feature_defaults.assign(object=1)
    bench.shapes.add_rectangles([box + np.array([1, 0, 0])])
    bench.controller.refresh()
    assert objects_of(bench.shapes) == [1, 2, 1]
    bench.controller.close()


def test_pointing_at_a_prompt_goes_back_to_its_object(bench: Bench) -> None:
    bench.click(10, 10)
    bench.controller.next_object()
    bench.click(50, 50)
    bench.points.mode = "select"
    bench.points.selected_data = {0}
    bench.points.mode = "add"
    bench.click(10, 20)
    assert objects_of(bench.points) == [1, 2, 1]


def test_picking_a_label_goes_back_to_its_object(bench: Bench) -> None:
    bench.click(10, 10)
    bench.controller.next_object()
    bench.click(50, 50)
    bench.labels.selected_label = 1
    bench.click(10, 20)
    assert objects_of(bench.points) == [1, 2, 1]


def test_the_current_object_is_the_selected_label(bench: Bench) -> None:
    bench.click(10, 10)
    bench.controller.next_object()
    assert bench.labels.selected_label == 2


def test_new_objects_start_above_what_a_picked_labels_layer_holds(bench: Bench) -> None:
    data = np.zeros((80, 100), np.uint16)
    data[:5, :5] = 41
    labels = bench.viewer.add_labels(data)
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(50, 50)
    assert objects_of(bench.points) == [42]


def test_a_large_labels_layer_is_searched_by_the_worker(bench: Bench, monkeypatch) -> None:
    monkeypatch.setattr("napari_samv2_prompts._qt.labels_writer.QUICK", 10)
    chores = bench.controller.targets._runner = ManualRunner()
    data = np.zeros((80, 100), np.uint16)
    data[0, 0] = 7
    labels = bench.viewer.add_labels(data)
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(20, 20)
    assert not bench.controller.idle
    assert bench.painted == {7}
    chores.finish_all()
    assert bench.labels.data[20, 20] == 8
    bench.click(50, 50)
    assert bench.labels.data[50, 50] == 9
    assert bench.controller.idle


def test_numbers_are_those_of_the_labels_that_are_there_when_the_search_ends(
    bench: Bench, monkeypatch
) -> None:
    monkeypatch.setattr("napari_samv2_prompts._qt.labels_writer.QUICK", 10)
    chores = bench.controller.targets._runner = ManualRunner()
    labels = bench.viewer.add_labels(np.zeros((80, 100), np.uint16))
    bench.choose(replace(bench.controller.chosen, labels=labels))
    labels.data = np.full((80, 100), 3, np.uint16)
    bench.controller.refresh()
    chores.finish_all()
    bench.controller.refresh()
    bench.click(50, 50)
    assert objects_of(bench.points) == [4]


def test_picked_layers_without_columns_get_an_object_for_each_item(bench: Bench) -> None:
    points = bench.viewer.add_points(np.array([[10, 10], [50, 50]]))
    bench.choose(replace(bench.controller.chosen, points=points))
    assert objects_of(points) == [1, 2]
    assert bench.painted == {1, 2}
