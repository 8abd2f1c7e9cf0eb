"""A new user's path, by the mouse and the keyboard alone: from an image to accepted labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

LEFT = Qt.MouseButton.LeftButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
PLACES = ((40, 50), (40, 150), (100, 100))  # (row, column) of three things to segment


class User:
    """Presses, drags and types, and counts it."""

    def __init__(self, viewer) -> None:
        viewer.add_image(np.ones((140, 200)), name="cells")
        viewer.window.resize(1300, 740)
        self.viewer, self.actions = viewer, 0
        self.widget = SAMV2PromptsWidget(viewer, make_predictor=Factory(), make_runner=SyncRunner)
        viewer.window.add_dock_widget(self.widget, name="SAMV2 Prompts")
        self.settle()
        viewer.reset_view()
        self.canvas = viewer.window._qt_viewer.canvas.native

    def settle(self) -> None:
        for _ in range(5):
            QApplication.processEvents()
        self.widget.wait_until_idle()

    def at(self, row: float, column: float) -> QPoint:
        """Return where on the canvas a place of the image is."""
        camera, size = self.viewer.scene.camera, self.canvas.size()
        down, right = (np.array([row, column]) - camera.center[-2:]) * camera.zoom
        return QPoint(round(size.width() / 2 + right), round(size.height() / 2 + down))

    def press(self, button) -> None:
        assert button.isVisible()
        assert button.isEnabled(), button.text()
        QTest.mouseClick(button, LEFT)
        self._done()

    def click(self, row: float, column: float, held=NONE) -> None:
        QTest.mouseMove(self.canvas, self.at(row, column))
        QTest.mouseClick(self.canvas, LEFT, held, self.at(row, column))
        self._done()

    def drag(self, top: float, left: float, bottom: float, right: float, held=NONE) -> None:
        shares = (0, 0.3, 0.6, 0.9, 1, 1)
        steps = [(top + (bottom - top) * t, left + (right - left) * t) for t in shares]
        QTest.mousePress(self.canvas, LEFT, held, self.at(*steps[0]))
        for step in steps[1:]:
            QTest.mouseMove(self.canvas, self.at(*step), 20)
        QTest.mouseRelease(self.canvas, LEFT, held, self.at(*steps[-1]))
        self._done()

    def type(self, key: Qt.Key) -> None:
        QTest.keyClick(self.canvas, key)
        self._done()

    def _done(self) -> None:
        self.actions += 1
        self.settle()


@pytest.fixture
def user(make_napari_viewer: Callable) -> User:
    return User(make_napari_viewer(show=True))


def accepted(user: User) -> None:
    widget = user.widget
    assert set(np.unique(widget.labels.value.data)) == {0, 1, 2, 3}
    assert len(widget.points.value.data) == len(widget.shapes.value.data) == 0, "they are accepted"


def test_three_boxes_take_five_actions(user: User) -> None:
    prompts = user.widget._form.prompts
    user.press(prompts.box)
    for row, column in PLACES:
        user.drag(row - 15, column - 15, row + 15, column + 15)
    user.press(prompts.accept)
    accepted(user)
    assert user.actions == 5


def test_three_clicks_take_seven_actions_and_another_candidate_one(user: User) -> None:
    prompts = user.widget._form.prompts
    user.press(prompts.click)
    for number, place in enumerate(PLACES):
        if number:
            user.type(Qt.Key.Key_N)
        user.click(*place)
    user.press(prompts.accept)
    accepted(user)
    assert user.actions == 7

    # Another candidate is one press.
    labels = user.widget.labels.value
    user.click(100, 50)
    small = int((labels.data == 4).sum())
    assert small
    user.press(prompts.candidates.buttons[2])
    assert int((labels.data == 4).sum()) > 4 * small
    assert prompts.candidates.buttons[2].isChecked()


def test_three_boxes_with_shift_take_four_actions_and_leave_the_image_where_it_is(user) -> None:
    centre = user.viewer.scene.camera.center
    for number, (row, column) in enumerate(PLACES):
        held = NONE if number else SHIFT  # the first makes the layers and takes up their tool
        user.drag(row - 15, column - 15, row + 15, column + 15, held)
        assert user.viewer.scene.camera.center == centre
    box = user.widget.shapes.value.data[0]
    assert np.allclose(box.min(axis=0), (25, 35), atol=1)
    assert np.allclose(box.max(axis=0), (55, 65), atol=1)
    user.press(user.widget._form.prompts.accept)
    accepted(user)
    assert user.actions == 4


def test_three_clicks_with_shift_take_four_actions(user: User) -> None:
    for place in PLACES:
        user.click(*place, held=SHIFT)
    assert user.widget.points.value.features["object"].tolist() == [1, 2, 3]
    user.press(user.widget._form.prompts.accept)
    accepted(user)
    assert user.actions == 4


def test_clicks_and_boxes_with_shift_come_in_any_order(user: User) -> None:
    user.click(*PLACES[0], held=SHIFT)
    user.drag(25, 135, 55, 165, held=SHIFT)
    centre = user.viewer.scene.camera.center
    user.drag(85, 70, 115, 130, held=SHIFT)
    user.click(110, 30, held=SHIFT)
    user.drag(10, 80, 30, 120, held=SHIFT)
    assert user.viewer.scene.camera.center == centre
    widget = user.widget
    assert widget.points.value.features["object"].tolist() == [1, 4]
    assert widget.shapes.value.features["object"].tolist() == [2, 3, 5]
    assert np.allclose(np.ptp(widget.shapes.value.data[1], axis=0), (30, 60), atol=1)
    assert not widget._form.prompts.note.text()
    user.click(112, 30)  # the tool in hand is that for boxes
    assert len(widget.points.value.data) == 2
