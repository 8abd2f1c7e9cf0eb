"""The loop on a viewer model without a window: layers in, labels out."""

from __future__ import annotations

from dataclasses import replace

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


# --- objects ---


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


def test_labels_that_do_not_fit_for_a_while_lose_nothing(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    painted = bench.labels.data.copy()
    bench.labels.scale = (2, 2)
    bench.controller.refresh()
    assert "lie elsewhere" in bench.controller.state().problem
    np.testing.assert_array_equal(bench.labels.data, painted)
    bench.labels.scale = (1, 1)
    bench.shapes.data = [bench.shapes.data[0] + [20, 0]]
    bench.controller.refresh()
    assert bench.labels.data[30, 10] == 1
    assert not bench.labels.data[:20].any()


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


# --- results ---


def test_only_the_changed_object_is_decoded_again(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.click(35, 60)
    assert bench.decoded == [(1, 2), (2,)]


def test_moving_a_box_moves_its_label(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.shapes.data = [bench.shapes.data[0] + 40]
    bench.controller.refresh()
    assert bench.labels.data[10, 10] == 0
    assert bench.labels.data[50, 50] == 1


def test_deleting_the_last_prompt_takes_the_label_away(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.controller.refresh()
    assert bench.painted == {2}
    assert objects_of(bench.shapes) == [2]


def test_one_result_is_one_undo_step(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20), (30, 30, 40, 50))
    bench.controller.undo()
    assert bench.painted == set()


def test_accept_keeps_the_labels_and_clears_the_prompts(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.click(30, 30)
    assert bench.controller.accept() == (1,)
    assert (len(bench.shapes.data), len(bench.points.data)) == (0, 0)
    assert bench.painted == {1}
    bench.click(60, 60)
    assert bench.painted == {1, 2}


def test_what_was_accepted_is_not_wanted_any_more(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.controller.accept()
    assert not bench.session.pending  # whatever goes on next would predict it again


@pytest.mark.parametrize("how", ["accepted", "kept"])
def test_objects_of_another_image_are_not_accepted_for_their_number(bench: Bench, how: str) -> None:
    bench.draw((5, 5, 15, 20))
    first = bench.controller.chosen
    bench.choose(Chosen(bench.viewer.add_image(np.ones((80, 100)), name="other")))
    bench.make_layers()
    assert not bench.controller.state().acceptable
    bench.draw((30, 30, 40, 50))
    if how == "accepted":
        assert bench.controller.accept() == (1,)
    else:
        assert bench.controller.label_tools.keep(1, on=True)
    bench.choose(first)
    assert bench.controller.state().acceptable
    bench.shapes.selected_data = {0}
    bench.shapes.remove_selected()
    bench.controller.refresh()
    assert bench.painted == set()


def test_accept_leaves_the_prompts_of_an_object_that_waits() -> None:
    runner = ManualRunner()
    bench = Bench(runner=runner).make_layers()
    runner.finish_all()
    bench.draw((5, 5, 15, 20))
    runner.finish_all()
    bench.draw((30, 30, 40, 50))
    assert bench.controller.accept() == (1,)
    assert objects_of(bench.shapes) == [2]
    bench.controller.close()


def test_cycling_writes_the_next_candidate_over_the_last(bench: Bench) -> None:
    bench.click(40, 40)
    areas = []
    for _ in range(4):
        areas.append(int((bench.labels.data == 1).sum()))
        bench.controller.choose_mask()
    assert areas[0] < areas[1] < areas[2]
    assert areas[3] == areas[0]


def test_labels_that_were_there_are_kept_unless_replaced(bench: Bench) -> None:
    bench.labels.data[5:10, 5:10] = 9
    bench.labels.refresh()
    bench.draw((0, 0, 20, 20))
    assert (bench.labels.data[5:10, 5:10] == 9).all()
    bench.controller.set_options(Options(policy="replace"))
    bench.draw((0, 0, 20, 20))
    assert (bench.labels.data[5:10, 5:10] != 9).all()


def test_a_label_beyond_the_layers_type_offers_another_type(bench: Bench) -> None:
    data = np.zeros((80, 100), np.uint8)
    data[0, 0] = 255
    labels = bench.viewer.add_labels(data)
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(40, 40)
    now = bench.controller.state()
    assert "255" in now.problem or "uint8" in now.problem
    assert now.offer
    bench.choose(bench.controller.label_tools.convert())
    bench.controller.run()
    assert bench.labels == labels
    assert labels.data[40, 40] == 256
    assert labels.data[0, 0] == 255
    assert bench.controller.state().problem == ""


def test_lazy_labels_are_offered_as_a_copy_and_left_alone(bench: Bench) -> None:
    array = pytest.importorskip("dask.array")
    data = array.zeros((80, 100), dtype=np.uint16)
    lazy = bench.viewer.add_labels(data, name="lazy")
    bench.choose(replace(bench.controller.chosen, labels=lazy))
    assert "dask" in bench.controller.state().problem
    bench.choose(bench.controller.label_tools.convert())
    assert bench.labels != lazy
    bench.click(40, 40)
    assert bench.painted == {1}
    assert lazy.data is data


def test_labels_that_the_user_replaced_stay_so_until_something_is_asked_for(bench: Bench) -> None:
    bench.draw((10, 10, 30, 30), (40, 40, 60, 60))
    bench.labels.data = np.zeros_like(bench.labels.data)
    bench.controller.refresh()
    assert bench.painted == set()
    bench.controller.next_object()
    bench.click(70, 70)
    assert bench.painted == {3}
    bench.controller.run()
    assert bench.painted == {1, 2, 3}


def test_other_prompt_layers_do_not_take_the_labels_of_the_first_away(bench: Bench) -> None:
    bench.click(20, 20)
    first = bench.points
    other = bench.viewer.add_points(ndim=2, name="other")
    bench.choose(replace(bench.controller.chosen, points=other))
    assert bench.painted == {1}
    bench.click(60, 60)
    assert bench.painted == {1, 2}
    bench.choose(replace(bench.controller.chosen, points=first))
    assert bench.painted == {1, 2}
    bench.viewer.layers.remove(first)
    bench.choose(replace(bench.controller.chosen, points=None))
    assert bench.painted == {1, 2}


def test_a_labels_layer_of_another_shape_is_refused_in_words(bench: Bench) -> None:
    labels = bench.viewer.add_labels(np.zeros((10, 10), np.uint16))
    bench.choose(replace(bench.controller.chosen, labels=labels))
    bench.click(5, 5)
    assert bench.controller.state().problem
    assert not labels.data.any()


def test_empty_masks_are_told_until_they_have_pixels(bench: Bench) -> None:
    bench.draw((5, 5, 15, 20))
    bench.controller.next_object()
    bench.controller.flip_sign()
    bench.click(60, 60)  # the fake model answers a lone negative click with nothing
    assert bench.controller.state().empty == (2,)
    bench.controller.flip_sign()
    bench.click(60, 80)
    assert bench.controller.state().empty == ()


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
