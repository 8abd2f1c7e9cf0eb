"""The visible region, on a viewer model without a window."""

from __future__ import annotations

import numpy as np
import pytest
from tests.bench import Bench
from tests.fakes import ManualRunner

from napari_samv2_prompts._qt.messages import note_line, seen_line
from napari_samv2_prompts._qt.widget_state import Options
from napari_samv2_prompts.engine import State

pytestmark = pytest.mark.usefixtures("qapp")
LARGE = (2000, 3000)


@pytest.fixture
def bench():
    bench = Bench(LARGE).make_layers()
    yield bench
    bench.controller.close()


def look_at(bench: Bench, row: float, column: float, width: float) -> None:
    """Move the camera so that a place is in the middle, and so many pixels are visible."""
    camera, canvas = bench.viewer.scene.camera, bench.viewer.canvas
    camera.center = bench.image.data_to_world((row, column))[-2:]
    camera.zoom = canvas.size[1] / (width * bench.image.scale[-1])
    bench.controller.refresh()


def embedded(bench: Bench) -> list[tuple[int, ...]]:
    return [image.shape[:2] for image in bench.factory.predictor.images]


def test_zooming_in_embeds_what_is_on_screen_and_masks_land_in_the_plane(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    height, width = embedded(bench)[-1]
    assert 400 < height == width < 1000
    bench.click(1000, 2000)
    rows, columns = np.nonzero(bench.labels.data)
    assert (rows.mean(), columns.mean()) == (1000, 2000)
    assert len(rows) == 81
    assert (rows - 1000) ** 2 + (columns - 2000) ** 2 == pytest.approx(0, abs=25)


def test_zoomed_out_the_whole_plane_is_embedded_in_no_more_pixels_than_the_model_takes() -> None:
    bench = Bench((4100, 6150)).make_layers()
    bench.viewer.reset_view()
    bench.controller.refresh()
    seen = bench.controller.state().seen
    assert seen.region == seen.plane == (4100, 6150)
    height, width = embedded(bench)[-1]
    assert min(height, width) >= 1024
    assert max(height, width) < 2100
    bench.controller.close()


def test_moving_the_camera_leaves_the_masks_alone(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    bench.click(1000, 2000)
    for row, column, width in ((1500, 2500, 400), (500, 600, 400), (1000, 1500, 3000)):
        look_at(bench, row, column, width)
    assert bench.decoded == [(1,)]
    assert bench.painted == {1}
    assert len(embedded(bench)) >= 4


def test_small_moves_embed_nothing(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    before = len(embedded(bench))
    for row, column, width in ((1010, 2000, 400), (1000, 1985, 400), (1000, 2000, 300)):
        look_at(bench, row, column, width)
    assert len(embedded(bench)) == before


def test_what_is_drawn_beside_the_screen_is_segmented_too(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    bench.click(1700, 500)
    assert bench.labels.data[1700, 500] == 1
    bench.draw((100, 100, 1900, 2900))
    assert (bench.labels.data[200:1500, 200:2800] == 2).all()


def test_the_whole_plane_is_a_choice(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    bench.controller.set_options(Options(part="whole"))
    bench.controller.refresh()
    assert bench.controller.state().seen.region == LARGE
    before = len(embedded(bench))
    look_at(bench, 1500, 2500, 100)
    assert len(embedded(bench)) == before


@pytest.mark.parametrize("shape", [(400, 500), (1024, 1024)])
def test_small_images_are_embedded_whole_wherever_the_camera_is(shape) -> None:
    bench = Bench(shape).make_layers()
    look_at(bench, 10, 10, 40)
    assert embedded(bench) == [shape]
    assert seen_line(bench.controller.state()) == ""
    bench.controller.close()


def test_scaled_and_stacked_images_are_framed_in_their_own_pixels() -> None:
    bench = Bench((3, 3000, 3000), scale=(5, 0.1, 0.1), translate=(0, 40, -7)).make_layers()
    bench.viewer.dims.set_point(0, 0)
    look_at(bench, 1000, 2000, 300)
    assert max(embedded(bench)[-1]) < 1000
    bench.click(0, 1000, 2000)
    assert bench.labels.data[0, 1000, 2000] == 1
    bench.viewer.dims.set_point(0, 10)
    bench.controller.refresh()
    assert embedded(bench)[-1] == embedded(bench)[-2]
    bench.controller.close()


def test_the_camera_is_followed_by_itself_once_it_rests(bench: Bench, qtbot) -> None:
    look_at(bench, 1000, 2000, 400)
    before = len(embedded(bench))
    camera = bench.viewer.scene.camera
    for step in range(10):
        camera.center = (1000 + 100 * step, 2000)
    assert len(embedded(bench)) == before
    qtbot.waitUntil(lambda: bench.controller.idle)
    assert len(embedded(bench)) == before + 1


def test_a_click_takes_what_is_on_screen_at_once(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    bench.viewer.scene.camera.center = (1500, 2500)
    bench.click(1500, 2500)
    assert bench.labels.data[1500, 2500] == 1
    assert bench.controller.state().seen.region[0] < 1000


def test_a_camera_that_moves_on_does_not_stop_what_is_being_predicted() -> None:
    runner = ManualRunner()
    bench = Bench(LARGE, runner=runner).make_layers()
    look_at(bench, 1000, 2000, 400)
    runner.finish_all()
    bench.click(1000, 2000)
    look_at(bench, 1500, 2500, 400)
    assert [task.job.state for task in runner.live] == [State.DECODING]
    runner.finish_all()
    assert bench.labels.data[1000, 2000] == 1
    bench.controller.close()


def test_the_user_is_told_and_shown_what_the_model_sees(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    now = bench.controller.state()
    height, width = now.seen.region
    assert f"{width} × {height} of 3000 × 2000 pixels" in seen_line(now)
    (outline,) = outlines(bench)
    assert outline.visible
    size = np.diff(np.array(outline.position), axis=0)[0]
    np.testing.assert_allclose(size, np.array(now.seen.region) * bench.viewer.scene.camera.zoom)
    bench.viewer.reset_view()
    bench.controller.refresh()
    assert "all 3000 × 2000 pixels" in seen_line(bench.controller.state())
    assert "zoom in" in seen_line(bench.controller.state())
    assert not outline.visible


def test_the_outline_moves_with_the_camera_and_is_no_layer(bench: Bench) -> None:
    look_at(bench, 1000, 2000, 400)
    layers = list(bench.viewer.layers)
    (outline,) = outlines(bench)
    before = np.array(outline.position)
    camera = bench.viewer.scene.camera
    camera.center = (1000, 2000 + 30)
    np.testing.assert_allclose(np.array(outline.position), before - (0, 30 * camera.zoom))
    bench.controller.close()
    assert outlines(bench) == []
    assert list(bench.viewer.layers) == layers


def test_masks_of_a_picture_that_has_changed_are_told_until_they_are_predicted_again() -> None:
    bench = Bench().make_layers()
    bench.click(40, 40)
    assert note_line(bench.controller.state()) == ""
    bench.image.contrast_limits = (0, 5)
    bench.controller.refresh()
    assert "1 object got a mask; Run" in note_line(bench.controller.state())
    bench.controller.run()
    assert bench.decoded == [(1,), (1,)]
    assert note_line(bench.controller.state()) == ""
    bench.controller.close()


def outlines(bench: Bench) -> list:
    overlays = bench.viewer.canvas.overlays
    return [overlay for name, overlay in overlays.items() if name.startswith("samv2_prompts")]
