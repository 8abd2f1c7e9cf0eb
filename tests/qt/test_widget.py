"""The dock widget in a real window."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QPushButton
from tests.bench import painted
from tests.fakes import Factory
from tests.qt.slow import slow, wait_for, workers

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.engine import State

Opened = Callable[..., SAMV2PromptsWidget]

pytestmark = pytest.mark.usefixtures("no_thread_left")

BOX = np.array([[10, 10], [10, 30], [25, 30], [25, 10]])


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.ones((80, 100)), name="cells")
    return viewer


@pytest.fixture
def opened() -> Opened:
    def open_in(viewer, factory: Factory | None = None) -> SAMV2PromptsWidget:
        widget = SAMV2PromptsWidget(viewer, make_predictor=factory or Factory())
        viewer.window.add_dock_widget(widget, name="SAMV2 Prompts")
        return widget

    return open_in


@pytest.fixture
def model() -> ViewerModel:
    """A viewer for what needs no window."""
    model = ViewerModel()
    model.add_image(np.ones((80, 100)), name="cells")
    return model


# --- opening ---


def test_the_menu_command_and_add_plugin_dock_widget_both_open_it(viewer, monkeypatch) -> None:
    from napari._app_model import get_app_model

    monkeypatch.setattr(
        "napari_samv2_prompts._qt.widget.SAMV2PromptsWidget.__init__.__kwdefaults__",
        {"make_predictor": Factory(), "make_runner": SAMV2PromptsWidget.__init__.__kwdefaults__[
            "make_runner"]},
    )  # fmt: skip
    get_app_model().commands.execute_command("napari-samv2-prompts.widget").result()
    _, second = viewer.window.add_plugin_dock_widget("napari-samv2-prompts", "SAMV2 Prompts")
    first = next(
        w for w in viewer.window.dock_widgets.values() if type(w).__name__ == "SAMV2PromptsWidget"
    )
    for widget in (first, second):
        widget.wait_until_idle()
        assert widget.session.status.state is State.READY
        assert widget.image.value == viewer.layers["cells"]


def test_it_takes_the_active_image_at_opening(model, open_in: Opened) -> None:
    model.add_image(np.zeros((10, 10)), name="other")
    model.layers.selection.active = model.layers["cells"]
    assert open_in(model, make_predictor=Factory()).image.value.name == "cells"


def test_it_opens_without_an_image_and_takes_the_first_that_comes(open_in: Opened) -> None:
    viewer = ViewerModel()
    widget = open_in(viewer, make_predictor=Factory())
    widget.wait_until_idle()
    assert widget.image.value is None
    assert "Open an image" in widget._form.head.hint.text()
    viewer.add_image(np.ones((20, 20)), name="new")
    widget.wait_until_idle()
    assert widget.image.value.name == "new"
    assert widget.session.status.state is State.READY


# --- the loop ---


def test_the_loop(viewer, opened: Opened) -> None:
    widget = opened(viewer)
    points, shapes, labels = widget.new_prompt_layers()
    assert [layer.name for layer in (points, shapes, labels)] == [
        "cells points", "cells shapes", "cells labels"
    ]  # fmt: skip
    assert viewer.layers.selection.active == shapes
    assert shapes.mode == "add_rectangle"
    shapes.add_rectangles([BOX])
    widget.wait_until_idle()
    assert labels.data[20, 20] == 1
    points.add([[20, 33]])
    widget.wait_until_idle()
    assert labels.data[20, 33] == 1
    widget.next_object()
    points.add([[60, 60]])
    widget.wait_until_idle()
    before = int((labels.data == 2).sum())
    widget.cycle_mask()
    assert int((labels.data == 2).sum()) > before
    labels.undo()
    assert int((labels.data == 2).sum()) == before
    assert widget.accept() == (1, 2)
    assert (len(points.data), len(shapes.data)) == (0, 0)
    assert painted(labels) == {1, 2}


def test_a_failure_is_a_sentence_in_the_widget_and_a_notification(model, open_in: Opened) -> None:
    factory = Factory()
    factory.error = ValueError("nano.safetensors is broken: install the package again.")
    widget = open_in(model, make_predictor=factory)
    notification_manager.records.clear()
    widget.wait_until_idle()
    assert "is broken: install the package again." in widget._form.head.hint.text()
    (note,) = notification_manager.records
    assert "is broken" in note.message
    notification_manager.records.clear()


# --- keys ---


def press(viewer, letter: str) -> None:
    bound = {str(key): action for key, action in viewer.keymap.items()}
    bound[letter](viewer)


def test_the_keys_do_what_the_buttons_say(model, open_in: Opened) -> None:
    widget = open_in(model, make_predictor=Factory())
    points, shapes, _ = widget.new_prompt_layers()
    press(model, "G")
    assert model.layers.selection.active == points
    press(model, "G")
    assert model.layers.selection.active == shapes
    points.add([[20, 20]])
    widget.wait_until_idle()
    press(model, "Q")
    assert points.feature_defaults["polarity"][0] == "negative"
    press(model, "N")
    assert points.feature_defaults["object"][0] == 2
    assert "(N)" in widget._form.prompts.next.text()


def test_a_key_that_is_taken_is_left_alone(model, open_in: Opened) -> None:
    mine = model.bind_key("N", lambda viewer: None)
    widget = open_in(model, make_predictor=Factory())
    assert "(N)" not in widget._form.prompts.next.text()
    assert "(W)" in widget._form.prompts.cycle.text()
    widget._tear_down()
    assert {str(key) for key in model.keymap} == {"N"}
    assert mine is None


def test_two_widgets_share_the_keys_and_the_one_used_last_has_them(model, open_in: Opened) -> None:
    widgets = [open_in(model, make_predictor=Factory()) for _ in range(2)]
    assert all("(N)" in widget._form.prompts.next.text() for widget in widgets)

    def previewing() -> list[bool]:
        press(model, "H")
        return [widget._form.prompts.preview.isChecked() for widget in widgets]

    assert previewing() == [False, True]
    QApplication.sendEvent(widgets[0], QEvent(QEvent.Type.Enter))
    assert previewing() == [True, True]
    widgets[0]._tear_down()
    assert previewing() == [True, False]
    widgets[1]._tear_down()
    assert dict(model.keymap) == {}


# --- life ---


def close_dock(viewer, widget) -> None:
    """Do what the X of the dock does."""
    dock = widget.parent()
    dock.findChild(QPushButton, "QTitleBarCloseButton").click()
    QApplication.processEvents()


def test_x_ends_the_work_and_frees_the_widget(viewer, opened: Opened) -> None:
    widget = opened(viewer)
    widget.new_prompt_layers()
    widget.wait_until_idle()
    close_dock(viewer, widget)
    assert dict(viewer.keymap) == {}
    dead = weakref.ref(widget)
    viewer.layers["cells points"].add([[20, 20]])
    viewer.dims.ndisplay = 3
    QApplication.processEvents()
    assert painted(viewer.layers["cells labels"]) == set()
    del widget
    gc.collect()
    QApplication.processEvents()
    gc.collect()
    assert dead() is None, gc.get_referrers(dead())


def test_hiding_the_dock_ends_nothing_and_what_was_closed_can_be_shown_again(
    viewer, opened: Opened
) -> None:
    widget = opened(viewer)
    _, shapes, labels = widget.new_prompt_layers()
    viewer.window._qt_window.show()
    QApplication.processEvents()
    session = widget.session
    widget.parent().setVisible(False)
    QApplication.processEvents()
    assert not widget.isVisible()
    widget.parent().setVisible(True)
    assert widget.session is session
    close_dock(viewer, widget)
    viewer.window.add_dock_widget(widget, name="again")
    widget.show()
    shapes.add_rectangles([BOX])
    widget.wait_until_idle()
    assert widget.labels.value == labels
    assert painted(labels) == {1}


def test_closing_the_viewer_while_embedding_ends_the_thread(
    make_napari_viewer, opened: Opened
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.ones((40, 40)))
    factory = slow()
    opened(viewer, factory)
    assert wait_for(factory.predictor.started)
    viewer.close()
    QApplication.processEvents()
    end = time.monotonic() + 60
    while workers() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
    assert workers() == []


def test_two_widgets_in_one_viewer_do_not_disturb_each_other(viewer, opened: Opened) -> None:
    one = opened(viewer)
    two = SAMV2PromptsWidget(viewer, make_predictor=Factory())
    viewer.window.add_dock_widget(two, name="two")
    points, shapes, labels = one.new_prompt_layers()
    shapes.add_rectangles([BOX])
    one.wait_until_idle()
    two.wait_until_idle()
    assert painted(labels) == {1}
    close_dock(viewer, one)
    assert two.session.status.state is State.READY
    two.labels.value, two.points.value = labels, points
    points.add([[60, 60]])
    two.wait_until_idle()
    assert labels.data[60, 60] != 0


@pytest.mark.parametrize("which", [0, 1])
def test_what_one_widget_accepts_the_other_does_not_take_away(
    model, open_in: Opened, which: int
) -> None:
    widgets = [open_in(model, make_predictor=Factory()) for _ in range(2)]
    chosen = widgets[0].new_prompt_layers()
    points, shapes, labels = chosen
    widgets[1].points.value, widgets[1].shapes.value, widgets[1].labels.value = chosen

    def wait() -> None:
        for widget in (*widgets, *widgets):
            widget.wait_until_idle()

    shapes.add_rectangles([BOX])
    wait()
    widgets[which].next_object()
    points.add([[60, 60]])
    wait()
    before = labels.data.copy()
    assert widgets[which].accept() == (1, 2)
    wait()
    assert len(points.data) == len(shapes.data) == 0
    np.testing.assert_array_equal(labels.data, before)
    assert painted(labels) == {1, 2}


def test_two_viewers_work_side_by_side(make_napari_viewer, opened: Opened) -> None:
    widgets = []
    for size in (40, 60):
        viewer = make_napari_viewer()
        viewer.add_image(np.ones((size, size)), name=f"image {size}")
        widgets.append(opened(viewer))
    for widget, size in zip(widgets, (40, 60), strict=True):
        _, shapes, labels = widget.new_prompt_layers()
        shapes.add_rectangles([BOX])
        widget.wait_until_idle()
        assert widget.image.value.name == f"image {size}"
        assert labels.data.shape == (size, size)
        assert painted(labels) == {1}
