"""What people do in napari beside our buttons: they copy, edit tables, paint and convert labels.

What they draw with the tools for shapes is in ``test_drawing``.
"""

from __future__ import annotations

import numpy as np
import pytest
from tests.bench import Bench, note, objects_of, settle

pytestmark = pytest.mark.usefixtures("qapp")


# --- copies ---


def paste(layer, rows: set[int]) -> None:
    """What the keys call for copying and pasting."""
    layer.selected_data = rows
    layer._copy_data()
    layer._paste_data()


@pytest.mark.parametrize("mode", ["select", "add_rectangle"])
def test_a_pasted_box_is_an_object_of_its_own(bench: Bench, mode: str) -> None:
    bench.draw((5, 5, 15, 20))
    bench.shapes.mode = mode
    paste(bench.shapes, {0})
    settle(bench)
    assert objects_of(bench.shapes) == [1, 2]
    data = list(bench.shapes.data)
    bench.shapes.data = [data[0], data[1] + [40, 40]]
    settle(bench)
    assert (bench.labels.data[10, 10], bench.labels.data[50, 50]) == (1, 2)


@pytest.mark.parametrize("mode", ["select", "add"])
def test_pasted_points_are_one_object_for_each_that_was_copied(bench: Bench, mode: str) -> None:
    bench.click(10, 10)
    bench.click(10, 14)
    bench.controller.next_object()
    bench.click(50, 50)
    bench.points.mode = mode
    paste(bench.points, {0, 1, 2})
    settle(bench)
    rows = sorted(map(tuple, np.column_stack([bench.points.data, objects_of(bench.points)])))
    copies = [(y, x, number) for y, x, number in rows if number > 2]
    first, other = copies[0][2], copies[2][2]
    assert copies == [(10, 10, first), (10, 14, first), (50, 50, other)]
    assert {first, other} == {3, 4}


def test_a_double_click_is_no_copy(bench: Bench) -> None:
    bench.points.mode = "add"
    bench.click(10, 10)
    bench.click(10, 10)
    assert objects_of(bench.points) == [1, 1]


def test_a_copied_union_of_boxes_stays_one_object(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (5, 30, 15, 40))
    bench.shapes.features = bench.shapes.features.assign(object=[1, 1])
    settle(bench)
    bench.shapes.mode = "select"
    paste(bench.shapes, {0, 1})
    settle(bench)
    assert objects_of(bench.shapes) == [1, 1, 3, 3]


def test_in_a_stack_a_copy_is_another_object_on_its_plane_and_the_same_on_others(
    stack: Bench,
) -> None:
    stack.draw((5, 5, 15, 20))
    layer = stack.shapes
    layer.mode = "select"
    paste(layer, {0})
    settle(stack)
    assert objects_of(layer) == [1, 2]
    layer.selected_data = {0}
    layer._copy_data()
    stack.viewer.dims.set_current_step(0, 3)
    stack.controller.refresh()
    layer._paste_data()
    settle(stack)
    assert objects_of(layer) == [1, 2, 1]
    layer._paste_data()
    settle(stack)
    assert objects_of(layer) == [1, 2, 1, 3]
    assert stack.labels.data[3, 10, 10] in (1, 3)


def paste_points(layer, z: float) -> None:
    """What pasting points will do in a stack, where napari 0.9.2 fails: rows without any event."""
    held = layer._clipboard
    layer._data = np.append(layer.data, held["data"] + [z, 0, 0], axis=0)
    for name in ("_shown", "_size", "_symbol", "_border_width"):
        setattr(layer, name, np.append(getattr(layer, name), held[name[1:]], axis=0))
    for colours, name in ((layer._border, "border_color"), (layer._face, "face_color")):
        colours._paste(colors=held[name], properties=held["features"])
    layer._feature_table.append(held["features"])
    layer._selected_data.update({len(layer.data) - 1})


def test_in_a_stack_a_copied_point_is_another_object_on_its_plane_only(stack: Bench) -> None:
    stack.click(2, 10, 10)
    stack.points.selected_data = {0}
    stack.points._copy_data()
    paste_points(stack.points, 0)
    settle(stack)
    assert objects_of(stack.points) == [1, 2]
    paste_points(stack.points, 1)
    settle(stack)
    assert objects_of(stack.points) == [1, 2, 1]


