"""Combo boxes that end a text which does not fit with an ellipsis.

Under a style sheet Qt cuts it off in the middle of a letter, as if that were all of it.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter

__all__ = ["elide"]


def elide(box: QComboBox, mode: Qt.TextElideMode) -> None:
    """Have a closed combo box, and the lines of its list, leave out what does not fit there."""
    view = box.view()
    if view is not None:
        view.setTextElideMode(mode)
    box.installEventFilter(_Elided(box, mode))


class _Elided(QObject):
    """Paints the combo box that it is a child of."""

    def __init__(self, box: QComboBox, mode: Qt.TextElideMode) -> None:
        super().__init__(box)
        self._mode = mode

    def eventFilter(self, box: QObject | None, event: QEvent | None) -> bool:
        if event is None or event.type() != QEvent.Type.Paint or not isinstance(box, QComboBox):
            return False
        option = QStyleOptionComboBox()
        box.initStyleOption(option)
        style, parts = box.style(), QStyle.SubControl
        if style is None:
            return False
        kind = QStyle.ComplexControl.CC_ComboBox
        field = style.subControlRect(kind, option, parts.SC_ComboBoxEditField, box)
        room = field.width() - 2 * style.pixelMetric(
            QStyle.PixelMetric.PM_FocusFrameHMargin, option, box
        )
        option.currentText = option.fontMetrics.elidedText(option.currentText, self._mode, room)
        painter = QStylePainter(box)
        painter.drawComplexControl(kind, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
        painter.end()
        return True
