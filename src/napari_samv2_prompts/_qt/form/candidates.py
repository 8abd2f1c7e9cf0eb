"""The candidate masks of one click, as three small pictures to pick from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from napari_samv2_prompts._qt.messages import sureness
from napari_samv2_prompts._qt.widget_state import Candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CandidatePictures", "silhouettes"]

COUNT = 3  # masks that the model offers for one click
SIDE = 44  # of a picture, in pixels of the form
FRAME = 3  # around the one that is used
GROUND = 38, 41, 48
BRIGHT = 0.45  # least brightness of what stands on it
MARGIN = 0.12  # of the masks' extent, left free around them


class CandidatePictures(QWidget):
    """Three buttons with the outline of a mask each; empty while there is nothing to choose."""

    chosen = Signal(int)  # the candidate that was picked

    def __init__(self) -> None:
        super().__init__()
        self._shown: Candidates | None = None
        self._pictures = np.zeros((COUNT, SIDE, SIDE), bool)
        self.buttons = tuple(self._button(index) for index in range(COUNT))
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for column, press in enumerate(self.buttons):
            layout.addWidget(press, 0, column)
            layout.setColumnStretch(column, 1)
            press.clicked.connect(self._on_clicked)

    def _button(self, index: int) -> QToolButton:
        made = QToolButton()
        made.setCheckable(True)
        made.setIconSize(QSize(SIDE, SIDE))
        made.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        made.setAccessibleName(f"Mask {index + 1}")
        made.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        made.setIcon(QIcon(_blank()))
        made.setText(" ")
        return made

    def show_candidates(self, now: Candidates) -> None:
        """Show the candidates, the best scored first, and which of them is used."""
        if now == self._shown:
            return
        order = now.order
        if len(order) > 1 and (self._shown is None or now.masks is not self._shown.masks):
            self._pictures = silhouettes(now.logits[list(order)], now.aspect)
        self._shown = now
        for place, press in enumerate(self.buttons):
            there = len(order) > 1 and place < len(order)
            press.setEnabled(there)
            used = there and order[place] == now.chosen
            press.setChecked(used)
            score = now.scores[order[place]] if there else 0.0
            said = f": score {score:.2f}, {sureness(score)}" if there else ""
            press.setToolTip(f"Use candidate mask {place + 1}, best first{said}")
            press.setText(f"{'✓ ' if used else ''}{score:.2f}" if there else " ")
            picture = _picture(self._pictures[place], now.colour, used) if there else _blank()
            press.setIcon(QIcon(picture))

    def _on_clicked(self) -> None:
        place = next(i for i, press in enumerate(self.buttons) if press is self.sender())
        self.buttons[place].setChecked(True)  # a press on the used one does not let go of it
        if self._shown is not None and place < len(self._shown.order):
            self.chosen.emit(self._shown.order[place])


def silhouettes(logits: NDArray[np.float32], aspect: float) -> NDArray[np.bool_]:
    """Return masks as small square pictures of the same place, all of them within it.

    Parameters
    ----------
    logits : array of shape (C, S, S), float32
        Above 0 is object; a square, whatever shape the plane has.
    aspect : float
        Height of the plane by its width.

    Returns
    -------
    array of shape (C, SIDE, SIDE), bool
    """
    masks = np.asarray(logits) > 0
    rows, columns = np.flatnonzero(masks.any((0, 2))), np.flatnonzero(masks.any((0, 1)))
    if not rows.size:
        return np.zeros((len(masks), SIDE, SIDE), bool)
    height = (rows[-1] - rows[0] + 1) * aspect
    width = float(columns[-1] - columns[0] + 1)
    side = max(height, width) * (1 + 2 * MARGIN)  # in columns
    steps = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    at_row = np.rint((rows[0] + rows[-1]) / 2 + steps * side / aspect).astype(int)
    at_column = np.rint((columns[0] + columns[-1]) / 2 + steps * side).astype(int)
    inside = (
        ((at_row >= 0) & (at_row < masks.shape[1]))[:, None]
        & ((at_column >= 0) & (at_column < masks.shape[2]))
    )  # fmt: skip
    clipped = np.ix_(
        range(len(masks)), at_row.clip(0, masks.shape[1] - 1), at_column.clip(0, masks.shape[2] - 1)
    )
    return masks[clipped] & inside


def _picture(shape: NDArray[np.bool_], colour: tuple[int, int, int], framed: bool) -> QPixmap:
    """Return a mask in the colour of its object on a ground that suits both themes."""
    colour = _on_ground(colour)
    pixels = np.full((*shape.shape, 3), GROUND, np.uint8)
    pixels[shape] = colour
    if framed:
        for edge in (pixels[:FRAME], pixels[-FRAME:], pixels[:, :FRAME], pixels[:, -FRAME:]):
            edge[:] = colour
    height, width = shape.shape
    image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image)


def _on_ground(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return a colour that is seen on the ground: a dark one is mixed with white."""
    brightness = float(np.dot((0.2126, 0.7152, 0.0722), colour)) / 255
    share = max(0.0, BRIGHT - brightness) / max(1 - brightness, 1e-6)
    return tuple(round(part + share * (255 - part)) for part in colour)  # type: ignore[return-value]


def _blank() -> QPixmap:
    blank = QPixmap(SIDE, SIDE)
    blank.fill(Qt.GlobalColor.transparent)
    return blank
