"""Texts in places of a fixed size: what does not fit is cut, and shown on hovering.

Not here: what they say (``messages.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import QEvent, QObject, QRect, QSize, Qt
from qtpy.QtGui import QFontMetrics, QMouseEvent, QPainter, QPaintEvent, QTextLayout
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
)

__all__ = ["Lines", "elide"]


class Lines(QLabel):
    """A text in a place of fixed height; what does not fit is shown on hovering, or by a click.

    Parameters
    ----------
    count : int
        How many lines there is room for.
    """

    def __init__(self, count: int, *, bold: bool = False) -> None:
        super().__init__()
        self._count = count
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        font = self.font()
        font.setBold(bold)
        self.setFont(font)

    def setText(self, text: str | None) -> None:
        """Show a text."""
        if text != self.text():
            super().setText(text)
            self.update()  # all of it: the label itself leaves its first column as it was
            self.setToolTip(text or "")

    def sizeHint(self) -> QSize:
        """Room for the lines, whatever they say."""
        return QSize(0, self._count * self.fontMetrics().lineSpacing() + 2)

    def minimumSizeHint(self) -> QSize:
        """As high as the lines."""
        return self.sizeHint()

    def shown_lines(self) -> list[str]:
        """Return the lines as they are painted, the last one cut short if there are more."""
        wrapped = list(_wrapped(self.text(), self.fontMetrics(), self.font(), self.width()))
        if len(wrapped) <= self._count:
            return wrapped
        rest = " ".join(wrapped[self._count - 1 :])
        last = self.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, self.width())
        return [*wrapped[: self._count - 1], last]

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint the lines from the top."""
        painter = QPainter(self)
        step = self.fontMetrics().lineSpacing()
        for number, line in enumerate(self.shown_lines()):
            place = QRect(0, number * step, self.width(), step)
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, line)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Show the whole text."""
        if event is not None and self.text():
            QToolTip.showText(event.globalPosition().toPoint(), self.text(), self)


def _wrapped(text: str, metrics: QFontMetrics, font: object, width: int) -> Iterator[str]:
    """Yield a text in lines that fit, broken between words."""
    for paragraph in filter(None, text.split("\n")):
        layout = QTextLayout(paragraph, font)  # type: ignore[call-overload]
        layout.beginLayout()
        while (line := layout.createLine()).isValid():
            line.setLineWidth(width)
            yield paragraph[line.textStart() : line.textStart() + line.textLength()].strip()
        layout.endLayout()


def elide(box: QComboBox, mode: Qt.TextElideMode) -> None:
    """Have a closed combo box, and the lines of its list, end a text that does not fit with "…".

    Under a style sheet Qt cuts it off in the middle of a letter, as if that were all of it.
    """
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
