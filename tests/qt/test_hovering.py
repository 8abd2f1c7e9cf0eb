"""The preview under the mouse, on a viewer model: what is asked, what is drawn, what it leaves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.bench import Bench, Mouse
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.controller import Controller
from napari_samv2_prompts._qt.preview import OutlineOverlay
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts._qt.widget_state import Options
from napari_samv2_prompts.engine import Session

pytestmark = pytest.mark.usefixtures("qapp")

ON = Options(preview=True)


def previewing(shape: tuple[int, ...] = (80, 100), **arguments) -> tuple[Bench, Mouse]:
    bench = Bench(shape, **arguments).make_layers()
    bench.controller.set_options(ON)
    bench.controller.refresh()
    return bench, Mouse(bench.viewer, bench.points)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench, _ = previewing()
    yield bench
    bench.controller.close()


@pytest.fixture
def mouse(bench: Bench) -> Mouse:
    return Mouse(bench.viewer, bench.points)


def overlays(bench: Bench) -> list[OutlineOverlay]:
    found = bench.viewer.scene.overlays.values()
    return [overlay for overlay in found if isinstance(overlay, OutlineOverlay)]


def drawn(bench: Bench) -> np.ndarray:
    """Return the ends of the pieces that are drawn, (x, y) in the scene."""
    (overlay,) = overlays(bench)
    return np.empty((0, 2)) if overlay.segments is None else overlay.segments.ends


def test_the_mask_under_the_mouse_is_drawn_and_nothing_else_changes(
    bench: Bench, mouse: Mouse
) -> None:
    layers = list(bench.viewer.layers)
    mouse.hover(40, 60)
    np.testing.assert_allclose(np.hypot(*(drawn(bench) - (60, 40)).T), 5, atol=0.8)
    assert bench.painted == set()
    assert list(bench.viewer.layers) == layers
    bench.labels.undo()  # there is nothing to undo
    assert len(bench.points.data) == 0


def test_the_outline_moves_with_the_mouse_and_goes_with_it(bench: Bench, mouse: Mouse) -> None:
    mouse.hover(40, 60)
    mouse.hover(20, 30)
    np.testing.assert_allclose(drawn(bench).mean(axis=0), (30, 20), atol=0.5)
    mouse.hover(200, 30)  # beside the image
    assert len(drawn(bench)) == 0
    mouse.hover(20, 30)
    bench.viewer.mouse_over_canvas = True
    bench.viewer.mouse_over_canvas = False
    assert len(drawn(bench)) == 0


def test_it_stands_in_its_place_where_only_a_part_of_the_plane_is_embedded() -> None:
    bench, mouse = previewing((2000, 3000))
    camera = bench.viewer.scene.camera
    camera.center, camera.zoom = (1200, 2200), 2
    bench.controller.refresh()
    assert max(bench.controller.state().seen.region) < 1000
    mouse.hover(1210, 2230)
    np.testing.assert_allclose(drawn(bench).mean(axis=0), (2230, 1210), atol=0.5)
    bench.controller.close()


def test_it_stands_where_the_image_stands() -> None:
    bench, mouse = previewing(scale=(0.5, 0.25), translate=(7, -3))
    mouse.hover(7 + 40 * 0.5, -3 + 60 * 0.25)
    np.testing.assert_allclose(drawn(bench).mean(axis=0), (-3 + 60 * 0.25, 7 + 40 * 0.5), atol=0.3)
    bench.controller.close()


def test_a_transposed_plane_of_a_stack_is_previewed_as_shown() -> None:
    bench, mouse = previewing((3, 80, 100))
    bench.viewer.dims.order = (0, 2, 1)
    bench.viewer.dims.set_point(0, 2)
    bench.controller.refresh()
    mouse.hover(2, 40, 60)
    np.testing.assert_allclose(drawn(bench).mean(axis=0), (40, 60), atol=0.5)
    bench.viewer.dims.set_point(0, 1)
    assert len(drawn(bench)) == 0
    mouse.hover(1, 40, 60)  # the plane that was left is not the one on screen
    assert len(drawn(bench)) == 0
    bench.viewer.dims.ndisplay = 3
    mouse.hover(1, 40, 60)
    assert len(drawn(bench)) == 0
    bench.controller.close()


def test_the_next_click_of_the_current_object_is_what_is_previewed(
    bench: Bench, mouse: Mouse
) -> None:
    bench.click(40, 60)
    bench.controller.flip_sign()
    mouse.hover(40, 64)
    asked = bench.factory.predictor.previews[-1]
    assert asked.object == 1
    assert asked.points.tolist() == [[60, 40], [64, 40]]
    assert asked.labels.tolist() == [1, 0]
    bench.controller.next_object()
    mouse.hover(40, 65)
    assert bench.factory.predictor.previews[-1].points.tolist() == [[65, 40]]


def test_a_press_drops_the_preview_and_dragging_asks_for_none(bench: Bench, mouse: Mouse) -> None:
    mouse.hover(40, 60)
    n_asked = len(bench.factory.predictor.previews)
    viewer = Mouse(bench.viewer, bench.viewer)
    viewer.drag((40, 60), (41, 61), (42, 62))
    assert len(drawn(bench)) == 0
    assert len(bench.factory.predictor.previews) == n_asked


def test_switched_off_it_leaves_nothing(bench: Bench, mouse: Mouse) -> None:
    viewer = bench.viewer
    mouse.hover(40, 60)
    bench.controller.set_options(Options())
    assert overlays(bench) == []
    never = Bench()
    assert len(viewer.mouse_move_callbacks) == len(never.viewer.mouse_move_callbacks)
    assert len(viewer.mouse_drag_callbacks) == len(never.viewer.mouse_drag_callbacks)
    never.controller.close()
    fresh = ViewerModel()
    assert never.viewer.mouse_drag_callbacks == fresh.mouse_drag_callbacks
    n_asked = len(bench.factory.predictor.previews)
    mouse.hover(41, 60)
    assert len(bench.factory.predictor.previews) == n_asked


def test_closing_and_removing_the_image_leave_nothing(bench: Bench, mouse: Mouse) -> None:
    mouse.hover(40, 60)
    bench.viewer.layers.remove(bench.image)
    bench.choose(type(bench.controller.chosen)())
    assert len(drawn(bench)) == 0
    mouse.hover(41, 60)
    bench.controller.close()
    assert overlays(bench) == []
    assert bench.viewer.mouse_move_callbacks == []


def test_two_previews_in_one_viewer_do_not_share_an_overlay(bench: Bench) -> None:
    second = Controller(bench.viewer, Session(Factory(), SyncRunner()), SyncRunner())
    second.set_options(ON)
    assert len(overlays(bench)) == 2
    second.close()
    assert len(overlays(bench)) == 1


def test_the_key_draws_on_a_real_canvas_and_the_viewer_closes(make_napari_viewer, qtbot) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.zeros((80, 100)), name="cells", contrast_limits=(0, 1))
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory())
    viewer.window.add_dock_widget(widget, name="SAMV2 Prompts")
    widget.wait_until_idle()
    press = {str(key): action for key, action in viewer.keymap.items()}["H"]
    press(viewer)
    assert widget._form.prompts.preview.isChecked()
    before = viewer.screenshot(flash=False)
    Mouse(viewer, None).hover(40, 60)
    qtbot.waitUntil(lambda: not widget.session.preview.busy)
    after = viewer.screenshot(flash=False)
    assert (before[..., :3].max(), after[..., :3].max()) == (0, 255)  # white on a black image
    press(viewer)
    assert viewer.screenshot(flash=False)[..., :3].max() == 0
    press(viewer)
    Mouse(viewer, None).hover(40, 60)  # the window is closed with the preview on


def test_a_box_is_previewed_while_it_is_drawn(bench: Bench) -> None:
    bench.viewer.layers.selection.active = bench.shapes
    bench.shapes.mode = "add_rectangle"
    mouse = Mouse(bench.viewer, bench.viewer)
    drag = mouse.steps((20, 30), (30, 40), (40, 60))
    next(drag)
    assert len(drawn(bench)) == 0
    extents = []
    for _ in range(2):
        next(drag)
        ends = drawn(bench)
        extents.append((*ends.min(axis=0), *ends.max(axis=0)))
    np.testing.assert_allclose(extents, [(30, 20, 40, 30), (30, 20, 60, 40)], atol=1)
    for _ in drag:
        pass
    assert len(drawn(bench)) == 0
    assert bench.painted == set(), "the layer's own drawing was not told of it"


def test_moving_a_shape_or_a_point_is_no_box(bench: Bench) -> None:
    for layer, mode in ((bench.shapes, "select"), (bench.points, "add"), (bench.labels, "paint")):
        bench.viewer.layers.selection.active = layer
        layer.mode = mode
        for _ in Mouse(bench.viewer, bench.viewer).steps((20, 30), (30, 40)):
            assert len(drawn(bench)) == 0


def test_what_is_drawn_follows_the_sign_and_the_object_while_the_mouse_rests(
    bench: Bench, mouse: Mouse
) -> None:
    bench.click(40, 60)
    mouse.hover(40, 64)
    asked = bench.factory.predictor.previews
    assert asked[-1].labels.tolist() == [1, 1]
    bench.controller.flip_sign()
    assert asked[-1].labels.tolist() == [1, 0]
    bench.controller.next_object()
    assert asked[-1].labels.tolist() == [1]
    count = len(asked)
    mouse.drag((40, 64))  # a press: nothing is shown before the mouse moves again
    bench.controller.flip_sign()
    assert len(asked) == count
