"""The widget's loop, with real workers and without a window."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
from tests.bench import painted
from tests.fakes import Factory, FakePredictor
from tests.qt.slow import slow, wait_for

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.engine import Cancelled, State, Task

BOX = np.array([[10, 10], [10, 30], [25, 30], [25, 10]])

pytestmark = pytest.mark.usefixtures("no_thread_left")


@pytest.fixture
def opened(open_in):
    def open_(viewer: ViewerModel, factory: Factory | None = None) -> SAMV2PromptsWidget:
        return open_in(viewer, make_predictor=factory or Factory())

    return open_


def test_it_says_which_model_runs_where_and_why(viewer, opened) -> None:
    widget = opened(viewer)
    widget.wait_until_idle()
    assert widget._form.head.state.text() == "Ready · nano on cpu"
    assert widget._form.model.reason.text() == "because this is a test"


def test_prompts_drawn_while_embedding_are_segmented_when_it_is_done(viewer, opened) -> None:
    factory = slow()
    widget = opened(viewer, factory)
    _, shapes, labels = widget.new_prompt_layers()
    assert wait_for(factory.predictor.started)
    shapes.add_rectangles([BOX])
    QApplication.processEvents()
    assert painted(labels) == set()
    factory.predictor.go.set()
    widget.wait_until_idle()
    assert painted(labels) == {1}


def test_live_off_waits_for_run(viewer, opened) -> None:
    widget = opened(viewer)
    widget.live = False
    _, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([BOX])
    widget.wait_until_idle()
    assert painted(labels) == set()
    assert "Press Run" in widget._form.head.hint.text()
    widget._form.prompts.run.click()
    widget.wait_until_idle()
    assert painted(labels) == {1}


def test_cancel_stops_the_embedding_and_run_takes_it_up_again(viewer, opened) -> None:
    factory = slow()
    widget = opened(viewer, factory)
    assert wait_for(factory.predictor.started)
    assert widget._form.head.cancel.isVisibleTo(widget)
    widget._form.head.cancel.click()
    widget.wait_until_idle()
    assert widget.session.status.state is State.IDLE
    assert not widget._form.head.cancel.isVisibleTo(widget)
    factory.predictor.go.set()
    widget._form.prompts.run.click()
    widget.wait_until_idle()
    assert widget.session.status.state is State.READY


def test_waiting_too_long_raises(viewer, opened) -> None:
    factory = slow()
    widget = opened(viewer, factory)
    assert wait_for(factory.predictor.started)
    with pytest.raises(TimeoutError, match="embedding"):
        widget.wait_until_idle(0.1)


def test_another_channel_of_the_same_place_keeps_layers_and_masks(viewer, opened) -> None:
    factory = Factory()
    widget = opened(viewer, factory)
    _, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([BOX])
    widget.wait_until_idle()
    viewer.add_image(np.zeros((80, 100)), name="green", blending="additive")
    widget.wait_until_idle()
    assert widget.image.value.name == "green"
    assert widget.labels.value == labels
    assert painted(labels) == {1}
    assert len(factory.predictor.batches) == 1
    assert len(factory.predictor.images) == 2


def test_the_image_follows_the_active_image_layer_and_its_layers_come_with_it(
    viewer, opened
) -> None:
    widget = opened(viewer)
    first = widget.new_prompt_layers()
    other = viewer.add_image(np.zeros((30, 30)), name="other")
    widget.wait_until_idle()
    assert widget.image.value == other
    assert (widget.points.value, widget.labels.value) == (None, None)
    viewer.layers.selection.active = viewer.layers["cells"]
    widget.wait_until_idle()
    assert (widget.points.value, widget.shapes.value, widget.labels.value) == first


def test_the_choices_follow_the_layer_list(viewer, opened) -> None:
    widget = opened(viewer)
    added = viewer.add_points(np.empty((0, 2)), name="mine")
    assert added in widget.points.choices
    added.name = "yours"
    assert "yours" in [str(text) for text in combo_texts(widget.points)]
    viewer.layers.remove(added)
    assert added not in widget.points.choices


def combo_texts(box) -> list[str]:
    return [box.native.itemText(i) for i in range(box.native.count())]


def test_layers_removed_and_renamed_while_embedding_do_no_harm(viewer, opened) -> None:
    factory = slow()
    widget = opened(viewer, factory)
    points, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([BOX])
    assert wait_for(factory.predictor.started)
    viewer.layers["cells"].name = "renamed"
    QApplication.processEvents()
    for layer in (labels, points, shapes, viewer.layers["renamed"]):
        viewer.layers.remove(layer)
        QApplication.processEvents()
    factory.predictor.go.set()
    widget.wait_until_idle()
    assert widget.image.value is None
    assert "Open an image" in widget._form.head.hint.text()


def test_the_slider_embeds_the_plane_it_stops_at(opened) -> None:
    viewer = ViewerModel()
    planes = np.arange(20, dtype=np.uint8)
    image = np.broadcast_to(planes[:, None, None], (20, 40, 40)).copy()
    viewer.add_image(image, name="stack", contrast_limits=(0, 255))
    factory = Factory()
    widget = opened(viewer, factory)
    widget.wait_until_idle()
    start = int(viewer.dims.point[0])
    for plane in range(start, 18):
        viewer.dims.set_point(0, plane)
    widget.wait_until_idle()
    embedded = {int(image.flat[0]) for image in factory.predictor.images}
    neighbours = {start - 1, start + 1, 16, 18}  # perhaps ahead of being looked at
    assert {start, 17} <= embedded <= {start, 17} | neighbours


def test_a_published_model_asks_before_it_is_fetched(viewer, opened, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path))
    factory = Factory()
    widget = opened(viewer, factory)
    widget.wait_until_idle()
    widget.model.value = "tiny"
    widget.wait_until_idle()
    assert [choice.name for choice in factory.made] == ["nano"]
    assert "156 MB" in widget._form.head.hint.text()
    widget._form.model.download.click()
    widget.wait_until_idle()
    assert factory.made[-1].name == "tiny"
    assert widget.session.status.model.name == "tiny"


def test_weights_from_a_file_are_used_and_listed(viewer, opened, tmp_path) -> None:
    factory = Factory()
    widget = opened(viewer, factory)
    path = tmp_path / "mine.pt"
    widget.use_weights(str(path))
    widget.wait_until_idle()
    assert factory.made[-1].checkpoint == path
    assert "mine.pt (file)" in combo_texts(widget.model)


def test_download_progress_is_shown(viewer, opened) -> None:
    go = threading.Event()

    def make(choice, task: Task) -> FakePredictor:
        while not go.wait(0.005):
            task.report(0.25, "39 of 156 MB")
        raise Cancelled

    widget = opened(viewer, make)
    end = time.monotonic() + 60
    while "39 of 156 MB" not in widget._form.head.state.text() and time.monotonic() < end:
        QApplication.processEvents()
    assert "39 of 156 MB" in widget._form.head.state.text()
    go.set()
    widget.wait_until_idle()
