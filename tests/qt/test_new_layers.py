"""The first Box or Click makes the layers that are missing."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QMenu
from tests.bench import names
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget


@pytest.fixture
def widget(viewer, open_in) -> SAMV2PromptsWidget:
    return opened(viewer, open_in)


def opened(viewer, open_in) -> SAMV2PromptsWidget:
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.wait_until_idle()
    return widget


def menu_of(widget) -> QMenu:
    return next(menu for menu in widget.findChildren(QMenu) if menu.actions())


@pytest.mark.parametrize(("tool", "mode"), [("box", "add_rectangle"), ("click", "add")])
def test_the_first_press_makes_the_layers_and_takes_the_tool(
    viewer, widget, tool: str, mode: str
) -> None:
    button = getattr(widget._form.prompts, tool)
    button.click()
    assert names(viewer) == ["cells", "cells labels", "cells shapes", "cells points"]
    assert viewer.layers.selection.active.mode == mode
    assert button.isChecked()
    button.click()
    assert button.isChecked(), "pressed again, it is still the tool in hand"
    assert len(viewer.layers) == 4


def test_box_is_a_box_and_g_keeps_the_tool_of_the_layer(viewer, widget) -> None:
    prompts = widget._form.prompts
    prompts.box.click()
    shapes = widget.shapes.value
    shapes.mode = "add_ellipse"
    prompts.click.click()
    widget._open.drawing.change()
    assert shapes.mode == "add_ellipse"
    prompts.box.click()
    assert shapes.mode == "add_rectangle"


def test_undo_takes_the_new_layers_away_until_something_is_in_them(viewer, widget) -> None:
    prompts = widget._form.prompts
    prompts.box.click()
    prompts.undo.click()
    assert names(viewer) == ["cells"]
    prompts.click.click()
    widget.points.value.add([[20, 20]])
    widget.wait_until_idle()
    assert widget.labels.value.data.any()
    prompts.undo.click()
    assert len(viewer.layers) == 4
    assert not widget.labels.value.data.any(), "that was the mask's undo"


def test_painting_in_a_new_layer_keeps_it_too(viewer, widget) -> None:
    widget._form.prompts.box.click()
    labels = widget.labels.value
    labels.paint((5, 5), 3)
    widget._form.prompts.undo.click()
    assert labels in viewer.layers
    assert not labels.data.any()


def test_layers_that_are_there_are_offered_first(viewer, widget) -> None:
    mine = viewer.add_shapes([np.array([[5, 5], [5, 20], [20, 20], [20, 5]])], name="mine")
    widget.shapes.value = None
    widget._form.prompts.box.click()
    assert len(viewer.layers) == 2, "nothing is made before the user has said so"
    offer, *_, new = menu_of(widget).actions()
    assert "mine" in offer.text()
    assert "new" in new.text()
    offer.trigger()
    widget.wait_until_idle()
    assert widget.shapes.value == mine
    assert viewer.layers.selection.active == mine
    assert widget.labels.value.data[10, 10] > 0


def test_layers_of_another_image_are_not_offered(viewer, widget) -> None:
    widget._form.prompts.box.click()
    viewer.add_image(np.zeros((50, 60)), name="other")
    widget.wait_until_idle()
    widget._form.prompts.box.click()
    assert not [menu for menu in widget.findChildren(QMenu) if menu.actions()]
    assert widget.shapes.value.name == "other shapes"


def test_without_an_image_there_is_nothing_to_press(open_in) -> None:
    prompts = opened(ViewerModel(), open_in)._form.prompts
    assert not prompts.box.isEnabled()
    assert not prompts.click.isEnabled()


def test_the_dock_says_its_title_once(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    viewer.window.add_dock_widget(widget, name="SAMV2 Prompts (napari-samv2-prompts)")
    dock = widget.parent()
    for floating in (False, True, False):
        dock.setFloating(floating)
        QApplication.processEvents()
        titles = [label.text() for label in dock.titleBarWidget().findChildren(QLabel)]
        assert titles == ["SAMV2 Prompts"]
    assert isinstance(dock, QDockWidget)


@pytest.mark.parametrize(("tool", "kind"), [("box", "shapes"), ("click", "points")])
def test_a_layer_that_is_hidden_is_shown_when_its_tool_is_taken(
    widget, tool: str, kind: str
) -> None:
    widget.new_prompt_layers()
    layer = getattr(widget, kind).value
    layer.visible = False
    getattr(widget._form.prompts, tool).click()
    assert layer.visible
    assert layer.mode.startswith("add")
