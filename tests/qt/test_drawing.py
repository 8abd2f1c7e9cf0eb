"""Shapes and points as the viewer's tools leave them: elsewhere, too small, half drawn, given up.

Whose a shape is that was drawn as it should be, is in ``test_object_numbers``.
"""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_double_click_callbacks,
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from tests.bench import Bench, Mouse, note, objects_of, settle

from napari_samv2_prompts.layers import Chosen

pytestmark = pytest.mark.usefixtures("qapp")


# --- prompts that lie elsewhere ---


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


# --- drags and paths ---


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


def test_a_half_drawn_shape_is_no_prompt_yet(bench: Bench) -> None:
    mouse = box_tool(bench)
    mouse_press_callbacks(bench.shapes, mouse.event("mouse_press", (20.0, 20.0)))
    bench.controller.refresh()
    assert bench.decoded == []
    assert len(bench.shapes.data) == 1
    mouse_release_callbacks(bench.shapes, mouse.event("mouse_release", (20.0, 20.0)))


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
