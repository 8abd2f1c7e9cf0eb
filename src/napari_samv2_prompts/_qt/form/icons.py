"""The viewer's own icons on our buttons, in the colours of its theme.

A button keeps its text beside the icon: few of them say enough alone.  Where the viewer has no such
icon, or draws its icons in another way by now, the text stands by itself.
"""

from __future__ import annotations

from qtpy.QtCore import QByteArray, QRectF, QSize, Qt
from qtpy.QtGui import QIcon, QPainter, QPixmap, QRegion
from qtpy.QtSvg import QSvgRenderer
from qtpy.QtWidgets import QPushButton, QStyle, QStyleOptionButton, QWidget

__all__ = ["IconButton", "theme_icon", "use_theme"]

SIDE = 16  # pixels of the form
_INK = 12  # of them for what is drawn; the rest parts it from the text
_DRAFT = 64  # pixels to measure a drawing by: the viewer's icons fill their squares unevenly
_SCALES = 1, 2  # of a screen: an icon is drawn for each, so that none is blurred
_FADED = 0.35  # of a button that can't be pressed


class IconButton(QPushButton):
    """A button with an icon of the viewer's set before its text.

    Parameters
    ----------
    icon : str
        Name in ``napari.resources``; empty for none.
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
