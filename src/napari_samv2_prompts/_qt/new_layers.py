"""Layers for prompts and labels that come by themselves with the first Box or Click.

Those that are there already, and belong to no other image, are offered first.  What was made is
taken back as long as nothing is in it.

Not here: how a layer is made (``layers``), which layers belong together (``choices.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QAction, QCursor  # type: ignore[attr-defined]
from qtpy.QtWidgets import QMenu, QWidget

from napari_samv2_prompts.layers import Chosen

from .choices import LayerChoices
from .events import Connections

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

__all__ = ["NewLayers"]


class NewLayers:
    """Makes the layers that are missing, and takes them back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    choices : LayerChoices
    """

    def __init__(self, viewer: Viewer, choices: LayerChoices) -> None:
        self._viewer, self._choices = viewer, choices
        self._made: tuple[Layer, ...] = ()
        self._links = Connections()

    def complete(self, make: Callable[[], Chosen]) -> Chosen:
        """Choose the layers that `make` returns; note which of them are new."""
        before = set(self._viewer.layers)
        chosen = make()
        self._choices.refresh()
        self._choices.set(chosen)
        self._watch(tuple(layer for layer in self._viewer.layers if layer not in before))
        return chosen

    def take_back(self) -> bool:
        """Remove the layers that were made last, if nothing was done in them; tell whether so."""
        made = [layer for layer in self._made if layer in self._viewer.layers]
        self._watch(())
        for layer in made:
            self._viewer.layers.remove(layer)
        return bool(made)

    def offer(self, parent: QWidget, kind: str, go_on: Callable[[], object]) -> bool:
        """Ask which layers to take if some are there; tell whether there are any to ask about.

        Parameters
        ----------
        parent : QWidget
        kind : {"points", "shapes"}
            The layer that is wanted first.
        go_on : callable
            Called when the user has chosen; what is missing then is to be made.
        """
        kinds = [name for name in (kind, "labels") if getattr(self._choices.chosen, name) is None]
        offered = [(name, layer) for name in kinds for layer in self._choices.unowned(name)]
        if not offered:
            return False
        menu = QMenu(parent)
        for name, layer in offered:
            use = partial(self._use, name, layer, go_on)
            _add(menu, f"Use “{layer.name}”", use)
        menu.addSeparator()
        _add(menu, "Make new layers", go_on)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(QCursor.pos())
        return True

    def close(self) -> None:
        """Let go of all layers; idempotent."""
        self._watch(())

    def _use(self, name: str, layer: Layer, go_on: Callable[[], object]) -> None:
        self._choices.set(replace(self._choices.chosen, **{name: layer}))
        go_on()

    def _watch(self, made: tuple[Layer, ...]) -> None:
        """Take back these layers, unless one of them is used before."""
        self._links.close()
        self._made = made
        for layer in made:
            for name in ("data", "paint", "labels_update"):
                if hasattr(layer.events, name):
                    self._links.add(self._on_use, getattr(layer.events, name))

    def _on_use(self, event: Any = None) -> None:
        self._watch(())


def _add(menu: QMenu, text: str, call: Callable[[], object]) -> None:
    action = QAction(text, menu)
    action.triggered.connect(lambda checked: call())
    menu.addAction(action)
