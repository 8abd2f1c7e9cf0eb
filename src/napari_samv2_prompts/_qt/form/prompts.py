"""What is used every minute: tools, the current object, its candidate masks, accepting."""

from __future__ import annotations

from qtpy.QtCore import QSize, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from napari_samv2_prompts._qt.messages import mask_line, note_line
from napari_samv2_prompts._qt.widget_state import WidgetState

from .candidates import CandidatePictures
from .controls import button, keep_place, side_by_side
from .texts import Lines

__all__ = ["PromptsPanel"]

_GAP = 5  # between controls, in pixels
SIGNS = "+ Add", "− Remove"


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
