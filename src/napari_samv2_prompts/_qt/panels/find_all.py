"""The part *Find all*: buttons, and sliders that choose among what was found.

It shows a :class:`~.finding.Found` and says what the user wishes.
"""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QPushButton, QSlider, QSpinBox, QWidget

from napari_samv2_prompts._qt.controls import Lines, add_row, rows, side_by_side
from napari_samv2_prompts._qt.finding import Found
from napari_samv2_prompts.candidates import Order, Selection

__all__ = ["FindAllPanel"]

_ORDERS: tuple[tuple[str, Order], ...] = (
    ("the surest", "best"),
    ("the larger", "wholes"),
    ("the smaller", "parts"),
)


class FindAllPanel(QWidget):
    """Controls of finding all.

    Attributes
    ----------
    score, overlap : QSlider
        In hundredths.
    area : QSpinBox
        Least area in pixels.
    """

    wanted = Signal(bool, bool)  # the whole plane; only what is like the current object
    cancelled = Signal()
    selected = Signal(object)  # a Selection
    accepted = Signal()
    discarded = Signal()

    def __init__(self) -> None:
        super().__init__()
        usual = Selection()
        self.search, self.alike = QPushButton("Find all"), QPushButton("Find more like this")
        self.where = QComboBox()
        self.where.addItems(["Whole plane", "What is in view"])
        self.score = _slider(30, 100, usual.min_score)
        self.overlap = _slider(0, 100, usual.max_overlap)
        self.area = QSpinBox()
        self.area.setRange(0, 100_000_000)
        self.area.setSuffix(" px")
        self.order = QComboBox()
        self.order.addItems([text for text, _ in _ORDERS])
        self.accept, self.discard = QPushButton("Accept all"), QPushButton("Discard")
        self.text = Lines(2)
        self._running = False
        self._lay_out()
        self._connect()
        self.show_found(Found())

    @property
    def selection(self) -> Selection:
        """What is chosen with the sliders."""
        return Selection(
            min_score=self.score.value() / 100,
            min_area=self.area.value(),
            max_overlap=self.overlap.value() / 100,
            order=_ORDERS[self.order.currentIndex()][1],
        )

    def show_found(self, now: Found) -> None:
        """Show where things stand."""
        self._running = now.running
        self.search.setText("Stop" if now.running else "Find all")
        self.alike.setEnabled(not now.running)
        self.accept.setEnabled(now.n_chosen > 0)
        self.accept.setText(f"Accept {now.n_chosen}" if now.n_chosen else "Accept all")
        self.discard.setEnabled(now.n_found > 0)
        self.text.setText(_said(now))

    def _on_find(self) -> None:
        if self._running:
            self.cancelled.emit()
        else:
            self.wanted.emit(self.where.currentIndex() == 0, False)

    def _on_alike(self) -> None:
        self.wanted.emit(self.where.currentIndex() == 0, True)

    def _on_selected(self) -> None:
        self.selected.emit(self.selection)

    def _connect(self) -> None:
        self.search.clicked.connect(self._on_find)
        self.alike.clicked.connect(self._on_alike)
        self.score.valueChanged.connect(self._on_selected)
        self.overlap.valueChanged.connect(self._on_selected)
        self.area.valueChanged.connect(self._on_selected)
        self.order.currentIndexChanged.connect(self._on_selected)
        self.accept.clicked.connect(self.accepted)
        self.discard.clicked.connect(self.discarded)

    def _lay_out(self) -> None:
        layout = rows(self)
        for control, name, tip in (
            (self.search, "Find all", "Look for every object; you can work meanwhile"),
            (self.alike, "Find more like this", "Look for what looks like the current object"),
            (self.accept, "Accept what was found", "Make labels of it, as one step of undo"),
            (self.discard, "Discard", "Forget what was found; your labels stay as they are"),
        ):
            control.setAccessibleName(name)
            control.setToolTip(tip)
        layout.addRow(side_by_side(self.search, self.alike))
        add_row(layout, "Where", self.where, "All of the plane, or what the model sees of it now")
        add_row(layout, "Score", self.score, "Show only what the model is this sure of")
        add_row(layout, "Size", self.area, "Show only objects of at least so many pixels")
        add_row(layout, "Overlap", self.overlap, "How much two objects may have in common")
        self.overlap.setAccessibleName("Overlap of what was found")
        add_row(layout, "Keep", self.order, "Which of two stays that overlap more than that")
        layout.addRow(side_by_side(self.accept, self.discard))
        layout.addRow(self.text)


def _slider(low: int, high: int, value: float) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setValue(round(100 * value))
    return slider


def _said(now: Found) -> str:
    if now.problem:
        return now.problem
    if now.running:
        part = f", part {now.done + 1} of {now.total}" if now.total > 1 else ""
        return f"Looking{part}: {now.n_chosen} found so far."
    if now.n_found:
        return f"{now.n_chosen} of {now.n_found} masks: move the sliders, then accept."
    return ""
