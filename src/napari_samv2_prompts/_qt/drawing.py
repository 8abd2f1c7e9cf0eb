"""Taking up a tool that draws prompts, in layers that come by themselves with the first use.

Layers that are there already, and belong to no other image, are offered first.  What was made is
taken back as long as nothing is in it.  With Shift no tool is needed, nor does one for clicks or
boxes stand in the way: a drag is a box, and a click is a point; each begins an object.

Not here: how a layer is made (``layers``), which layers belong together (``layer_choices.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtGui import QAction, QCursor  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QWidget

from napari_samv2_prompts.layers import data_at
from napari_samv2_prompts.layers.strays import box_corners

from .controller import Controller
from .layer_choices import LayerChoices
from .viewer_events import DRAG, Connections, tool_in_hand

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

Kind = Literal["points", "shapes"]
_MODES: dict[Kind, str] = {"points": "add", "shapes": "add_rectangle"}


class Drawing:
    """Gives the user the tools for clicks and boxes.

    - `parent`: of the menu
    - `.listens`: whether a press with Shift is for this widget, not for another one in the viewer
    """

    taken = Signal()  # a tool was taken up, or could not be

    def __init__(
        self, viewer: Viewer, choices: LayerChoices, controller: Controller, parent: QWidget
    ) -> None:
        self.listens: Callable[[], bool] = lambda: True
        self._viewer, self._choices = viewer, choices
        self._controller, self._parent = controller, parent
        viewer.mouse_drag_callbacks.append(self._on_press)
        self._made: tuple[Layer, ...] = ()
        self._links = Connections()

    # --- tools ------------------------------------------------------------------------------

    def points(self) -> None:
        """Take the tool for clicks."""
        self._draw("points", exact=True)

    def shapes(self) -> None:
        """Take the tool for boxes, whatever was drawn in their layer before."""
        self._draw("shapes", exact=True)

    def change(self) -> None:
        """Change between boxes and clicks."""
        drawing_boxes = tool_in_hand(self._viewer, self._choices.chosen) == ("shapes", True)
        self._draw("points" if drawing_boxes else "shapes")

    def _draw(self, kind: Kind, *, exact: bool = False) -> None:
        chosen = self._choices.chosen
        missing = chosen.image is not None and None in (getattr(chosen, kind), chosen.labels)
        if not missing:
            self._take(kind, exact=exact)
        elif not self._offer(kind):
            self._draw_in_new(kind)
        self.taken.emit()

    def _draw_in_new(self, kind: Kind) -> None:
        if self.make_layers():
            self._take(kind)
            self.taken.emit()

    def _take(self, kind: Kind, *, exact: bool = False) -> None:
        """Make a layer active, with a tool that adds prompts; unless `exact`, any that does."""
        layer = getattr(self._choices.chosen, kind)
        if layer is not None:
            self._viewer.layers.selection.active = layer
            if not layer.visible:  # in which nothing can be drawn
                layer.visible = True
            if exact or not layer.mode.startswith("add"):
                layer.mode = _MODES[kind]

    # --- without a tool ---------------------------------------------------------------------

    def _on_press(self, viewer: object, event: Any) -> Iterator[None]:
        """Begin an object where Shift is held, with a click or a box."""
        chosen, active = self._choices.chosen, self._viewer.layers.selection.active
        flat = self._viewer.dims.ndisplay == 2 and chosen.image is not None
        if "Shift" not in event.modifiers or not flat or not self.listens() or active is None:
            return
        if active in (chosen.points, chosen.shapes) and active.mode in _MODES.values():
            active.mode = "pan_zoom"  # the viewer's tool would make a square, or nothing of a drag
        if active.mode == "pan_zoom":
            camera, start = self._viewer.scene.camera, tuple(event.position)
            pressed, pans = np.asarray(event.pos, float), camera.mouse_pan
            camera.mouse_pan = False
            yield
            while event.type == "mouse_move":
                yield
            camera.mouse_pan = pans
            far = np.abs(np.asarray(event.pos, float) - pressed).max()
            self._begin("shapes" if far >= DRAG else "points", start, tuple(event.position))

    def _begin(self, kind: Kind, start: Sequence[float], end: Sequence[float]) -> None:
        chosen = self._choices.chosen
        if None in (getattr(chosen, kind), chosen.labels) and not self.make_layers():
            return
        self._controller.next_object()
        self._take(kind)
        layer = getattr(self._choices.chosen, kind)
        if kind == "points":
            layer.add([data_at(layer, start, self._viewer.dims)])
        else:
            layer.add_rectangles([box_corners(layer, self._viewer.dims, start, end)])
        self.taken.emit()

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

        Raises ValueError if there is no image.
        """
        self.add_layers()
        self._take("points")
        self._take("shapes")
        self.taken.emit()

    def add_layers(self) -> None:
        """Make the layers that are missing, and choose them."""
        before = set(self._viewer.layers)
        chosen = self._controller.new_layers()
        self._choices.refresh()
        self._choices.set(chosen)
        self._note(tuple(layer for layer in self._viewer.layers if layer not in before))

    def take_back(self) -> bool:
        """Remove the layers that were made last, if nothing was done in them; tell whether so."""
        made = [layer for layer in self._made if layer in self._viewer.layers]
        self._note(())
        for layer in made:
            self._viewer.layers.remove(layer)
        return bool(made)

    def close(self) -> None:
        """Let go of layers and viewer; idempotent."""
        self._note(())
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_use(self, event: Any = None) -> None:
        self._note(())

    def _note(self, made: tuple[Layer, ...]) -> None:
        """Take back these layers, unless one of them is used before."""
        self._links.close()
        self._made = made
        for layer in made:
            for name in ("data", "paint", "labels_update"):
                if hasattr(layer.events, name):
                    self._links.add(self._on_use, getattr(layer.events, name))

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


def _add(menu: QMenu, text: str, call: Callable[[], object]) -> None:
    action = QAction(text, menu)
    action.triggered.connect(lambda checked: call())
    menu.addAction(action)
