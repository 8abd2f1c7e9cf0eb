"""Work that goes on in the background: finding all objects, and following them through a stack."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QLabel, QSlider, QSpinBox, QWidget

from napari_samv2_prompts._qt.messages import find_all_line, propagation_line
from napari_samv2_prompts._qt.widget_state import Axis, FindAllState, PropagationState
from napari_samv2_prompts.candidates import Order, Selection

from .controls import add_row, equally_wide, keep_place, rows, side_by_side
from .widgets import Bar, Lines, button

_ORDERS: tuple[tuple[str, Order], ...] = (
    ("the surest", "best"),
    ("the larger", "wholes"),
    ("the smaller", "parts"),
)


class FindAllPanel(QWidget):
    """Controls of finding all.

    - `.score`, `.overlap`: in hundredths
    - `.area`: least area in pixels
    """

    wanted = Signal(bool, bool)  # the whole plane; only what is like the current object
    cancelled = Signal()
    selected = Signal(object)  # a Selection
    accepted = Signal()
    discarded = Signal()

    def __init__(self) -> None:
        super().__init__()
        usual = Selection()
        self.search = button("Find all", "Look for every object; you can work meanwhile", "zoom")
        self.alike = button("Find more like this", "Look for what looks like the current object")
        self.where = QComboBox()
        self.where.addItems(["Whole plane", "What is in view"])
        self.score = _slider(30, 100, usual.min_score)
        self.overlap = _slider(0, 100, usual.max_overlap)
        self.area = QSpinBox()
        self.area.setRange(0, 100_000_000)
        self.area.setSuffix(" px")
        self.order = QComboBox()
        self.order.addItems([text for text, _ in _ORDERS])
        self.accept = button("Accept all", "Make labels of it, as one step of undo", "check")
        self.discard = button("Discard", "Forget what was found; your labels stay as they are",
                              "delete")  # fmt: skip
        self.text = Lines(2)
        self._running = False
        self._lay_out()
        self._connect()
        self.show_found(FindAllState())

    @property
    def selection(self) -> Selection:
        """What is chosen with the sliders."""
        return Selection(
            min_score=self.score.value() / 100,
            min_area=self.area.value(),
            max_overlap=self.overlap.value() / 100,
            order=_ORDERS[self.order.currentIndex()][1],
        )

    def show_found(self, now: FindAllState) -> None:
        """Show where things stand."""
        self._running = now.running
        self.search.setText("Stop" if now.running else "Find all")
        self.search.show_icon("square" if now.running else "zoom")
        self.alike.setEnabled(not now.running)
        self.accept.setEnabled(now.n_chosen > 0)
        self.accept.setText(f"Accept {now.n_chosen}" if now.n_chosen else "Accept all")
        self.discard.setEnabled(now.n_found > 0)
        self.text.setText(find_all_line(now))

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
        self.search.setAccessibleName("Find all")
        self.accept.setAccessibleName("Accept what was found")
        layout.addRow(equally_wide(self.search, self.alike))
        add_row(layout, "Where", self.where, "All of the plane, or what the model sees of it now")
        self._add_slider(layout, "Score", self.score, "Show only what the model is this sure of")
        add_row(layout, "Size", self.area, "Show only objects of at least so many pixels")
        self._add_slider(layout, "Overlap", self.overlap, "How much two objects may have in common")
        self.overlap.setAccessibleName("Overlap of what was found")
        add_row(layout, "Keep", self.order, "Which of two stays that overlap more than that")
        layout.addRow(equally_wide(self.accept, self.discard))
        layout.addRow(self.text)

    def _add_slider(self, layout: QFormLayout, text: str, slider: QSlider, tip: str) -> None:
        """Add a slider with its value beside it."""
        number = QLabel()
        wide = number.fontMetrics().horizontalAdvance("0.00000")  # of any theme's font
        number.setFixedWidth(wide)
        slider.valueChanged.connect(lambda value: number.setText(f"{value / 100:.2f}"))
        slider.valueChanged.emit(slider.value())
        slider.setAccessibleName(text)
        slider.setToolTip(tip)
        layout.addRow(text, side_by_side(slider, number))


def _slider(low: int, high: int, value: float) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setValue(round(100 * value))
    return slider


class ThroughPanel(QWidget):
    """Axis, range and direction; progress; what is doubtful."""

    wanted = Signal(str)  # the direction
    pressed = Signal(str)  # another button: cancel, doubtful, ends, divides or tracks
    axis_chosen = Signal(int)  # by the user, out of those that are offered

    def __init__(self) -> None:
        super().__init__()
        self._axes: tuple[Axis, ...] = ()
        self._problem = ""  # why there are none
        self._ranged: tuple[int, int] | None = None  # the axis whose range is shown, its planes
        self._ranges: dict[tuple[int, int], tuple[int, int]] = {}  # as they were left
        self.axis, self.which = QComboBox(), QComboBox()
        self.which.addItems(["All objects", "Current object"])
        self.first, self.last = QSpinBox(), QSpinBox()
        self.stop = QCheckBox("Stop when lost")
        self.stop.setChecked(True)
        self.back = button("Back", "Follow the objects to lower planes", "left_arrow")
        self.both = button("Both ways", "Follow the objects to lower and to higher planes")
        self.forward = button("Forward", "Follow the objects to higher planes", "right_arrow")
        self.cancel = button("Cancel", "", "square")
        self.doubtful = button("Next doubtful", "Go to the plane that needs a look most", "warning")
        self.ends = button("Ends here", "The current object is not on this plane, nor beyond")
        self.divides = button("Divides here", "The current object is two from this plane on")
        self.tracks = button("Show tracks", "Add a layer with the tracks of all labels",
                             "new_tracks")  # fmt: skip
        self.progress = Bar()
        self.text = Lines(2)
        self._name_controls()
        self._lay_out()
        for press, direction in (
            (self.back, "back"), (self.both, "both"), (self.forward, "forward")
        ):  # fmt: skip
            press.clicked.connect(lambda _=False, way=direction: self.wanted.emit(way))
        for press, name in (
            (self.cancel, "cancel"), (self.doubtful, "doubtful"), (self.ends, "ends"),
            (self.divides, "divides"), (self.tracks, "tracks"),
        ):  # fmt: skip
            press.clicked.connect(lambda _=False, name=name: self.pressed.emit(name))
        self.axis.currentIndexChanged.connect(self._on_choice)
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

    def show_axes(self, axes: Sequence[Axis], problem: str = "") -> None:
        """Offer axes, or say why there are none."""
        self._problem = problem
        key = [(axis.number, axis.name, axis.planes) for axis in axes]
        before = [(axis.number, axis.name, axis.planes) for axis in self._axes]
        self._axes = tuple(axes)
        if key != before or not self.axis.count():
            with QSignalBlocker(self.axis):
                self.axis.clear()
                self.axis.addItems([f"{axis.name}: {axis.planes} planes" for axis in axes])
            self._on_axis()
        for control in (self.axis, self.which, self.first, self.last, self.stop,
                        self.back, self.both, self.forward, self.ends, self.divides,
                        self.tracks):  # fmt: skip
            control.setEnabled(bool(axes))

    def show_through(self, now: PropagationState) -> None:
        """Show how far following is."""
        for press in (self.back, self.both, self.forward):
            press.setEnabled(bool(self._axes) and not now.running)
        self.cancel.setVisible(now.running)
        self.progress.setVisible(now.running)
        self.progress.show_share(now.done, now.total)
        self.doubtful.setEnabled(now.doubtful)
        told = self._axes or now.running  # it goes on in 3-D, too
        self.text.setText(propagation_line(now) if told else self._problem)

    def _on_choice(self, index: int) -> None:
        self._on_axis()
        if self.chosen_axis is not None:
            self.axis_chosen.emit(self.chosen_axis)

    def _on_axis(self) -> None:
        """Show the range of the chosen axis, as it was left."""
        if self._ranged is not None:
            self._ranges[self._ranged] = self.first.value(), self.last.value()
        chosen = [axis for axis in self._axes if axis.number == self.chosen_axis]
        self._ranged = (chosen[0].number, chosen[0].planes) if chosen else None
        last = chosen[0].planes - 1 if chosen else 0
        values = self._ranges.get(self._ranged, (0, last)) if self._ranged else (0, last)
        for spin, value in zip((self.first, self.last), values, strict=True):
            spin.setRange(0, last)
            spin.setValue(value)

    def _name_controls(self) -> None:
        for control, name, tip in (
            (self.axis, "Axis to go through", "Along which axis the objects are followed"),
            (self.which, "Which objects", "Objects with prompts, or the labels of this plane"),
            (self.first, "First plane", "First plane to fill"),
            (self.last, "Last plane", "Last plane to fill"),
            (self.stop, "Stop when lost", "An object ends where it is not seen any more"),
            (self.cancel, "Cancel following", "Stop; what was found stays"),
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
        layout.addRow(equally_wide(self.back, self.both, self.forward))
        layout.addRow(side_by_side(keep_place(self.progress), keep_place(self.cancel)))
        layout.addRow(equally_wide(self.doubtful, self.tracks))
        layout.addRow(equally_wide(self.ends, self.divides))
        layout.addRow(self.text)
