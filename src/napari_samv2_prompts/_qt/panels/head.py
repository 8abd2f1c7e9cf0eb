"""The head of the form, always in sight: what to do next, where things stand, how far."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QGridLayout, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_samv2_prompts._qt.controls import Lines, button, keep_place
from napari_samv2_prompts._qt.hints import Situation, seen_line, state_line, what_next
from napari_samv2_prompts.engine import State

__all__ = ["Head"]


class Head(QWidget):
    """Advice, state, progress; and the button that ends what goes on, or what stands in the way."""

    cancelled = Signal()
    converted = Signal()  # the labels are to get the type that is offered

    def __init__(self) -> None:
        super().__init__()
        self.hint, self.state = Lines(2, bold=True), Lines(2)
        self.progress = QProgressBar()
        # Never without an end: a bar that moves by itself has all of the window painted with it,
        # thirty times a second, beside a model that needs the processor.
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(12)
        self.progress.setAccessibleName("Progress")
        self.cancel = button("Cancel", "Stop what is going on")
        self.convert = button("Convert", "Give the Labels layer a type that holds more labels")
        self.convert.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.cancel.clicked.connect(self.cancelled)
        self.convert.clicked.connect(self.converted)
        line = QGridLayout()
        line.addWidget(keep_place(self.progress), 0, 0)
        line.addWidget(keep_place(self.convert), 0, 0)  # one of them is shown at a time
        line.addWidget(keep_place(self.cancel), 0, 1)
        line.setColumnStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(9, 6, 9, 2)
        layout.setSpacing(3)
        layout.addWidget(self.hint)
        layout.addWidget(self.state)
        layout.addLayout(line)

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        self.hint.setText(what_next(now))
        self.state.setText("\n".join(filter(None, (state_line(now), seen_line(now)))))
        slow = now.status.state in (State.LOADING, State.EMBEDDING)  # the rest would only flicker
        progress = now.status.progress
        self.progress.setValue(0 if progress is None else round(1000 * progress.share))
        self.cancel.setVisible(slow)
        self.progress.setVisible(slow)
        self.convert.setVisible(bool(now.offer) and not slow)
        self.convert.setText(f"Convert labels to {now.offer}")
