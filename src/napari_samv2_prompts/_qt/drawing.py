"""Taking up a tool that draws prompts, in layers that come by themselves with the first use.

Layers that are there already, and belong to no other image, are offered first.  What was made is
taken back as long as nothing is in it.

Not here: how a layer is made (``layers``), which layers belong together (``layer_choices.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtGui import QAction, QCursor  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QWidget

from napari_samv2_prompts.layers import Chosen

from .layer_choices import LayerChoices
from .viewer_events import Connections
from .widget_state import Active

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

__all__ = ["Drawing", "tool_in_hand"]

Kind = Literal["points", "shapes"]
_MODES: dict[Kind, str] = {"points": "add", "shapes": "add_rectangle"}


class Drawing:
    """Gives the user the tools for clicks and boxes.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    choices : LayerChoices
    make_layers : callable
        Makes the layers that are missing; see :meth:`.Controller.new_layers`.
    parent : QWidget
        Of the menu.
    """

    taken = Signal()  # a tool was taken up, or could not be

    def __init__(
        self,
        viewer: Viewer,
        choices: LayerChoices,
        make_layers: Callable[[], Chosen],
        parent: QWidget,
    ) -> None:
        self._viewer, self._choices = viewer, choices
        self._make, self._parent = make_layers, parent
        self._made: tuple[Layer, ...] = ()
        self._links = Connections()

    # --- tools ------------------------------------------------------------------------------

    def points(self) -> None:
        """Take the tool for clicks."""
        self._draw("points")

    def shapes(self) -> None:
        """Take the tool for boxes."""
        self._draw("shapes")

    def change(self) -> None:
        """Change between boxes and clicks."""
        drawing_boxes = tool_in_hand(self._viewer, self._choices.chosen) == ("shapes", True)
        self._draw("points" if drawing_boxes else "shapes")

    def _draw(self, kind: Kind) -> None:
        chosen = self._choices.chosen
        missing = chosen.image is not None and None in (getattr(chosen, kind), chosen.labels)
        if not missing:
            self._take(kind)
        elif not self._offer(kind):
            self._draw_in_new(kind)
        self.taken.emit()

    def _draw_in_new(self, kind: Kind) -> None:
        if self.make_layers():
            self._take(kind)
            self.taken.emit()

    def _take(self, kind: Kind) -> None:
        """Make a layer active, with a tool that adds prompts; one that does so already stays."""
        layer = getattr(self._choices.chosen, kind)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            if not layer.mode.startswith("add"):
                layer.mode = _MODES[kind]

    # --- layers that are missing ------------------------------------------------------------

    def make_layers(self) -> bool:
        """Make the layers that are missing, or show why not; tell whether they are there."""
        try:
            self.complete()
        except (ValueError, MemoryError) as error:
            show_error(str(error) or "Not enough memory for labels of this size.")
            return False
        return True

    def complete(self) -> None:
        """Make the layers that are missing, choose them, and have their tools draw.

        Raises
        ------
        ValueError
            If there is no image.
        """
        self.add_layers()
        self._take("points")
        self._take("shapes")
        self.taken.emit()

    def add_layers(self) -> None:
        """Make the layers that are missing, and choose them."""
        before = set(self._viewer.layers)
        chosen = self._make()
        self._choices.refresh()
        self._choices.set(chosen)
        self._note(tuple(layer for layer in self._viewer.layers if layer not in before))

    def take_back(self) -> bool:
        """Remove the layers that were made last, if nothing was done in them; tell whether so."""
        made = [layer for layer in self._made if layer in self._viewer.layers]
        self.close()
        for layer in made:
            self._viewer.layers.remove(layer)
        return bool(made)

    def close(self, event: Any = None) -> None:
        """Let go of the layers that were made: they are used now; idempotent."""
        self._note(())

    def _note(self, made: tuple[Layer, ...]) -> None:
        """Take back these layers, unless one of them is used before."""
        self._links.close()
        self._made = made
        for layer in made:
            for name in ("data", "paint", "labels_update"):
                if hasattr(layer.events, name):
                    self._links.add(self.close, getattr(layer.events, name))

    def _offer(self, kind: Kind) -> bool:
        """Ask which layers to take if some are there; tell whether there are any to ask about."""
        kinds = [name for name in (kind, "labels") if getattr(self._choices.chosen, name) is None]
        offered = [(name, layer) for name in kinds for layer in self._choices.unowned(name)]
        if not offered:
            return False
        menu = QMenu(self._parent)
        for name, layer in offered:
            _add(menu, f"Use “{layer.name}”", partial(self._use, name, layer, kind))
        menu.addSeparator()
        _add(menu, "Make new layers", partial(self._draw_in_new, kind))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(QCursor.pos())
        return True

    def _use(self, name: str, layer: Layer, kind: Kind) -> None:
        self._choices.set(replace(self._choices.chosen, **{name: layer}))
        self._draw_in_new(kind)


def tool_in_hand(viewer: Viewer, chosen: Chosen) -> tuple[Active, bool]:
    """Return which kind of layer gets the user's clicks, and whether its tool adds prompts."""
    active = viewer.layers.selection.active
    if active is not None and active == chosen.points:
        return "points", active.mode == "add"
    if active is not None and active == chosen.shapes:
        return "shapes", active.mode.startswith("add")
    return "other", False


def _add(menu: QMenu, text: str, call: Callable[[], object]) -> None:
    action = QAction(text, menu)
    action.triggered.connect(lambda checked: call())
    menu.addAction(action)
