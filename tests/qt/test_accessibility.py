"""Everything in the form can be heard, hovered over and reached with the keyboard."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QWidget,
)
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.form import Form
from napari_samv2_prompts._qt.form.prompts import SIGNS
from napari_samv2_prompts._qt.form.widgets import elide
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts._qt.widget_state import WidgetState
from napari_samv2_prompts.layers.prompt_layers import FACE_COLOURS, SYMBOLS

DOCS = Path(__file__).parents[2] / "docs"
CONTROLS = (QAbstractButton, QComboBox, QAbstractSpinBox, QLineEdit)


def form_of(widget: SAMV2PromptsWidget) -> Form:
    """Return the form of a widget with all layers and with all parts open."""
    widget.new_prompt_layers()
    for fold in widget._form.folds:
        fold.open()
    return widget._form


@pytest.fixture
def form(open_in) -> Form:
    viewer = ViewerModel()
    viewer.add_image(np.ones((40, 50)), name="cells")
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.show()
    return form_of(widget)


def controls_of(form: QWidget) -> list[QWidget]:
    found = []
    for control in form.findChildren(QWidget):
        inner = isinstance(control.parent(), (*CONTROLS, QComboBox)) or (
            control.window() is not form.window()  # the list that a combo box opens
        )
        inner = inner or isinstance(control.parent(), QAbstractItemView)
        if isinstance(control, CONTROLS) and not inner:
            found.append(control)
    return found


def test_every_control_has_a_tooltip_a_name_and_a_place_in_the_tab_order(form) -> None:
    controls = controls_of(form)
    assert len(controls) > 20
    names = []
    for control in controls:
        shown = control.text() if isinstance(control, QAbstractButton) else ""
        spoken = control.accessibleName() or shown
        what = f"{type(control).__name__} {control.objectName()} {spoken!r}"
        assert control.toolTip(), what
        assert spoken, what
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, what
        names.append(spoken)
    assert len(set(names)) == len(names), "two controls have the same name"


def test_the_guide_has_every_key_and_every_button_and_no_others(form) -> None:
    pages = {page.stem: page.read_text("utf-8") for page in DOCS.glob("*.md")}
    rows = re.findall(r"^\| ([A-Z]) \| (.+?) \|", pages["usage"], flags=re.MULTILINE)
    assert {letter for letter, _ in rows} == form.prompts.letters
    buttons = [c for c in controls_of(form) if isinstance(c, QAbstractButton)]
    texts = {re.sub(r" \([A-Z]\)$", "", c.text()) for c in buttons}
    texts |= set(SIGNS)  # one button, which says the one or the other
    named = {name for _, cell in rows for name in re.findall(r"\*(.+?)\*", cell)}
    assert named <= texts
    every = " ".join(" ".join(pages.values()).split())
    texts = {text.strip("▸▾ ") for text in texts if "·" not in text}  # names of layers
    left_out = {text for text in texts if re.sub(r"[ (]?\d.*", "", text).strip() not in every}
    assert not left_out


def test_tab_reaches_everything_that_can_be_used(make_napari_viewer) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.ones((40, 50)), name="cells")
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    viewer.window.add_dock_widget(widget)
    form = form_of(widget)
    QApplication.processEvents()
    everything = replace(
        WidgetState(
            image=True, points=True, shapes=True, labels=True, started=True, acceptable=True
        ),
        scores=(0.9, 0.8),
        offer="uint32",
        download=156,
    )
    form.show_state(everything)
    usable = {c for c in controls_of(form) if c.isEnabled() and c.isVisibleTo(form)}
    next(iter(usable)).setFocus()
    reached: set[QWidget] = set()
    while (at := form.window().focusWidget()) not in reached:  # once around the whole window
        reached.add(at)
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            key = QKeyEvent(kind, Qt.Key.Key_Tab, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(at, key)
    missed = [c.toolTip() for c in usable - reached]
    assert not missed


def test_the_sign_of_a_click_is_told_by_symbol_and_by_brightness_too() -> None:
    assert SYMBOLS["positive"] != SYMBOLS["negative"]

    def brightness(colour: tuple[float, ...]) -> float:  # WCAG 2: relative luminance of sRGB
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted(brightness(colour) for colour in FACE_COLOURS.values())
    assert (high + 0.05) / (low + 0.05) > 1.2


@pytest.mark.parametrize("mode", [Qt.TextElideMode.ElideRight, Qt.TextElideMode.ElideMiddle])
def test_a_text_that_does_not_fit_is_painted_like_one_that_ends_with_an_ellipsis(
    qtbot, mode
) -> None:
    def painted(text: str) -> object:
        box = QComboBox()
        qtbot.addWidget(box)
        box.setStyleSheet("QComboBox { padding: 2px; }")  # with one it is painted otherwise
        box.addItem(text)
        elide(box, mode)
        box.setFixedSize(120, 30)
        return box.grab().toImage(), box.fontMetrics()

    long = "a name that is far too long for this box"
    picture, metrics = painted(long)
    cut = {metrics.elidedText(long, mode, width) for width in range(60, 120)}
    assert any(painted(text)[0] == picture for text in cut)
    short = QComboBox()
    qtbot.addWidget(short)
    short.setStyleSheet("QComboBox { padding: 2px; }")
    short.addItem("short")
    short.setFixedSize(120, 30)
    assert painted("short")[0] == short.grab().toImage()  # the rest is painted as ever
