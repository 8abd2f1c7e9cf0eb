"""The loop on a viewer model without a window: planes and pictures, modes, layers that go.

Whose a prompt is, is in ``test_object_numbers``; what results do to the labels is in
``test_written_labels``.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Labels, Points
from qtpy.QtCore import QCoreApplication
from tests.bench import Bench, Mouse, objects_of
from tests.fakes import ManualRunner

from napari_samv2_prompts._qt.widget_state import Options
from napari_samv2_prompts.engine import ModelChoice, State
from napari_samv2_prompts.layers import Chosen

pytestmark = pytest.mark.usefixtures("qapp")


# --- planes, pictures, modes ---


def test_the_plane_on_screen_is_embedded_and_its_labels_go_there() -> None:
    bench = Bench((4, 80, 100)).make_layers()
    for plane in (2, 0):
        bench.viewer.dims.set_point(0, plane)
        bench.controller.refresh()
        bench.controller.next_object()
        bench.click(plane, 20, 20 + plane)
    assert [set(np.unique(p).tolist()) for p in bench.labels.data] == [{0, 2}, {0}, {0, 1}, {0}]
    embedded = len(bench.factory.predictor.images)
    bench.viewer.dims.set_point(0, 2)
    bench.controller.refresh()
    assert len(bench.factory.predictor.images) == embedded
    assert bench.painted == {1, 2}
    bench.controller.close()


def test_prompts_deleted_on_another_plane_take_their_label_away() -> None:
    bench = Bench((4, 80, 100)).make_layers()
    bench.click(0, 20, 20)
    bench.viewer.dims.set_point(0, 2)
    bench.controller.refresh()
    bench.points.data = np.empty((0, 3))
    bench.controller.refresh()
    assert bench.painted == set()
    bench.controller.close()


def test_3d_display_is_refused_in_words_and_2d_goes_on() -> None:
    bench = Bench((4, 80, 100)).make_layers()
    bench.viewer.dims.ndisplay = 3
    bench.controller.refresh()
    status = bench.session.status
    assert status.state is State.IDLE
    assert "2D" in status.reason
    bench.viewer.dims.ndisplay = 2
    bench.controller.refresh()
    assert bench.session.status.state is State.READY
    bench.controller.close()


def test_new_contrast_and_new_data_embed_again(bench: Bench) -> None:
    images = bench.factory.predictor.images
    assert len(images) == 1
    bench.image.contrast_limits = (0, 5)
    bench.controller.refresh()
    assert len(images) == 2
    bench.image.data = np.zeros((80, 100))
    bench.controller.refresh()
    assert len(images) == 3
    bench.image.opacity = 0.5
    bench.controller.refresh()
    assert len(images) == 3


def test_all_visible_channels_are_seen_together(bench: Bench) -> None:
    images = bench.factory.predictor.images
    bench.viewer.layers.remove(bench.image)
    red = bench.viewer.add_image(np.eye(80, 100), colormap="red", blending="additive")
    green = bench.viewer.add_image(np.eye(80, 100)[::-1], colormap="green", blending="additive")
    bench.controller.set_options(Options(rendering="channels"))
    bench.choose(Chosen(red))
    assert images[-1][0, 0].tolist() == [255, 0, 0]
    assert images[-1][79, 0].tolist() == [0, 255, 0]
    green.visible = False
    bench.controller.refresh()
    assert images[-1][79, 0].tolist() == [0, 0, 0]


def test_a_channel_that_changes_is_noticed(bench: Bench, qtbot) -> None:
    green = bench.viewer.add_image(np.ones((80, 100)), name="green")
    bench.controller.set_options(Options(rendering="channels"))
    bench.controller.refresh()
    embedded = len(bench.factory.predictor.images)
    green.visible = False
    qtbot.waitUntil(lambda: len(bench.factory.predictor.images) > embedded)


def test_a_scaled_image_gives_the_same_pixels() -> None:
    bench = Bench(scale=(0.5, 0.25), translate=(7, -3)).make_layers()
    bench.draw((5, 5, 15, 20))
    assert bench.labels.data[10, 10] == 1
    np.testing.assert_array_equal(bench.labels.scale, (0.5, 0.25))
    bench.controller.close()


def test_by_hand_nothing_happens_before_run(bench: Bench) -> None:
    bench.controller.set_options(Options(live=False))
    bench.draw((5, 5, 15, 20))
    assert bench.painted == set()
    assert bench.controller.state().pending == 1
    bench.controller.run()
    assert bench.painted == {1}


def test_a_model_that_must_be_fetched_waits_for_consent(bench: Bench) -> None:
    bench.controller.set_options(Options(ModelChoice("tiny"), download=156))
    bench.controller.refresh()
    assert bench.factory.made == [ModelChoice("nano")]
    bench.controller.set_options(Options(ModelChoice("tiny")))
    bench.controller.refresh()
    assert bench.factory.made[-1] == ModelChoice("tiny")


def test_only_the_changed_object_is_decoded_again(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.click(35, 60)
    assert bench.decoded == [(1, 2), (2,)]


@pytest.mark.parametrize(("count", "at_once"), [(3, True), (20, False)])
def test_many_new_prompts_are_read_when_the_window_was_painted(
    bench: Bench, count: int, at_once: bool
) -> None:
    boxes = [[[y, 5], [y, 25], [y + 2, 25], [y + 2, 5]] for y in range(5, 5 + 3 * count, 3)]
    bench.shapes.add_rectangles(boxes)
    QCoreApplication.sendPostedEvents()  # among which painting is, and timers are not
    assert bool(bench.decoded) == at_once
    QCoreApplication.processEvents()
    assert bench.decoded == [tuple(range(1, count + 1))]


# --- layers that go ---


def test_results_for_a_labels_layer_that_is_gone_are_dropped() -> None:
    runner = ManualRunner()
    bench = Bench(runner=runner).make_layers()
    runner.finish_all()
    bench.draw((5, 5, 15, 20))
    labels = bench.labels
    bench.viewer.layers.remove(labels)
    bench.controller.choose(replace(bench.controller.chosen, labels=None))
    runner.finish_all()
    assert not labels.data.any()
    bench.controller.close()


def test_events_are_answered_by_themselves(bench: Bench, qtbot) -> None:
    bench.points.add(np.array([[40, 40]]))
    qtbot.waitUntil(lambda: bench.painted == {1})


def test_our_own_edits_ask_for_nothing_more(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.click(30, 30)
    assert bench.controller.idle


def test_close_is_idempotent_and_ends_all_answers(bench: Bench, qtbot) -> None:
    bench.controller.close()
    bench.controller.close()
    labels = next(layer for layer in bench.viewer.layers if isinstance(layer, Labels))
    points = next(layer for layer in bench.viewer.layers if isinstance(layer, Points))
    points.add(np.array([[40, 40]]))
    bench.viewer.dims.ndisplay = 3
    qtbot.wait(20)
    assert not labels.data.any()
    assert bench.runner.closed == 1


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


# --- with the mouse ---


def test_boxes_and_clicks_with_the_mouse(bench: Bench) -> None:
    bench.viewer.layers.selection.active = bench.shapes
    bench.shapes.mode = "add_rectangle"
    draw = Mouse(bench.viewer, bench.shapes)
    draw.drag((5, 5), (10, 10), (15, 20))
    bench.controller.refresh()
    draw.drag((30, 30), (35, 35), (40, 50))
    bench.controller.refresh()
    assert objects_of(bench.shapes) == [1, 2]
    bench.viewer.layers.selection.active = bench.points
    bench.points.mode = "add"
    click = Mouse(bench.viewer, bench.points)
    click.drag((35, 55))
    bench.controller.refresh()
    bench.controller.next_object()
    click.drag((60, 60))
    bench.controller.refresh()
    click.drag((60, 64))
    bench.controller.refresh()
    assert objects_of(bench.points) == [2, 3, 3]
    assert bench.painted == {1, 2, 3}


def test_a_click_without_a_drag_on_shapes_is_no_object(bench: Bench) -> None:
    bench.viewer.layers.selection.active = bench.shapes
    bench.shapes.mode = "add_rectangle"
    Mouse(bench.viewer, bench.shapes).drag((5, 5))
    bench.controller.refresh()
    assert bench.session.status.state is State.READY
