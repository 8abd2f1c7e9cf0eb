"""Controls that paint themselves: texts in places of a fixed size, buttons with the viewer's icons.

A text that does not fit is cut, and shown on hovering.  A button keeps its text beside the icon:
few of them say enough alone.  Where the viewer has no such icon, or draws its icons in another way
by now, the text stands by itself.

Not here: what they say (``messages.py``), how they are put together (``controls.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from qtpy.QtCore import QByteArray, QEvent, QObject, QRect, QRectF, QSize, Qt
from qtpy.QtGui import (
    QFontMetrics,
    QIcon,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QRegion,
    QTextLayout,
)
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import (
    QComboBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QStylePainter,
    QToolTip,
    QWidget,
)

SIDE = 16  # pixels of the form
_INK = 12  # of them for what is drawn; the rest parts it from the text
_DRAFT = 64  # pixels to measure a drawing by: the viewer's icons fill their squares unevenly
_SCALES = 1, 2  # of a screen: an icon is drawn for each, so that none is blurred
_FADED = 0.35  # of a button that can't be pressed


class Bar(QProgressBar):
    """A thin bar that says how far something is.

    It always has an end: one that moves by itself has all of the window painted with it, thirty
    times a second, beside a model that needs the processor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setMaximumHeight(12)
        self.show_share(0, 1)

    def show_share(self, done: int, total: int) -> None:
        """Show how much of how much is done."""
        # Else Qt paints it at once, and the canvas with it, before whoever calls this goes on.
        self.setUpdatesEnabled(False)
        self.setRange(0, max(total, 1))
        self.setValue(done)
        self.setUpdatesEnabled(True)


class Lines(QLabel):
    """A text in a place of fixed height; what does not fit is shown on hovering, or by a click.

    - `count`: how many lines there is room for
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


# --- buttons with icons -----------------------------------------------------------------------


def button(text: str, tip: str, icon: str = "", *, checkable: bool = False) -> IconButton:
    """Return a button with what it says on hovering, and an icon of the viewer's set."""
    made = IconButton(text, icon)
    made.setToolTip(tip)
    made.setCheckable(checkable)
    return made


def as_it_stands(text: str) -> str:
    """Return a text for a button that reads like this: to Qt an & marks the letter after it."""
    return text.replace("&", "&&")


class IconButton(QPushButton):
    """A button with an icon of the viewer's set before its text.

    - `icon`: name in ``napari.resources``; empty for none
    """

    def __init__(self, text: str = "", icon: str = "") -> None:
        super().__init__(text)
        self.icon_name, self._theme = icon, ""

    def sizeHint(self) -> QSize:
        """As large as when it can't be pressed: themes give it a border then."""
        hint, option, style = super().sizeHint(), QStyleOptionButton(), self.style()
        self.initStyleOption(option)
        if style is None or not self.isEnabled():
            return hint
        kind = QStyle.ContentsType.CT_PushButton
        now = style.sizeFromContents(kind, option, hint, self)
        option.state &= ~QStyle.StateFlag.State_Enabled
        return hint + (style.sizeFromContents(kind, option, hint, self) - now).expandedTo(QSize())

    def show_icon(self, icon: str) -> None:
        """Show another icon."""
        if icon != self.icon_name:
            self.icon_name = icon
            self.use_theme(self._theme)

    def use_theme(self, theme: str) -> None:
        """Draw the icon in the colours of a theme; none before that."""
        self._theme = theme
        self.setIcon(theme_icon(self.icon_name, theme) if self.icon_name and theme else QIcon())


def use_theme(parent: QWidget, theme: str) -> None:
    """Have all buttons within a widget draw their icons in the colours of a theme."""
    for press in parent.findChildren(IconButton):
        press.use_theme(theme)


def theme_icon(name: str, theme: str) -> QIcon:
    """Return an icon of the viewer's in a theme's colour; an empty one where it has no such."""
    icon, svg = QIcon(), _svg(name, theme)
    drawing = QSvgRenderer(QByteArray(svg.encode()))
    if not drawing.isValid():
        return icon
    draft = _painted(drawing, _DRAFT, QRectF(0, 0, _DRAFT, _DRAFT))
    ink = QRegion(draft.mask()).boundingRect()
    for scale in _SCALES:
        zoom = _INK * scale / max(ink.width(), ink.height(), 1)
        left = (_INK * scale - ink.width() * zoom) / 2 - ink.left() * zoom
        top = (SIDE * scale - ink.height() * zoom) / 2 - ink.top() * zoom
        place = QRectF(left, top, _DRAFT * zoom, _DRAFT * zoom)
        for mode, opacity in ((QIcon.Mode.Normal, 1.0), (QIcon.Mode.Disabled, _FADED)):
            pixels = _painted(drawing, SIDE * scale, place, opacity)
            pixels.setDevicePixelRatio(scale)
            icon.addPixmap(pixels, mode)
    return icon


def _svg(name: str, theme: str) -> str:
    try:
        from napari.resources import get_colorized_svg, get_icon_path
        from napari.utils.theme import get_theme

        return str(get_colorized_svg(get_icon_path(name), get_theme(theme).icon.as_hex()))
    except (ImportError, AttributeError, TypeError, ValueError, OSError):
        return ""


def _painted(drawing: QSvgRenderer, side: int, place: QRectF, opacity: float = 1.0) -> QPixmap:
    pixels = QPixmap(side, side)
    pixels.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixels)
    painter.setOpacity(opacity)
    drawing.render(painter, place)
    painter.end()
    return pixels
