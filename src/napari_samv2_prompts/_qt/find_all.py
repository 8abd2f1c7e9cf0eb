"""Find all in the window: what is asked of the engine, what was found, what is accepted.

Candidates are kept as they come, and shown in a layer of their own; choosing among them again
(score, size, overlap) needs no model.  Accepted, they are labels like any other, written as one
step that can be undone.

Not here: the search (``samv2.find_all``), the controls (``form/background.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_samv2_prompts.candidates import Candidates, Selection
from napari_samv2_prompts.engine import Generation, Request, WorkUpdate
from napari_samv2_prompts.layers.found import FoundLayer, numbered
from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.tiles import OVERLAP, Tile, tiles_of

from .models import input_sides
from .viewer_events import Connections
from .widget_state import FindAllState

if TYPE_CHECKING:
    from napari.layers import Image, Labels
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from .controller import Controller

__all__ = [
    "FindAll",
]

SHOWN = 150  # ms between two paintings of what was found


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """One search of a plane: its parts, and what belongs to it."""

    request: Request
    image: Image
    labels: Labels | None
    tiles: tuple[Tile, ...]
    example: MaskCrop | None


class FindAll:
    """Finds objects on the shown plane of one widget's image.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    controller : Controller
    """

    changed = Signal(FindAllState)

    def __init__(self, viewer: Viewer, controller: Controller) -> None:
        self._viewer, self._controller = viewer, controller
        self._selection = Selection()
        self._candidates = Candidates()
        self._search: _Search | None = None
        self._generation: Generation | None = None
        self._at = 0  # which tile is searched
        self._layer: FoundLayer | None = None
        self._chosen: dict[int, MaskCrop] = {}
        self._problem = ""
        self._closed = False
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._show)
        self._links = Connections()
        self._links.add(self._on_update, controller.session.generated)

    # --- what the user does -----------------------------------------------------------------

    def start(self, whole: bool = True, alike: bool = False) -> None:
        """Look for objects on the shown plane; what was found before and not accepted goes.

        Parameters
        ----------
        whole : bool
            Whether to search all of the plane, or the part that the model sees now.
        alike : bool
            Whether to look only for what looks like the current object, in the part that the
            model sees now.
        """
        self.discard()
        self._controller.flush()
        request = self._controller.session.request
        image, labels = self._controller.chosen.image, self._controller.chosen.labels
        example = self._example(request) if alike else None
        self._problem = _missing(request, labels, alike, example)
        if request is None or image is None or self._problem:
            self._tell()
            return
        shape, region = request.view.shape, request.view.region
        side = self._side
        if whole and not alike:
            tiles = tiles_of(shape, side, int(side * OVERLAP))
        else:  # an example says what its like are where the model has seen it
            tiles = [Tile(region, region, shape)]
        self._search = _Search(request, image, labels, tuple(tiles), example)
        self._at = 0
        self._next_tile()

    def cancel(self) -> None:
        """Stop looking; what was found so far stays to choose from."""
        if self._generation is not None:
            self._generation = None
            self._controller.session.generate(None)
        self._show()

    def select(self, selection: Selection) -> None:
        """Choose among what was found."""
        self._selection = selection
        if len(self._candidates):
            self._show()

    @property
    def selection(self) -> Selection:
        """How it is chosen among what was found."""
        return self._selection

    def accept(self) -> tuple[int, ...]:
        """Make what is chosen labels, as one step of undo; return their numbers."""
        self.cancel()
        search, crops = self._search, list(self._chosen.values())
        self._forget()
        if search is None or not crops:
            self._tell()
            return ()
        now = self._controller
        with now.events.blocked():
            used = max(now.prompts.prompted, default=0)
            numbers = now.targets.add(search.request.place, crops, used)
        now.refresh()
        self._tell()
        return numbers

    def discard(self) -> None:
        """Forget what was found."""
        self.cancel()
        self._forget()
        self._tell()

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._closed = True  # the timer goes on: at exit Qt may have deleted it by now
        self._links.close()
        self._forget()

    @property
    def running(self) -> bool:
        """Whether objects are being looked for."""
        return self._generation is not None

    @property
    def _side(self) -> int:
        """Side of the largest picture that the model sees in its own resolution, in pixels."""
        return input_sides(self._controller.options.model).most

    # --- searching --------------------------------------------------------------------------

    def _next_tile(self) -> None:
        search = self._search
        if search is None or self._at >= len(search.tiles):
            self._generation = None
            self._show()
            return
        tile, request = search.tiles[self._at], search.request
        view = request.view
        if tile.region != view.region:
            view = view.within(tile.region, self._side)
        example = search.example and MaskCrop(0, 0, _cut(search.example, tile.region))
        find = partial(_find, self._selection, _labelled(search, tile.region), example)
        self._generation = Generation(view, request.place, request.model, find)
        self._controller.session.generate(self._generation)
        self._tell()

    def _on_update(self, update: WorkUpdate[Generation]) -> None:
        search = self._search
        if update.request is not self._generation or search is None:
            return
        if update.part:
            tile = search.tiles[self._at]
            found = [item.moved(tile.region.top, tile.region.left) for item in update.part]
            self._candidates.extend(item for item in found if tile.keeps(item.crop.box))
            if not self._timer.isActive():
                self._timer.start(SHOWN)
        if update.finished and update.problem:
            self._problem, self._generation = update.problem, None
            self._show()
        elif update.finished:
            self._at += 1
            self._next_tile()

    def _example(self, request: Request | None) -> MaskCrop | None:
        """Return the current object's mask on the shown plane."""
        number = self._controller.state().current
        result = self._controller.session.result(number) if request is not None else None
        if request is None or result is None:
            return None
        return result.crop if _cut(result.crop, request.view.region).any() else None

    # --- what is shown ----------------------------------------------------------------------

    def _show(self) -> None:
        """Choose anew, and show what is chosen."""
        if self._closed:
            return
        self._timer.stop()
        search = self._search
        if search is not None and len(self._candidates):
            chosen = self._candidates.select(self._selection)
            self._chosen = numbered(self._candidates[index].crop for index in chosen)
            if self._layer is None:
                with self._controller.prompts.quietly():
                    self._layer = FoundLayer(self._viewer, search.image, search.request.place.plane)
            if self._layer.is_there:
                self._layer.show(self._chosen)
        self._tell()

    def _tell(self) -> None:
        total = 0 if self._search is None else len(self._search.tiles)
        self.changed.emit(
            FindAllState(
                self.running, len(self._candidates), len(self._chosen), self._at, total,
                self._problem,
            )
        )  # fmt: skip

    def _forget(self) -> None:
        if self._layer is not None:
            self._layer.remove()
        self._layer = self._search = self._generation = None
        self._candidates, self._chosen, self._problem = Candidates(), {}, ""
        self._at = 0