def test_moving_copying_and_deleting_rows_renumbers_no_other(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.draw((30, 30, 40, 50))
    bench.shapes.data = [box + 3 for box in bench.shapes.data]
    settle(bench)
    bench.shapes.mode = "select"
    paste(bench.shapes, {1})
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    settle(bench)
    assert objects_of(bench.shapes) == [2, 3]


# --- numbers of every kind ---


@pytest.mark.parametrize("value", [1e20, 1e30, 2**63 + 5, 5e9, 2**63 - 1, -3, 1.5, np.nan, "abc"])
@pytest.mark.parametrize("kind", ["points", "shapes"])
def test_what_is_no_object_gets_a_number_is_said_and_harms_nothing(
    bench: Bench, value: object, kind: str
) -> None:
    bench.draw((5, 5, 15, 20))
    bench.controller.next_object()
    bench.click(50, 50)
    layer = bench.points if kind == "points" else bench.shapes
    before, column = objects_of(layer), np.array([value])
    layer.features = layer.features.assign(object=column)
    settle(bench)
    assert objects_of(layer) == [3]
    assert value != value or "whole numbers from 1 to 2147483647" in note(bench)
    assert bench.painted == {1, 2, 3} - set(before)
    layer.features = layer.features.assign(object=before)
    settle(bench)
    assert bench.painted == {1, 2}
    assert note(bench) == ""


def test_the_object_after_one_that_was_painted_with_the_brush_is_another(bench: Bench) -> None:
    bench.labels.paint((10, 10), bench.labels.selected_label)
    bench.controller.next_object()
    bench.click(50, 50)
    assert (bench.labels.data[10, 10], bench.labels.data[50, 50]) == (1, 2)


def test_a_box_after_the_brush_is_another_object(bench: Bench) -> None:
    bench.labels.paint((10, 10), bench.labels.selected_label)
    settle(bench)
    bench.draw((40, 40, 60, 60))
    assert (bench.labels.data[10, 10], bench.labels.data[50, 50]) == (1, 2)


def test_a_box_goes_to_the_label_that_the_user_picked(bench: Bench) -> None:
    bench.labels.paint((10, 10), bench.labels.selected_label)
    settle(bench)
    bench.controller.pick_object(1)
    bench.draw((40, 40, 60, 60))
    assert objects_of(bench.shapes) == [1]


def test_a_box_leaves_alone_what_undo_brought_back(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    settle(bench)
    bench.labels.undo()
    settle(bench)
    bench.draw((40, 40, 60, 60))
    assert (bench.labels.data[10, 10], bench.labels.data[50, 50]) == (1, 2)


# --- writes that were refused ---


def test_objects_that_fit_are_written_and_the_others_as_soon_as_they_fit(bench: Bench) -> None:
    bench.labels.data = np.zeros((80, 100), np.uint8)
    bench.controller.refresh()
    bench.draw((5, 5, 15, 20))
    bench.draw((30, 30, 40, 50))
    bench.shapes.features = bench.shapes.features.assign(object=[70_000, 2])
    settle(bench)
    assert bench.painted == {2}
    assert "can't hold label 70000" in bench.controller.state().problem
    data = list(bench.shapes.data)
    bench.shapes.data = [data[0], data[1] + [30, 0]]
    settle(bench)
    assert bench.labels.data[65, 40] == 2
    assert "can't hold" in bench.controller.state().problem
    assert bench.controller.accept() == (2,)
    assert objects_of(bench.shapes) == [70_000], "what is in no layer keeps its prompt"
    bench.shapes.features = bench.shapes.features.assign(object=[1])
    settle(bench)
    assert bench.labels.data[10, 10] == 1
    assert bench.controller.state().problem == ""


def test_a_refused_object_is_written_when_the_labels_are_converted(bench: Bench) -> None:
    bench.labels.data = np.zeros((80, 100), np.uint8)
    bench.controller.refresh()
    bench.draw((5, 5, 15, 20))
    bench.shapes.features = bench.shapes.features.assign(object=[300])
    settle(bench)
    assert bench.painted == set()
    bench.labels.data = np.zeros((80, 100), np.uint16)
    settle(bench)
    assert bench.painted == {300}
    assert bench.controller.state().problem == ""


def test_labels_that_are_editable_again_get_what_was_refused(bench: Bench) -> None:
    bench.labels.editable = False
    bench.draw((5, 5, 15, 20))
    assert "read-only" in bench.controller.state().problem
    bench.labels.editable = True
    settle(bench)
    assert bench.painted == {1}
    assert bench.controller.state().problem == ""
