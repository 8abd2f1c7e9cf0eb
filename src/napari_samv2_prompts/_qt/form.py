"""The form of the dock widget: its parts below each other, and what is remembered of them.

What is used every minute is in sight; the rest is folded under titles.  A part is made in
``panels`` and gets one line in :meth:`Form._add`, or none if it is always open.

A :class:`Form` shows a :class:`~.hints.Situation`; it knows neither viewer nor session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from .controls import Fold
from .hints import Situation
from .panels.embeddings import EmbeddingsPanel
from .panels.files import FilesPanel
from .panels.find_all import FindAllPanel
from .panels.head import Head
from .panels.labels import LabelPanel
from .panels.layers import LayersPanel
from .panels.model import ModelPanel
from .panels.objects import ObjectsPanel
from .panels.picture import PicturePanel
from .panels.prompts import PromptsPanel
from .panels.through import ThroughPanel
from .settings import Choice, choice_of

if TYPE_CHECKING:
    from magicgui.widgets import ComboBox

__all__ = ["Form"]


class Form(QWidget):
    """All parts of the widget.

    Parameters
    ----------
    layers : sequence of ComboBox
        The layer choices.
    devices : iterable of str

    Attributes
    ----------
    head, layers, prompts, finding, objects, through, labels, model, picture, embeddings, files
        The parts; connect to their signals.
    """

    def __init__(self, layers: Sequence[ComboBox], devices: Iterable[str]) -> None:
        super().__init__()
        self.head, self.prompts = Head(), PromptsPanel()
        self.layers, self.labels = LayersPanel(layers), LabelPanel()
        self.objects, self.finding = ObjectsPanel(), FindAllPanel()
        self.through = ThroughPanel()
        self.model, self.picture = ModelPanel(devices), PicturePanel()
        self.embeddings, self.files = EmbeddingsPanel(), FilesPanel()
        self._folds: dict[str, Fold] = {}
        content = QWidget()
        self._parts = QVBoxLayout(content)
        self._parts.setContentsMargins(3, 0, 3, 6)
        self._parts.setSpacing(2)
        self._add("layers", "Layers", self.layers, "The layers that are worked on")
        self._parts.addWidget(self.prompts)
        self._add("find", "Find all", self.finding, "Every object without prompts, then choose")
        self._add("objects", "Objects", self.objects, "All objects: sort, find, name, delete")
        self._add("through", "Through the stack", self.through, "Have objects on all planes")
        self._add("labels", "Labels", self.labels, "Refine, merge, delete or keep a label")
        self._add("model", "Model", self.model, "Which model, its weights and its device")
        self._add("picture", "Picture and overlap", self.picture, "What the model sees")
        self._add("embeddings", "Embeddings", self.embeddings, "Memory, folder, all planes")
        self._add("files", "Files", self.files, "Save and load prompts")
        self._parts.addStretch()
        self._area = _scrolling(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.head)
        layout.addWidget(self._area, 1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def _add(self, name: str, title: str, part: QWidget, tip: str) -> None:
        """Add a part that is folded until it is wanted; whether it is, is remembered."""
        self._folds[name] = Fold(title, part, tip)
        self._parts.addWidget(self._folds[name])

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
            "picture": self.picture.look,
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

    def show_situation(self, now: Situation) -> None:
        """Show where things stand."""
        for part in (self.head, self.prompts, self.layers, self.labels, self.model,
                     self.embeddings, self.files):  # fmt: skip
            part.show_situation(now)
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
