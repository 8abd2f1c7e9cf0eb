"""Through the stack: follow objects along an axis, and look at what is doubtful.

It shows a :class:`~.propagating.Through` and says what was pressed; it touches no layer.
"""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QProgressBar, QSpinBox, QWidget

from napari_samv2_prompts._qt.controls import Lines, button, keep_place, rows, side_by_side
from napari_samv2_prompts._qt.propagating import Through
from napari_samv2_prompts._qt.through_stack import Axis

__all__ = ["ThroughPanel", "through_line"]


class ThroughPanel(QWidget):
    """Axis, range and direction; progress; what is doubtful.

    Attributes
    ----------
    back, both, forward, cancel, doubtful, ends : QPushButton
    """

    wanted = Signal(str)  # the direction
    cancelled = Signal()
    doubtful_wanted = Signal()
    end_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._axes: tuple[Axis, ...] = ()
        self.axis, self.which = QComboBox(), QComboBox()
        self.which.addItems(["All objects", "Current object"])
        self.first, self.last = QSpinBox(), QSpinBox()
        self.stop = QCheckBox("Stop when lost")
        self.stop.setChecked(True)
        self.back = button("Back", "Follow the objects to lower planes")
        self.both = button("Both ways", "Follow the objects to lower and to higher planes")
        self.forward = button("Forward", "Follow the objects to higher planes")
        self.cancel = button("Cancel", "")
        self.doubtful = button("Next doubtful", "Go to the plane that needs a look most")
        self.ends = button("Ends here", "The current object is not on this plane, nor beyond")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(12)
        self.text = Lines(2)
        self._name_controls()
        self._lay_out()
        for press, direction in (
            (self.back, "back"), (self.both, "both"), (self.forward, "forward")
        ):  # fmt: skip
            press.clicked.connect(lambda _=False, way=direction: self.wanted.emit(way))
        self.cancel.clicked.connect(lambda: self.cancelled.emit())
        self.doubtful.clicked.connect(lambda: self.doubtful_wanted.emit())
        self.ends.clicked.connect(lambda: self.end_wanted.emit())
        self.axis.currentIndexChanged.connect(self._on_axis)
        self.show_axes(())

    # --- what is chosen ---------------------------------------------------------------------

    @property
    def chosen_axis(self) -> int | None:
        """The axis to go through."""
        index = self.axis.currentIndex()
        return self._axes[index].number if 0 <= index < len(self._axes) else None

    @property
    def only_current(self) -> bool:
        """Whether only the current object is to be followed."""
        return self.which.currentIndex() == 1

    @property
    def planes(self) -> tuple[int, int]:
        """First and last plane to fill."""
        first, last = sorted((self.first.value(), self.last.value()))
        return first, last

    # --- what is shown ----------------------------------------------------------------------

    def show_axes(self, axes: Sequence[Axis]) -> None:
        """Offer axes."""
        key = [(axis.number, axis.name, axis.planes) for axis in axes]
        before = [(axis.number, axis.name, axis.planes) for axis in self._axes]
        self._axes = tuple(axes)
        if key != before or not self.axis.count():
            self.axis.clear()
            self.axis.addItems([f"{axis.name} ({axis.planes} planes)" for axis in axes])
            self._on_axis()
        for control in (self.axis, self.which, self.first, self.last, self.stop,
                        self.back, self.both, self.forward, self.ends):  # fmt: skip
            control.setEnabled(bool(axes))

    def show_through(self, now: Through) -> None:
        """Show how far following is."""
        for press in (self.back, self.both, self.forward):
            press.setEnabled(bool(self._axes) and not now.running)
        self.cancel.setVisible(now.running)
        self.progress.setVisible(now.running)
        self.progress.setRange(0, max(now.total, 1))
        self.progress.setValue(now.done)
        self.doubtful.setEnabled(bool(now.doubtful))
        self.text.setText(through_line(now) if self._axes else "The image has one plane only.")

    def _on_axis(self, index: int = 0) -> None:
        axis = self._axes[self.axis.currentIndex()] if self._axes else None
        last = axis.planes - 1 if axis else 0
        for spin, value in ((self.first, 0), (self.last, last)):
            spin.setRange(0, last)
            spin.setValue(value)

    def _name_controls(self) -> None:
        for control, name, tip in (
            (self.axis, "Axis to go through", "Along which axis the objects are followed"),
            (self.which, "Which objects", "Objects with prompts, or the labels of this plane"),
            (self.first, "First plane", "First plane to fill"),
            (self.last, "Last plane", "Last plane to fill"),
            (self.stop, "Stop when lost", "An object ends where it is not seen any more"),
            (
                self.cancel,
                "Cancel following",
                "Stop; what was found stays",
            ),
            (self.progress, "Progress through the stack", ""),
        ):
            control.setAccessibleName(name)
            control.setToolTip(tip)

    def _lay_out(self) -> None:
        layout = rows(self)
        layout.addRow("Along", self.axis)
        layout.addRow("Follow", self.which)
        layout.addRow("Planes", side_by_side(self.first, self.last))
        layout.addRow(self.stop)
        layout.addRow(side_by_side(self.back, self.both, self.forward))
        layout.addRow(side_by_side(keep_place(self.progress), keep_place(self.cancel)))
        layout.addRow(side_by_side(self.doubtful, self.ends))
        layout.addRow(self.text)


def through_line(now: Through) -> str:
    """Say where following stands, in a sentence."""
    if now.running:
        far = f", {now.done} of {now.total} sections" if now.total else ""
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        return f"Following: plane {now.place}{far}{left}"
    if now.said:
        return now.said
    return (
        "Every plane that was found has a doubt: look at the most doubtful ones first."
        if now.doubtful
        else "Prompt objects on a plane, then have them on all."
    )
