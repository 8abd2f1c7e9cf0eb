"""The panel for labels: buttons act on its number, keys on the label under the mouse."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import MagicMock

import pytest

from napari_samv2_prompts._qt.form.layers import LabelPanel
from napari_samv2_prompts._qt.label_tools import LabelTools
from napari_samv2_prompts._qt.widget_state import WidgetState

NOW = WidgetState(labels=True, current=4)


@pytest.fixture
def panel(qtbot) -> LabelPanel:
    panel = LabelPanel()
    qtbot.addWidget(panel)
    panel.use(MagicMock(spec=LabelTools, under_mouse=9))
    panel.show_state(NOW)
    return panel


def test_the_buttons_work_on_the_number_which_follows_the_current_object(panel) -> None:
    panel.edit.click()
    panel._tools.edit.assert_called_once_with(4)
    panel.number.setValue(6)
    panel.show_state(NOW)  # the same object: the number stays
    panel.merge.click()
    panel.delete.click()
    panel._tools.merge.assert_called_once_with(6)
    panel._tools.delete.assert_called_once_with(6)
    panel.show_state(replace(NOW, current=5))
    assert panel.number.value() == 5


def test_the_keys_work_on_the_label_under_the_mouse(panel) -> None:
    for _, action in panel.keys:
        action()
    panel._tools.edit.assert_called_once_with(9)
    panel._tools.merge.assert_called_once_with(9)
    panel._tools.keep.assert_called_once_with(9, on=True)
    assert panel.number.value() == 9


def test_a_key_beside_all_labels_says_so_and_does_nothing(panel) -> None:
    panel._tools.under_mouse = 0
    panel.merge_under_mouse()
    panel._tools.edit.assert_called_once_with(0)
    panel._tools.merge.assert_not_called()
    assert panel.number.value() == 4


def test_a_key_on_a_label_too_high_for_an_object_has_it_said(panel) -> None:
    panel._tools.under_mouse = 2**31
    for _, action in panel.keys:
        action()
    assert panel._tools.edit.call_args_list == [((2**31,),)] * 3
    panel._tools.merge.assert_not_called()
    panel._tools.keep.assert_not_called()
    assert panel.number.value() == 4


def test_the_switch_shows_whether_the_label_is_kept_and_turns_it(panel) -> None:
    panel.show_state(replace(NOW, kept=(4, 6), said="Done."))
    assert panel.keep.isChecked()
    panel.number.setValue(5)
    assert not panel.keep.isChecked()
    panel.number.setValue(6)
    panel.keep.click()
    panel._tools.keep.assert_called_once_with(6, on=False)
    assert panel.text.text() == "Kept: 4, 6."


def test_without_labels_nothing_can_be_done(panel) -> None:
    panel.show_state(replace(NOW, labels=False))
    assert not panel.isEnabled()
    panel.edit_under_mouse()
    panel._tools.edit.assert_not_called()
    panel.use(None)
    panel.edit.click()
