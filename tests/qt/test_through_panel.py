"""The section *Through the stack* in the widget."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import Factory
from tests.qt.stack_bench import PLANES, Bright, film

from napari_samv2_prompts._qt.form.background import ThroughPanel, propagation_line
from napari_samv2_prompts._qt.widget_state import Axis, PropagationState
from napari_samv2_prompts.layers.stack_labels import StackLabels


def test_the_buttons_of_the_widget_follow_objects_and_go_to_what_is_doubtful(open_in):
    viewer = ViewerModel()
    viewer.add_image(film(), name="film", contrast_limits=(0, 255))
    factory = Factory()
    factory.predictor = Bright()
    widget = open_in(viewer, make_predictor=factory)
    viewer.dims.set_current_step(0, 3)
    _, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([[[3, 6, 12], [3, 6, 28], [3, 22, 28], [3, 22, 12]]])
    widget.wait_until_idle()
    panel = widget._form.through
    widget._form.fold_of("through").expand(animate=False)
    assert panel.axis.count() == 1
    panel.last.setValue(5)
    panel.both.click()
    widget.wait_until_idle()
    assert np.flatnonzero((labels.data == 1).any((1, 2))).tolist() == [0, 1, 2, 3, 4, 5]
    assert panel.doubtful.isEnabled()
    panel.doubtful.click()
    place, _ = next(iter(widget._open.propagation._track.doubtful))
    assert viewer.dims.current_step[0] == place
    viewer.dims.set_current_step(0, 5)
    panel.ends.click()
    assert not (labels.data[5] == 1).any()
    widget.propagate(last=PLANES - 1)
    widget.wait_until_idle()
    assert np.flatnonzero((labels.data == 1).any((1, 2))).tolist() == [0, 1, 2, 3, 4]


def test_the_window_does_not_read_all_labels_for_their_tracks(open_in, monkeypatch):
    viewer = ViewerModel()
    viewer.add_image(np.zeros((PLANES, 40, 50), np.uint8), name="stack")
    widget = open_in(viewer, make_predictor=Factory())
    _, _, labels = widget.new_prompt_layers()
    labels.data_setitem((np.arange(3), np.full(3, 5), np.full(3, 6)), 4)
    widget.wait_until_idle()
    readers, read = [], StackLabels.lineage

    def noted(track: StackLabels) -> object:
        readers.append(threading.current_thread())
        return read(track)

    monkeypatch.setattr(StackLabels, "lineage", noted)
    widget._form.fold_of("through").expand(animate=False)
    widget._form.through.tracks.click()
    widget.wait_until_idle()
    assert readers
    assert threading.main_thread() not in readers
    assert viewer.layers[f"{labels.name} tracks"].data[:, 1].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (PropagationState(), "Draw objects on one plane"),
        (PropagationState(running=True, place=31, done=5, total=80), "plane 31, 5 of 80 masks"),
        (PropagationState(running=True, done=5, total=80, seconds_left=12.4), "12 s left"),
        (
            PropagationState(said="Object 7 ended at plane 31: not seen."),
            "Object 7 ended at plane 31",
        ),
        (PropagationState(doubtful=True), "press Next doubtful"),
    ],
)
def test_the_line_says_where_following_stands(now: PropagationState, said: str) -> None:
    assert said in propagation_line(now)


def test_without_another_plane_there_is_nothing_to_press(qapp) -> None:
    panel = ThroughPanel()
    panel.show_axes((), "The image has one plane only.")
    panel.show_through(PropagationState())
    assert not panel.both.isEnabled()
    assert panel.text.text() == "The image has one plane only."
    panel.show_axes([Axis(0, "z", 12, 3)])
    panel.show_through(PropagationState())
    assert panel.both.isEnabled()
    assert panel.planes == (0, 11)
    panel.show_through(PropagationState(running=True))
    assert not panel.both.isEnabled()
    panel.deleteLater()


def test_planes_that_were_chosen_stay_while_there_is_nothing_to_go_through(qapp) -> None:
    panel = ThroughPanel()
    z, t = Axis(1, "z", 12, 3), Axis(0, "t", 5, 0)
    panel.show_axes([z, t])
    panel.first.setValue(2)
    panel.last.setValue(4)
    panel.show_axes((), "The viewer shows a volume.")
    panel.show_axes([z, t])
    assert (panel.chosen_axis, panel.planes) == (1, (2, 4))
    panel.show_axes([t, z])  # another slider was moved
    assert (panel.chosen_axis, panel.planes) == (0, (0, 4))
    panel.axis.setCurrentIndex(1)
    assert (panel.chosen_axis, panel.planes) == (1, (2, 4))
    panel.show_axes([Axis(1, "z", 8, 3)])  # of another image
    assert panel.planes == (0, 7)
    panel.deleteLater()


def test_how_far_following_is_can_be_read_in_3d(qapp) -> None:
    panel = ThroughPanel()
    panel.show_axes((), "The viewer shows a volume.")
    panel.show_through(PropagationState(running=True, place=3, done=5, total=80))
    assert "plane 3" in panel.text.text()
    panel.show_through(PropagationState())
    assert panel.text.text() == "The viewer shows a volume."
    panel.deleteLater()


def test_the_axis_that_was_chosen_stays_and_is_that_of_all_buttons(open_in) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.stack([film()] * 3), name="films")
    widget = open_in(viewer, make_predictor=Factory())
    panel, stack = widget._form.through, widget._open.propagation.stack
    widget._form.fold_of("through").expand(animate=False)
    viewer.dims.set_current_step(0, 1)
    widget.new_prompt_layers()
    assert (panel.chosen_axis, stack.axis(None)) == (0, 0)
    panel.axis.setCurrentIndex(1)
    assert (panel.chosen_axis, stack.axis(None)) == (1, 1)
    viewer.dims.ndisplay = 3
    widget.wait_until_idle()
    viewer.dims.ndisplay = 2
    viewer.dims.set_current_step(0, 2)
    widget.wait_until_idle()
    assert (panel.chosen_axis, stack.axis(None)) == (1, 1)


def test_looking_for_axes_leaves_what_is_said_of_the_labels(open_in) -> None:
    viewer = ViewerModel()
    image = viewer.add_image(film(), name="film")
    data = np.zeros(image.data.shape, np.uint8)
    data[0, 0, 0] = 255
    own = viewer.add_labels(data, name="own")
    widget = open_in(viewer, make_predictor=Factory())
    widget._form.fold_of("through").expand(animate=False)
    _, shapes, _ = widget.new_prompt_layers()
    widget.labels.value = own
    shapes.add_rectangles([[[0, 6, 12], [0, 6, 28], [0, 22, 28], [0, 22, 12]]])
    widget.wait_until_idle()
    assert "can't hold label 256" in widget._form.head.hint.text()
