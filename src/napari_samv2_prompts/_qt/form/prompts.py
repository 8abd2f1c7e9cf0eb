"""What is used every minute: tools, the current object, its candidate masks, accepting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_samv2_prompts._qt.messages import mask_line, note_line, sureness
from napari_samv2_prompts._qt.widget_state import Candidates, WidgetState

from .controls import keep_place, side_by_side
from .widgets import Lines, button

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GAP = 5  # between controls, in pixels
SIGNS = "+ Add", "− Remove"
COUNT = 3  # masks that the model offers for one click
SIDE = 44  # of a picture, in pixels of the form
FRAME = 3  # around the one that is used
GROUND = 38, 41, 48
BRIGHT = 0.45  # least brightness of what stands on it
MARGIN = 0.12  # of the masks' extent, left free around them


class PromptsPanel(QWidget):
    """Buttons for the loop: draw, choose among the candidates, accept."""

    box_wanted = Signal()
    click_wanted = Signal()
    sign_flipped = Signal()
    object_picked = Signal(int)
    next_wanted = Signal()
    candidate_picked = Signal(int)
    cycle_wanted = Signal()
    undo_wanted = Signal()
    accept_wanted = Signal()
    run_wanted = Signal()
    left_out_wanted = Signal()
    changed = Signal()  # Live or Preview

    def __init__(self) -> None:
        super().__init__()
        self.letters: frozenset[str] = frozenset()
        self.box = button("Box", "", "rectangle", checkable=True)
        self.click = button("Click", "", "add", checkable=True)
        self.sign = button("", "What the next click says: this belongs to the object, or does not",
                           checkable=True)  # fmt: skip
        self.object = QSpinBox()
        self.object.setRange(1, 2**31 - 1)
        self.object.setKeyboardTracking(False)
        self.object.setPrefix("Object ")
        self.object.setAccessibleName("Current object")
        self.object.setToolTip("The object that clicks go to: its number is its label")
        self.next = button("Next", "End this object: the next click starts another", "step_right")
        self.candidates = CandidatePictures()
        self.mask_text, self.note = Lines(2), Lines(3)
        self.left_out = button("Show", "Select the prompts that are left out")
        self.cycle = button("Other", "Use the next of the candidate masks")
        self.undo = button("Undo", "Take back the last change of the labels (Ctrl+Z)")
        self.accept = button("Accept all", "Keep the labels and clear their prompts", "check")
        self.live = QCheckBox("Live")
        self.live.setChecked(True)
        self.live.setToolTip("Segment as soon as a prompt is drawn")
        self.preview = QCheckBox("Preview")
        self.preview.setToolTip(
            "Outline the mask that a click at the mouse, or the box being drawn, would give"
        )
        self.preview.setAccessibleName("Preview the mask under the mouse")
        self.run = button("Run", "Segment what has changed, or everything again", "right_arrow")
        self._lay_out()
        self._connect()
        self.name_keys(frozenset())

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 2)
        layout.setSpacing(_GAP)
        rows: tuple[tuple[tuple[QWidget, int], ...], ...] = (
            ((self.box, 1), (self.click, 1), (self.sign, 1)),
            ((self.object, 2), (self.next, 1)),
            ((self.candidates, 1),),
            ((self.mask_text, 1),),
            ((self.cycle, 1), (self.undo, 1), (self.accept, 1)),
            ((self.live, 1), (self.preview, 1), (self.run, 1)),
        )
        for row in rows:
            line = QHBoxLayout()
            line.setSpacing(_GAP)
            for widget, share in row:
                policy = widget.sizePolicy()
                policy.setHorizontalPolicy(QSizePolicy.Policy.Ignored)  # thirds, whatever it says
                widget.setSizePolicy(policy)
                line.addWidget(widget, share)
            layout.addLayout(line)
        layout.addLayout(side_by_side(self.note, keep_place(self.left_out)))

    def minimumSizeHint(self) -> QSize:
        """Return thirds that are wide enough for what stands in them."""
        thirds = (self.box, self.click, self.next, self.cycle, self.undo, self.accept, self.run,
                  self.live, self.preview)  # fmt: skip
        signs = (self.fontMetrics().horizontalAdvance(f"{text} (Q)") + 16 for text in SIGNS)
        third = max(*signs, *(control.sizeHint().width() for control in thirds))
        return QSize(3 * third + 2 * _GAP + 12, super().minimumSizeHint().height())

    def _connect(self) -> None:
        for control, signal in (
            (self.box, self.box_wanted),
            (self.click, self.click_wanted),
            (self.sign, self.sign_flipped),
            (self.next, self.next_wanted),
            (self.cycle, self.cycle_wanted),
            (self.undo, self.undo_wanted),
            (self.accept, self.accept_wanted),
            (self.run, self.run_wanted),
            (self.left_out, self.left_out_wanted),
        ):
            control.clicked.connect(signal)
        for switch in (self.live, self.preview):
            switch.toggled.connect(self._on_switch)
        self.object.valueChanged.connect(self.object_picked)
        self.candidates.chosen.connect(self.candidate_picked)

    def _on_switch(self, on: bool) -> None:
        self.changed.emit()

    # --- what is shown ----------------------------------------------------------------------

    def name_keys(self, letters: frozenset[str]) -> None:
        """Show on the buttons which keys do the same."""
        self.letters = letters
        self.box.setToolTip(f"Draw a box: each starts a new object{self._key('G')}")
        self.click.setToolTip(f"Click on the current object{self._key('G')}")
        for control, text, letter in (
            (self.next, "Next", "N"), (self.cycle, "Other", "W"), (self.preview, "Preview", "H")
        ):  # fmt: skip
            control.setText(text + self._key(letter))

    def _key(self, letter: str) -> str:
        return f" ({letter})" if letter in self.letters else ""

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        ready = now.labels and not now.problem
        self.box.setEnabled(now.image)
        self.box.setChecked(now.active == "shapes" and now.adding)
        self.click.setEnabled(now.image)
        self.click.setChecked(now.active == "points" and now.adding)
        self.sign.setEnabled(now.points)
        self.sign.setChecked(not now.positive)
        self.sign.setText(SIGNS[not now.positive] + self._key("Q"))
        self.object.blockSignals(True)
        self.object.setValue(now.current)
        self.object.blockSignals(False)
        self.object.setEnabled(ready)
        self.next.setEnabled(ready and now.started)
        self.candidates.show_candidates(now.candidates)
        self.cycle.setEnabled(len(now.scores) > 1)
        self.mask_text.setText(mask_line(now))
        self.undo.setEnabled(now.labels)
        self.accept.setEnabled(ready and now.acceptable)
        self.run.setEnabled(now.image and not now.status.busy and not now.download)
        self.note.setText(note_line(now))
        self.left_out.setVisible(bool(now.left_out))


# --- candidates -------------------------------------------------------------------------------


class CandidatePictures(QWidget):
    """Three buttons with the outline of a mask each; empty while there is nothing to choose."""

    chosen = Signal(int)  # the candidate that was picked

    def __init__(self) -> None:
        super().__init__()
        self._shown: Candidates | None = None
        self._pictures = np.zeros((COUNT, SIDE, SIDE), bool)
        self.buttons = tuple(self._button(index) for index in range(COUNT))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for press in self.buttons:
            layout.addWidget(press, 1)
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

    - `logits`: array of shape (C, S, S), float32; above 0 is object; a square, whatever shape the
      plane has
    - `aspect`: height of the plane by its width
    - returns an array of shape (C, SIDE, SIDE), bool
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
