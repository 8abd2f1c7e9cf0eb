"""The form of the dock widget: its parts below each other, what is remembered of them, the title.

What is used every minute is in sight; the rest is folded under titles.  A part is a class of a
module here and gets one line in :meth:`Form._add`, or none if it is always open.  Parts show the
frozen values of ``widget_state`` and have one signal for each thing that the user can ask for; they
know neither viewer nor session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QDockWidget,
    QGridLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_samv2_prompts._qt.messages import seen_line, state_line, what_next
from napari_samv2_prompts._qt.widget_state import WidgetState
from napari_samv2_prompts.engine import State
from napari_samv2_prompts.io.settings import Choice

from .background import FindAllPanel, ThroughPanel
from .controls import Fold, WheelForForm, choice_of, keep_place
from .layers import FilesPanel, LabelPanel, LayersPanel
from .model import EmbeddingsPanel, ModelPanel, PicturePanel
from .objects import ObjectsPanel
from .prompts import PromptsPanel
from .widgets import Bar, Lines, button, use_theme

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox

TITLE = "SAMV2 Prompts"


class Form(QWidget):
    """All parts of the widget.

    - `layers`: the layer choices
    - `.head`, `.layers`, `.prompts`, `.find_all`, `.objects`, `.through`, `.labels`, `.model`,
      `.picture`, `.embeddings`, `.files`: the parts; connect to their signals
    """

    def __init__(self, layers: Sequence[ComboBox], devices: Iterable[str]) -> None:
        super().__init__()
        self.head, self.prompts = Head(), PromptsPanel()
        self.layers, self.labels = LayersPanel(layers), LabelPanel()
        self.objects, self.find_all = ObjectsPanel(), FindAllPanel()
        self.through = ThroughPanel()
        self.model, self.picture = ModelPanel(devices), PicturePanel()
        self.embeddings, self.files = EmbeddingsPanel(), FilesPanel()
        self._folds: dict[str, Fold] = {}
        self._pressed: Fold | None = None  # the one whose title the user pressed last
        content = QWidget()
        self._parts = QVBoxLayout(content)
        self._parts.setContentsMargins(3, 0, 3, 6)
        self._parts.setSpacing(2)
        self._add("layers", "Layers", self.layers, "The layers that are worked on")
        self._parts.addWidget(self.prompts)
        self._add("find", "Find all", self.find_all, "Every object without prompts, then choose")
        self._add("objects", "Objects", self.objects, "All objects: sort, find, name, delete")
        self._add("through", "Through the stack", self.through, "Have objects on all planes")
        self._add("labels", "Labels", self.labels, "Refine, merge, delete or keep a label")
        self._add("model", "Model", self.model, "Which model, its weights and its device")
        self._add("picture", "Picture and overlap", self.picture, "What the model sees")
        self._add("embeddings", "Embeddings", self.embeddings, "Memory, folder, all planes")
        self._add("files", "Files", self.files, "Save and load prompts")
        self._parts.addStretch()
        self._area = _scrolling(content)
        WheelForForm(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self._area, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _add(self, name: str, title: str, part: QWidget, tip: str) -> None:
        """Add a part that is folded until it is wanted; whether it is, is remembered."""
        self._folds[name] = Fold(title, part, tip)
        self._folds[name].toggleButton().clicked.connect(self._on_title)
        self._parts.addWidget(self._folds[name])

    def _on_title(self) -> None:
        self._pressed = next(f for f in self.folds if f.toggleButton() is self.sender())
        QTimer.singleShot(0, self._show_opened)  # when it has its height

    def _show_opened(self) -> None:
        """Scroll to all of a part that the user opened."""
        if self._pressed is not None and self._pressed.isExpanded():
            self.ensure_visible(self._pressed)

    def fold_of(self, name: str) -> Fold:
        """Return the fold that a part lies in."""
        return self._folds[name]

    def ensure_visible(self, part: QWidget) -> None:
        """Scroll to a part."""
        self._area.ensureWidgetVisible(part)

    @property
    def choices(self) -> dict[str, Choice]:
        """What is to survive a restart, by the name to remember it by."""
        controls: dict[str, ComboBox | QWidget] = {
            "device": self.model.device,
            "picture": self.picture.rendering,
            "part": self.picture.part,
            "overlap": self.picture.policy,
            "memory": self.embeddings.memory,
            "folder_limit": self.embeddings.limit,
            "live": self.prompts.live,
            **{f"show_{name}": fold for name, fold in self._folds.items()},
        }
        choices = {name: choice_of(control) for name, control in controls.items()}
        return {**choices, "folder": self.embeddings.choice}

    @property
    def folds(self) -> tuple[Fold, ...]:
        """The parts that can be folded."""
        return tuple(self._folds.values())

    def fit_width(self) -> None:
        """Be as wide as the parts; call it when shown, as they have the window's font only then."""
        parts, bar = self._area.widget(), self._area.verticalScrollBar()
        if parts and bar:
            width = parts.minimumSizeHint().width() + bar.sizeHint().width()
            self._area.setMinimumWidth(width)

    def name_keys(self, letters: frozenset[str]) -> None:
        """Show on the buttons which keys do the same."""
        self.prompts.name_keys(letters)
        self.labels.name_keys(letters)

    def use_theme(self, theme: str) -> None:
        """Draw icons in the colours of the viewer's theme."""
        use_theme(self, theme)

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        for part in (self.head, self.prompts, self.layers, self.labels, self.model,
                     self.embeddings, self.files):  # fmt: skip
            part.show_state(now)
        self._folds["layers"].title = self.layers.title


def _scrolling(content: QWidget) -> QScrollArea:
    """Put something where a bar beside it helps when the window is too low."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    # Always: a bar that comes and goes would move everything beside it.
    area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
    area.setWidget(content)
    return area


class Head(QWidget):
    """Advice, state, progress; and the button that ends what goes on, or what stands in the way."""

    cancelled = Signal()
    converted = Signal()  # the labels are to get the type that is offered

    def __init__(self) -> None:
        super().__init__()
        self.hint, self.state = Lines(2, bold=True), Lines(2)
        self.progress = Bar()
        self.progress.setAccessibleName("Progress")
        self.cancel = button("Cancel", "Stop what is going on", "square")
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

    def show_state(self, now: WidgetState) -> None:
        """Show where things stand."""
        self.hint.setText(what_next(now))
        self.state.setText("\n".join(filter(None, (state_line(now), seen_line(now)))))
        slow = now.status.state in (State.LOADING, State.EMBEDDING)  # the rest would only flicker
        progress = now.status.progress
        self.progress.show_share(0 if progress is None else round(1000 * progress.share), 1000)
        self.cancel.setVisible(slow)
        self.progress.setVisible(slow)
        self.convert.setVisible(bool(now.offer) and not slow)
        self.convert.setText(f"Convert labels to {now.offer}")


class DockTitle(QObject):
    """Has the title bar of a widget's dock, if it has one, say the title and nothing else.

    The dock keeps its name, under which the viewer remembers where it was.

    - `widget`: owns this
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._dock: QDockWidget | None = None

    def refresh(self, floating: bool = False) -> None:
        """Say the title, now and whenever the dock gets a new bar."""
        dock = self._widget.parent()
        if not isinstance(dock, QDockWidget):
            return
        if dock is not self._dock:
            self._dock = dock
            queued = Qt.ConnectionType.QueuedConnection  # when the viewer has made the bar
            dock.topLevelChanged.connect(self.refresh, queued)  # type: ignore[call-arg]
        bar = dock.titleBarWidget()
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text().startswith(f"{TITLE} ("):
                label.setText(TITLE)