def _find(
    selection: Selection,
    taken: NDArray[np.bool_] | None,
    example: MaskCrop | None,
    predictor: Any,
    embedding: Any,
    found: Sequence[Any],
) -> Any:
    """Search, as the engine has it done in the worker."""
    from napari_samv2_prompts.samv2.find_all import Search, find_all

    search = Search(selection)
    return find_all(predictor, embedding, search, taken=taken, example=example, known=found)


def _missing(
    request: Request | None, labels: Labels | None, alike: bool, example: MaskCrop | None
) -> str:
    """Say what is needed before objects can be looked for."""
    if request is None:
        return "Open an image, and choose a model that is on this machine."
    if labels is None or request.place.labels is None:
        return "Choose a Labels layer for what will be found: press Box or Click to make one."
    if alike and example is None:
        return "Draw a box around one object, or click on it: its like are looked for then."
    return ""


def _labelled(search: _Search, region: Region) -> NDArray[np.bool_] | None:
    """Return where there are labels in a part of the plane already; the rest is not read."""
    if search.labels is None:
        return None
    plane = search.request.place.plane
    part = plane.indexer(slice(region.top, region.bottom), slice(region.left, region.right))
    taken: NDArray[np.bool_] = plane.oriented(np.asarray(search.labels.data[part])) != 0
    return taken


def _cut(crop: MaskCrop, region: Region) -> NDArray[np.bool_]:
    """Return a mask as an array of a region's size."""
    from napari_samv2_prompts.propagation.patches import pasted  # see propagation.py

    return pasted(crop, region)
