"""What people do in napari beside our buttons: nothing of it is lost, and all of it is said."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from tests.bench import Bench, Mouse, objects_of

from napari_samv2_prompts.layers import Chosen

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def stack() -> Iterator[Bench]:
    bench = Bench((5, 80, 100)).make_layers()
    bench.viewer.dims.set_current_step(0, 2)
    bench.controller.refresh()
    yield bench
    bench.controller.close()


def paste(layer, rows: set[int]) -> None:
    """What the keys call for copying and pasting."""
    layer.selected_data = rows
    layer._copy_data()
    layer._paste_data()


def settle(bench: Bench) -> None:
    """Look at what was announced, and at nothing else."""
    bench.controller.flush()


def note(bench: Bench) -> str:
    return bench.controller.state().note


# --- copies ---


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


# --- shapes that lie elsewhere ---


def test_a_shape_through_several_planes_is_named_where_it_passes(stack: Bench) -> None:
    stack.shapes.add([[1, 10, 10], [2, 20, 20], [3, 30, 30]], shape_type="path")
    settle(stack)
    assert note(stack) == (
        "Object 1: a shape that reaches through several planes is left out: draw it on one."
    )
    stack.viewer.dims.set_current_step(0, 4)
    stack.controller.refresh()
    assert note(stack) == ""


@pytest.mark.parametrize("z", [1.5, 2.5])
@pytest.mark.parametrize("kind", ["rectangle", "ellipse", "polygon"])
def test_a_shape_between_two_planes_counts_where_the_viewer_shows_it(
    stack: Bench, kind: str, z: float
) -> None:
    corners = ((20, 20), (20, 60), (50, 60), (50, 20))
    stack.shapes.add([np.array([[z, *corner] for corner in corners])], shape_type=kind)
    shown = []
    for plane in range(5):
        stack.viewer.dims.set_current_step(0, plane)
        stack.controller.refresh()
        if stack.shapes._data_view._displayed.any():
            shown.append(plane)
    assert len(shown) == 1
    assert np.flatnonzero(stack.labels.data.any(axis=(1, 2))).tolist() == shown


def test_points_without_a_place_are_called_that(stack: Bench) -> None:
    with np.errstate(all="ignore"):  # of the viewer's own thumbnail
        stack.points.add([[2, 10, 10], [np.nan, 20, 20], [2, np.inf, 5]])
    settle(stack)
    assert note(stack) == "Object 1: 2 prompts without a place (NaN) are left out."


# --- clicks with the box tool ---


def box_tool(bench: Bench) -> Mouse:
    bench.viewer.layers.selection.active = bench.shapes
    bench.shapes.mode = "add_rectangle"
    return Mouse(bench.viewer, bench.shapes)


def test_a_click_with_the_box_tool_is_taken_back_and_said_once(bench: Bench) -> None:
    mouse = box_tool(bench)
    mouse.drag((20.0, 20.0))
    settle(bench)
    assert len(bench.shapes.data) == 0
    assert "click without a drag" in note(bench)
    mouse.drag((20.0, 20.0), (25.0, 25.0), (40.0, 40.0))
    settle(bench)
    assert objects_of(bench.shapes) == [1]
    assert note(bench) == ""
    assert bench.painted == {1}


def test_a_click_is_taken_back_however_large_the_shape_is_that_the_viewer_makes_of_it(
    bench: Bench,
) -> None:
    mouse = box_tool(bench)
    for press, release in (((20.0, 20.0),) * 2, ((30.0, 30.0),) * 2):
        event = mouse.event("mouse_press", press)
        mouse_press_callbacks(bench.viewer, event)
        bench.shapes.add_rectangles([[[20, 20], [20, 30], [30, 30], [30, 20]]])
        mouse_release_callbacks(bench.viewer, mouse.event("mouse_release", release))
        settle(bench)
        assert len(bench.shapes.data) == 0


def test_undo_brings_a_shape_again_that_was_taken_back(bench: Bench) -> None:
    bench.draw((50, 50, 60, 60))
    mouse = box_tool(bench)
    mouse.drag((20.0, 20.0))
    settle(bench)
    bench.controller.undo()
    settle(bench)
    assert objects_of(bench.shapes) == [1, 2]
    assert note(bench) == ""
    assert bench.painted == {1, 2}
    bench.controller.undo()
    assert bench.painted == {1}, "the next undo is for the labels"
    assert len(bench.shapes.data) == 2


@pytest.mark.parametrize("moves", [(), ((2.0, 27.0, 20.0),)])
@pytest.mark.parametrize("tool", ["add_rectangle", "add_ellipse"])
def test_a_drag_of_which_the_viewer_missed_the_end_is_drawn_whole(
    stack: Bench, tool: str, moves
) -> None:
    stack.draw((50, 50, 60, 60))
    mouse = box_tool(stack)
    stack.shapes.mode = tool
    start, end = (2.0, 30.0, 15.0), (2.0, 20.0, 35.0)
    for there in (stack.viewer, stack.shapes):
        mouse_press_callbacks(there, ReadOnlyWrapper(mouse.event("mouse_press", start)))
        for at in moves:
            mouse_move_callbacks(there, mouse.event("mouse_move", at))
    for there in (stack.viewer, stack.shapes):
        mouse_release_callbacks(there, mouse.event("mouse_release", end))
    settle(stack)
    assert objects_of(stack.shapes) == [1, 2]
    box = np.asarray(stack.shapes.data[1])
    assert box.min(0).tolist() == [2, 20, 15]
    assert box.max(0).tolist() == [2, 30, 35]
    assert note(stack) == ""
    assert stack.painted == {1, 2}


@pytest.mark.parametrize("tool", ["add_polyline", "add_polygon"])
def test_boxes_are_read_after_a_path_was_given_up_with_its_first_vertex(
    bench: Bench, tool: str
) -> None:
    bench.draw((50, 50, 60, 60))
    mouse = box_tool(bench)
    bench.shapes.mode = tool
    mouse.drag((20.0, 20.0))
    settle(bench)
    assert len(bench.shapes.data) == 2, "a path is being drawn"
    mouse_double_click_callbacks(bench.shapes, mouse.event("mouse_double_click", (20.0, 20.0)))
    settle(bench)
    assert len(bench.shapes.data) == 1
    bench.shapes.mode = "add_rectangle"
    mouse.drag((20.0, 20.0), (25.0, 25.0), (40.0, 40.0))
    settle(bench)
    assert bench.painted == {1, 2}
    colours = [bench.labels.get_color(number) for number in (1, 2)]
    np.testing.assert_allclose(bench.shapes.edge_color[:2], colours, atol=1e-3)


@pytest.mark.parametrize("tool", ["add_polyline", "add_polygon"])
def test_a_box_after_a_path_that_was_given_up_is_no_other_object(bench: Bench, tool: str) -> None:
    """The viewer keeps the row of such a path, and gives it to the next shape."""
    bench.draw((10, 10, 20, 20))
    bench.shapes.mode = tool
    mouse = Mouse(bench.viewer, bench.shapes)
    mouse.drag((30.0, 30.0))
    mouse_double_click_callbacks(bench.shapes, mouse.event("mouse_double_click", (30.0, 30.0)))
    bench.controller.refresh()
    bench.controller.next_object()
    bench.click(50, 50)
    bench.draw((60, 60, 70, 70))
    clicked, drawn = objects_of(bench.points), objects_of(bench.shapes)
    assert len(drawn) == 2
    assert len({*clicked, *drawn}) == 3
    assert bench.painted == {*clicked, *drawn}


def test_a_small_shape_that_is_there_is_left_out_and_can_be_found(bench: Bench) -> None:
    bench.shapes.mode = "select"
    bench.draw((50, 50, 60, 60), (20, 20, 20.5, 20.5))
    bench.points.add([[10, 10], [-20, -20]])
    settle(bench)
    state = bench.controller.state()
    assert state.left_out
    assert "Object 2: a shape too small" in state.note
    bench.controller.prompts.select_left_out()
    assert bench.viewer.layers.selection.active == bench.points
    assert bench.points.selected_data == {1}
    bench.points.remove_selected()
    settle(bench)
    bench.controller.prompts.select_left_out()
    assert bench.shapes.selected_data == {1}
    assert bench.shapes.mode == "select"


def test_shapes_of_other_layers_do_not_hide_a_stray_click(bench: Bench) -> None:
    first = bench.controller.chosen
    bench.viewer.dims.ndisplay = 3
    bench.controller.refresh()
    bench.shapes.add([[[5, 5], [5, 9], [9, 9], [9, 5]]])  # which no plane was shown for
    bench.controller.refresh()
    shapes = bench.viewer.add_shapes()
    bench.choose(Chosen(first.image, first.points, shapes, first.labels))
    bench.viewer.dims.ndisplay = 2
    bench.controller.refresh()
    box_tool(bench).drag((20.0, 20.0))
    settle(bench)
    assert len(bench.shapes.data) == 0


def test_a_half_drawn_shape_is_no_prompt_yet(bench: Bench) -> None:
    mouse = box_tool(bench)
    mouse_press_callbacks(bench.shapes, mouse.event("mouse_press", (20.0, 20.0)))
    bench.controller.refresh()
    assert bench.decoded == []
    assert len(bench.shapes.data) == 1
    mouse_release_callbacks(bench.shapes, mouse.event("mouse_release", (20.0, 20.0)))


def test_a_refresh_does_not_enter_itself(bench: Bench) -> None:
    seen: list[str] = []
    inner = SimpleNamespace(on=False)

    def refresh_again(*ignored: object) -> None:
        seen.append("again" if inner.on else "first")
        if not inner.on:
            inner.on = True
            bench.controller.refresh()
            inner.on = False

    real = bench.session.update
    bench.session.update = lambda *a, **k: (refresh_again(), real(*a, **k))  # type: ignore[method-assign]
    bench.controller.refresh()
    assert seen == ["first"]
    assert not bench.controller.idle, "it is made up for"
    bench.session.update = real  # type: ignore[method-assign]
