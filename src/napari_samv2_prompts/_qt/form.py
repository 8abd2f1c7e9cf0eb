"""The form of the dock widget: what it looks like, and nothing else.

A :class:`Form` has buttons to connect to and shows a :class:`~.hints.Situation`; it knows neither
viewer nor session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_samv2_prompts.engine import State

from .eliding import elide
from .hints import Situation, mask_line, note_line, seen_line, state_line, what_next
from .keeping import KeepingPart
from .label_panel import LabelPanel
from .settings import Choice, choice_of

__all__ = ["Form"]

_POLICIES = (
    ("keep labels", "keep"),
    ("replace labels", "replace"),
    ("background only", "background"),
)
_LOOKS = (
    ("as displayed", "displayed"),
    ("by percentiles", "percentiles"),
    ("all visible channels", "channels"),
)
_PARTS = (("visible region", "visible"), ("whole plane", "whole"))
_LAYER_TIPS = {
    "image": "The image to segment; follows the active layer",
    "points": "The Points layer whose clicks are prompts",
    "shapes": "The Shapes layer whose boxes, outlines and lines are prompts",
    "labels": "The Labels layer that the masks go to",
}
_KEYS = {"sign": "Q", "next": "N", "cycle": "W", "tool": "G", "preview": "H"}


class Form(QWidget):
    """Buttons, choices and lines of text.

    Parameters
    ----------
    layers : sequence of ComboBox
        The layer choices, shown on top.
    devices : iterable of str
    """

    def __init__(self, layers: Sequence[ComboBox], devices: Iterable[str]) -> None:
        super().__init__()
        self.model = ComboBox(name="model", choices=())
        self.device = ComboBox(name="device", choices=tuple(devices))
        self.policy = ComboBox(name="policy", choices=_POLICIES)
        self.look = ComboBox(name="look", choices=_LOOKS)
        self.part = ComboBox(name="part", choices=_PARTS)
        self._letters: frozenset[str] = frozenset()
        self._savable = self._loadable = self._filing = False
        self._make_buttons()
        self.keeping, self.labels = KeepingPart(), LabelPanel()
        parts = self._layer_part(layers), self._prompt_part(), self.labels, self._model_part()
        self._area = _scrolling(*parts, self.keeping)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._head())  # always in sight
        layout.addWidget(self._area, 1)

        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    @property
    def choices(self) -> dict[str, Choice]:
        """What is to survive a restart, by the name to remember it by."""
        controls: dict[str, ComboBox | QWidget] = {
            "device": self.device,
            "picture": self.look,
            "part": self.part,
            "overlap": self.policy,
            "memory": self.keeping.memory,
            "folder_limit": self.keeping.limit,
            "live": self.live,
        }
        choices = {name: choice_of(control) for name, control in controls.items()}
        return {**choices, "folder": self.keeping.choice}

    def fit_width(self) -> None:
        """Be as wide as the parts; call it when shown, as they have the window's font only then."""
        parts, bar = self._area.widget(), self._area.verticalScrollBar()
        if parts and bar:
            width = parts.minimumSizeHint().width() + bar.sizeHint().width()
            self._area.setMinimumWidth(width)

    def show_models(self, lines: Sequence[tuple[str, str]]) -> None:
        """Offer models: pairs of what is read and the value; what is chosen stays, if offered."""
        chosen = self.model.value
        with self.model.changed.blocked():  # a line that reads otherwise would be another choice,
            self.model.choices = ()  # and go to the end
            self.model.choices = tuple(lines)
            if chosen in (value for _, value in lines):
                self.model.value = chosen
        if self.model.value != chosen:
            self.model.changed.emit(self.model.value)
        view = self.model.native.view()
        view.setMinimumWidth(view.sizeHintForColumn(0) + 24)  # the open list shows whole lines

    # --- parts ------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.new_layers = _button("New layers", "Make layers for clicks, boxes and labels")
        self.box = _button("Box", "Draw a box: each starts a new object", checkable=True)
        self.click = _button("Click", "Click on the current object", checkable=True)
        self.sign = _button("", "What the next click says", checkable=True)
        self.object = QSpinBox()
        self.object.setRange(1, 2**31 - 1)
        self.object.setKeyboardTracking(False)
        self.object.setPrefix("Object ")
        self.object.setAccessibleName("Current object")
        self.object.setToolTip("The object that clicks go to: its number is its label")
        self.next = _button("Next", "End this object: the next click starts another")
        self.cycle = _button("Other mask", "Use the next of the candidate masks")
        self.undo = _button("Undo", "Take back the last change of the labels (Ctrl+Z)")
        self.accept = _button("Accept all", "Keep the labels and clear their prompts")
        self.save = _button("Save prompts…", "Save what led to these labels, to be loaded again")
        self.load = _button("Load prompts…", "Make the labels of saved prompts, in new layers")
        self.live = QCheckBox("Live")
        self.live.setChecked(True)
        self.live.setToolTip("Segment as soon as a prompt is drawn")
        self.preview = QCheckBox("Preview")
        self.preview.setToolTip("Outline the mask that a click at the mouse would give")
        self.preview.setAccessibleName("Preview the mask under the mouse")
        self.run = _button("Run", "Segment what has changed, or everything again")
        self.file = _button("File…", "Use weights of your own: .pt, .pth or .safetensors")
        self.folder = _button("Folder…", "List the weights of a folder, and download to it")
        self.download = _button("Download", "Fetch the weights of this model")
        self.cancel = _button("Cancel", "Stop what is going on")
        self.convert = _button("Convert", "Give the Labels layer a type that holds more labels")

    def _head(self) -> QWidget:
        self.hint, self.state = _line(bold=True), _line()
        self.progress = QProgressBar()
        # Never without an end: a bar that moves by itself has all of the window painted with it,
        # thirty times a second, beside a model that needs the processor.
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setMaximumHeight(12)
        self.progress.setAccessibleName("Progress")
        head = QWidget()
        layout = QVBoxLayout(head)
        for widget in (self.hint, self.convert, self.state):
            layout.addWidget(widget)
        line = QHBoxLayout()
        line.addWidget(self.progress, 1)
        line.addWidget(self.cancel)
        layout.addLayout(line)
        return head

    def _layer_part(self, layers: Sequence[ComboBox]) -> QWidget:
        group = QGroupBox("Layers")
        layout = _rows(group)
        for box in layers:
            control = _shrinking(box, Qt.TextElideMode.ElideMiddle)  # names differ at their ends
            _add_row(layout, box.name.capitalize(), control, _LAYER_TIPS.get(box.name, ""))
        layout.addRow(self.new_layers)
        return group

    def _prompt_part(self) -> QWidget:
        group = QGroupBox("Prompts")
        layout = QGridLayout(group)
        self.mask_text, self.note, self.files = _line(), _line(), _line()
        self.mask_text.setMinimumHeight(2 * self.mask_text.fontMetrics().lineSpacing())
        rows: tuple[tuple[QWidget, ...], ...] = (
            (self.box, self.click),
            (self.object, self.next),
            (self.sign,),
            (self.mask_text,),
            (self.note,),
            (self.cycle, self.undo),
            (self.preview,),
            (self.live, self.run),
            (self.accept,),
            (self.save, self.load),
            (self.files,),
        )
        for row, widgets in enumerate(rows):
            for column, widget in enumerate(widgets):
                layout.addWidget(widget, row, column, 1, 2 if len(widgets) == 1 else 1)
        layout.setColumnStretch(0, 1)
        layout.setColumnStretch(1, 1)
        return group

    def _model_part(self) -> QWidget:
        group = QGroupBox("Model")
        layout = _rows(group)
        _add_row(layout, "Model", _shrinking(self.model), "Which model segments")
        layout.addRow(self.download)
        own = QHBoxLayout()
        own.addWidget(self.file)
        own.addWidget(self.folder)
        layout.addRow("Own", own)
        _add_row(layout, "Device", _shrinking(self.device), "Where the model runs")
        self.reason = _line()
        layout.addRow(self.reason)
        for text, box, tip in (
            ("Picture", self.look, "What the model sees of the image: its contrast and channels"),
            ("Part", self.part, "What the model sees of a large image: what is on screen, or all"),
            ("Overlap", self.policy, "What a mask does where there are labels already"),
        ):
            _add_row(layout, text, _shrinking(box), tip)
        return group

    # --- what is shown ----------------------------------------------------------------------

    def name_keys(self, letters: frozenset[str]) -> None:
        """Show on the buttons which keys do the same."""
        self._letters = letters
        self.labels.name_keys(letters)
        self.box.setToolTip(f"Draw a box: each starts a new object{self._key('tool')}")
        self.click.setToolTip(f"Click on the current object{self._key('tool')}")
        self.next.setText("Next" + self._key("next"))
        self.cycle.setText("Other mask" + self._key("cycle"))
        self.preview.setText("Preview under the mouse" + self._key("preview"))

    def _key(self, action: str) -> str:
        letter = _KEYS[action]
        return f" ({letter})" if letter in self._letters else ""

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        self.hint.setText(what_next(now))
        self.state.setText("\n".join(filter(None, (state_line(now), seen_line(now)))))
        self.reason.setText(now.status.device_reason)
        self.reason.setVisible(bool(now.status.device_reason))
        note = note_line(now)
        self.note.setText(note)
        self.note.setVisible(bool(note))
        self.mask_text.setText(mask_line(now))
        self._show_prompting(now)
        self._show_work(now)
        self.keeping.show_situation(now)
        self.labels.show_situation(now)

    def _show_prompting(self, now: Situation) -> None:
        ready = now.labels and not now.problem
        self.new_layers.setVisible(now.image and not (now.points and now.shapes and now.labels))
        self.box.setEnabled(now.shapes)
        self.box.setChecked(now.active == "shapes" and now.adding)
        self.click.setEnabled(now.points)
        self.click.setChecked(now.active == "points" and now.adding)
        self.sign.setEnabled(now.points)
        self.sign.setChecked(not now.positive)
        words = "what belongs to it" if now.positive else "what does not"
        self.sign.setText(f"Click: {words}{self._key('sign')}")
        self.object.blockSignals(True)
        self.object.setValue(now.current)
        self.object.blockSignals(False)
        self.object.setEnabled(ready)
        self.next.setEnabled(ready and now.started)
        self.cycle.setEnabled(len(now.scores) > 1)
        self.undo.setEnabled(now.labels)
        self._savable, self._loadable = now.labels, now.image and not now.download
        self._enable_files()
        self.accept.setEnabled(ready and now.prompted > now.pending)

    def show_files(self, said: str, busy: bool) -> None:
        """Show how reading and writing files goes."""
        self.files.setText(said)
        self.files.setVisible(bool(said))
        self._filing = busy
        self._enable_files()

    def _enable_files(self) -> None:
        self.save.setEnabled(self._savable and not self._filing)
        self.load.setEnabled(self._loadable and not self._filing)

    def _show_work(self, now: Situation) -> None:
        busy, progress = now.status.busy, now.status.progress
        self.run.setEnabled(now.image and not busy and not now.download)
        slow = now.status.state in (State.LOADING, State.EMBEDDING)  # the rest would only flicker
        self.progress.setVisible(slow)
        self.cancel.setVisible(slow)
        self.progress.setValue(0 if progress is None else round(1000 * progress.share))
        self.download.setVisible(now.download > 0)
        self.download.setText(f"Download ({now.download} MB)")
        self.convert.setVisible(bool(now.offer))
        self.convert.setText(f"Convert labels to {now.offer}")


def _button(text: str, tip: str, *, checkable: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setCheckable(checkable)
    return button


def _line(*, bold: bool = False) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    font = label.font()
    font.setBold(bold)
    label.setFont(font)
    return label


def _rows(group: QWidget) -> QFormLayout:
    layout = QFormLayout(group)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return layout


def _add_row(layout: QFormLayout, text: str, control: QWidget, tip: str) -> None:
    """Add a control with its caption, which is its name for those who hear the form, too."""
    control.setAccessibleName(text)
    control.setToolTip(tip)
    layout.addRow(text, control)


def _shrinking(box: ComboBox, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> QWidget:
    """Return a combo box that a long text does not widen."""
    native: QComboBox = box.native
    elide(native, mode)
    native.setMinimumWidth(60)
    native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return native


def _scrolling(*parts: QWidget) -> QScrollArea:
    """Put parts below each other, with a bar beside them where the window is too low."""
    content = QWidget()
    layout = QVBoxLayout(content)
    layout.setContentsMargins(6, 0, 6, 6)
    for part in parts:
        layout.addWidget(part)
    layout.addStretch()
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(content)
    return area
