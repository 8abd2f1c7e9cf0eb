"""How the parts of the form are put together: rows, folds, what is remembered of controls.

Nothing here changes its place or size because of what it shows.

Not here: buttons and texts (``widgets.py``), which controls there are (the other modules).
"""

from __future__ import annotations

from collections.abc import Callable

from magicgui.widgets import ComboBox
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QSpinBox,
    QWidget,
)
from superqt import QCollapsible

from napari_samv2_prompts.io.settings import Choice

from .widgets import as_it_stands, elide

_FOLD_STYLE = """
QPushButton, QPushButton:checked { text-align: left; border: none; background: transparent; }
QPushButton:focus { text-decoration: underline; }
"""
_ANY_HEIGHT = 16_777_215  # QWIDGETSIZE_MAX, which not all bindings have


def keep_place(widget: QWidget) -> QWidget:
    """Have a widget take up its place while it is hidden, so that nothing moves; return it."""
    policy = widget.sizePolicy()
    policy.setRetainSizeWhenHidden(True)
    widget.setSizePolicy(policy)
    return widget


def side_by_side(*widgets: QWidget) -> QHBoxLayout:
    """Return a row of widgets; the first takes the room that is left."""
    layout = QHBoxLayout()
    for position, widget in enumerate(widgets):
        layout.addWidget(widget, int(position == 0))
    return layout


def equally_wide(*widgets: QWidget) -> QHBoxLayout:
    """Return a row of widgets that share it out equally, whatever they say."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget, 1)
        widget.setSizePolicy(QSizePolicy.Policy.Ignored, widget.sizePolicy().verticalPolicy())
    return layout


class WheelForForm(QObject):
    """Leaves the mouse wheel to the form, over a control that does not have the focus.

    Else scrolling the form would change whatever comes to lie under the mouse.

    - `form`: owns this; all controls that are in it by now
    """

    def __init__(self, form: QWidget) -> None:
        super().__init__(form)
        for kind in (QAbstractSpinBox, QComboBox, QSlider):
            for control in form.findChildren(kind):
                control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # not by the wheel
                control.installEventFilter(self)

    def eventFilter(self, control: QObject | None, event: QEvent | None) -> bool:
        """Pass the wheel on."""
        if event is None or event.type() != QEvent.Type.Wheel or not isinstance(control, QWidget):
            return False
        window = control.window()
        if window is not None and window.focusWidget() is control:
            return False
        event.ignore()
        return True


# --- folds and rows -------------------------------------------------------------------------


class _NoIcon(QIcon):
    """An empty icon that counts as one: PySide6's are false, and superqt leaves those out."""

    def __bool__(self) -> bool:
        return True


class Fold(QCollapsible):
    """A part that is folded away under its title until it is wanted.

    - `tip`: what is shown when the title is hovered over
    """

    def __init__(self, title: str, content: QWidget, tip: str) -> None:
        # No icons: they would be drawn in the colours that were there before the viewer's theme.
        super().__init__(title, expandedIcon=_NoIcon(), collapsedIcon=_NoIcon())
        self._title = title
        self.setDuration(0)
        self.setContent(content)
        if (layout := self.layout()) is not None:
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(2)
        head = self.toggleButton()
        head.setToolTip(tip)
        head.setAccessibleName(f"Show or hide: {title}")
        head.setStyleSheet(_FOLD_STYLE)
        head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.toggled.connect(self._on_toggled)
        self.collapse(animate=False)

    @property
    def title(self) -> str:
        """What the closed part is called; it may say what is chosen in it."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        self._title = title
        self.setText(f"{'▾' if self.isExpanded() else '▸'} {as_it_stands(title)}")

    def open(self, wanted: bool = True) -> None:
        """Fold out, or away."""
        (self.expand if wanted else self.collapse)(animate=False)

    def _on_toggled(self, opened: bool) -> None:
        content = self.content()
        content.setVisible(opened)  # so that Tab does not go through what is not seen
        if opened:
            content.setMaximumHeight(_ANY_HEIGHT)  # fonts may change its height later
        self.title = self._title


def rows(group: QWidget) -> QFormLayout:
    """Return a layout of rows with captions."""
    layout = QFormLayout(group)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setContentsMargins(6, 0, 6, 4)
    return layout


def add_row(layout: QFormLayout, text: str, control: QWidget, tip: str) -> None:
    """Add a control with its caption, which is its name for those who hear the form, too."""
    control.setAccessibleName(text)
    control.setToolTip(tip)
    layout.addRow(text, control)


# --- choices --------------------------------------------------------------------------------


def shrinking(box: ComboBox, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> QWidget:
    """Return a combo box that a long text does not widen."""
    native: QComboBox = box.native
    elide(native, mode)
    native.setMinimumWidth(60)
    native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return native


# --- what is remembered ---------------------------------------------------------------------


def choice_of(control: ComboBox | QWidget) -> Choice:
    """Return the choice that a control of the form makes."""
    if isinstance(control, ComboBox):
        return Choice(lambda: str(control.value), lambda value: setattr(control, "value", value))
    if isinstance(control, QSpinBox):
        return Choice(control.value, lambda value: _set_number(control, value))
    if isinstance(control, QCheckBox):
        return Choice(control.isChecked, lambda value: _set_switch(control.setChecked, value))
    if isinstance(control, Fold):
        return Choice(control.isExpanded, lambda value: _set_switch(control.open, value))
    raise TypeError(f"A {type(control).__name__} can't be remembered.")


def _set_number(control: QSpinBox, value: object) -> None:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number.")
    if not control.minimum() <= value <= control.maximum():
        raise ValueError(f"{value!r} is out of range.")
    control.setValue(value)


def _set_switch(set_on: Callable[[bool], object], value: object) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false.")
    set_on(value)
