"""Find all in the window: what is asked of the engine, what was found, what is accepted.

Candidates are kept as they come, and shown in a layer of their own; choosing among them again
(score, size, overlap) needs no model.

Not here: the search (``samv2.find_all``), how what is accepted is written (``accepting.py``), the
controls (``form/background.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_samv2_prompts.candidates import Candidates, Selection
from napari_samv2_prompts.engine import Generation, Request, WorkUpdate
from napari_samv2_prompts.layers import TargetError, shown_plane
from napari_samv2_prompts.layers.found import Accepting, FoundLayer, labelled, numbered
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.tile_search import TileSearches
from napari_samv2_prompts.tiles import OVERLAP, Tile, tiles_of

from .accepting import AcceptedWriting
from .cluster import ClusterHelp
from .models import input_sides
from .threads import timer_for
from .viewer_events import Connections
from .widget_state import FindAllState
from .work_layers import WorkLayers

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from .controller import Controller

SHOWN = 150  # ms between two paintings of what was found
NO_PICTURE = "Stopped, since the image was removed or has other data: press Find all again."
NO_LABELS = "Forgotten, since its labels were removed or have another shape: press Find all again."


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """One search of a plane: its parts, and what belongs to it."""

    layers: WorkLayers
    tiles: tuple[Tile, ...]
    generation: Generation


class FindAll:
    """Finds objects on the shown plane of one widget's image; a cluster may help."""

    changed = Signal(FindAllState)
    accepted = Signal(object, object)  # labels' id, and a dict of new labels and their scores

    def __init__(self, viewer: Viewer, controller: Controller, cluster: ClusterHelp) -> None:
        self._viewer, self._controller, self._cluster = viewer, controller, cluster
        self._selection = Selection()
        self._candidates = Candidates()
        self._search: _Search | None = None
        self._writing = AcceptedWriting(controller)
        self._running = False
        self._layer: FoundLayer | None = None
        self._chosen: dict[int, MaskCrop] = {}
        self._said = ""
        self._closed = False
        self._timer = timer_for(self._show)
        self._links = Connections()
        self._links.add(self._on_update, controller.session.generated)
        self._links.add(self._on_state, controller.state_changed)
        self._links.add(self._say, self._writing.told)
        self._links.add(self.accepted.emit, self._writing.done)

    # --- what the user does -----------------------------------------------------------------

    def start(self, whole: bool = True, alike: bool = False) -> None:
        """Look for objects on the shown plane; what was found before and not accepted goes.

        - `whole`: whether to search all of the plane, or the part that the model sees now
        - `alike`: whether to look only for what looks like the current object, in the part that the
          model sees now
        """
        self.discard()
        now = self._controller
        now.flush()
        request, image, labels = now.session.request, now.chosen.image, now.chosen.labels
        example = self._example(request) if alike else None
        self._said = _missing(request, labels, alike, example)
        if request is None or image is None or labels is None or self._said:
            self._tell()
            return
        view, shape, region = request.view, request.view.shape, request.view.region
        side = input_sides(now.options.model).most  # of a picture seen in its own resolution
        if whole and not alike:
            tiles = tiles_of(shape, side, int(side * OVERLAP))
        else:  # an example says what its like are where the model has seen it
            tiles = [Tile(region, region, shape)]
        views = [
            view if tile.region == region else view.within(tile.region, side) for tile in tiles
        ]
        taken = partial(labelled, labels.data, request.place.plane)
        find = TileSearches(self._selection, tuple(tiles), taken, example)
        generation = Generation(views, request.place, request.model, find)
        layers = WorkLayers.of(image, now.targets.of(labels))
        self._search, self._running = _Search(layers, find.tiles, generation), True
        plane = shown_plane(self._viewer.dims, image).plane
        self._cluster.search_tiles(now.session, generation, plane)
        self._tell()

    def cancel(self) -> None:
        """Stop looking; what was found so far stays to choose from."""
        if self._running:
            self._running = False
            self._cluster.stop()
            self._controller.session.generate(None)
        self._show()

    def select(self, selection: Selection) -> None:
        """Choose among what was found."""
        self._selection = selection
        if len(self._candidates):
            self._show()

    def accept(self, *, at_once: bool = True) -> tuple[int, ...]:
        """Make what is chosen labels, as one step of undo; return their numbers.

        If not `at_once`, some now, and the others a few at a time while the window goes on.
        """
        self._controller.flush()  # the user may have removed what was found just now
        self.cancel()
        self._writing.finish()
        search, found, now = self._search, self._candidates, self._controller
        chosen = [found[index] for index in found.select(self._selection)]
        if search is None or not chosen:
            if search is not None:
                self.discard()
            return ()
        crops, used = [one.crop for one in chosen], max(now.prompts.prompted, default=0)
        place = search.generation.place
        try:
            with now.targets.offering():
                accepting = Accepting(search.layers.target, place.plane, crops, used)
        except TargetError as error:  # what was found stays
            self._say(str(error))
            now.refresh()
            return ()
        self._forget()
        numbers = tuple(accepting.left)
        if now.prompts.current.number in numbers:  # as the next free one; clicks are for another
            now.refresh()
            now.next_object()
        scores = {number: one.score for number, one in zip(numbers, chosen, strict=True)}
        self._writing.begin(accepting, place.labels, scores)
        if at_once:
            self._writing.finish()
        return numbers

    def accept_in_steps(self) -> None:
        """Make what is chosen labels while the window goes on."""
        self.accept(at_once=False)

    def discard(self) -> None:
        """Forget what was found."""
        self.cancel()
        self._writing.finish()
        self._forget()
        self._tell()

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._closed = True  # the timer goes on: at exit Qt may have deleted it by now
        self._writing.close()
        self._links.close()
        with self._controller.events.blocked():
            self._forget()

    @property
    def running(self) -> bool:
        """Whether objects are being looked for."""
        return self._running

    @property
    def accepting(self) -> bool:
        """Whether what was accepted is being written."""
        return self._writing.running

    # --- searching --------------------------------------------------------------------------

    def _on_update(self, update: WorkUpdate[Generation]) -> None:
        search = self._search
        if search is None or not self._running or update.request is not search.generation:
            return
        if update.part is not None:
            tile = search.tiles[update.part.view]
            top, left = tile.region.top, tile.region.left
            found = [item.moved(top, left) for item in update.part.candidates]
            self._candidates.extend(item for item in found if tile.keeps(item.crop.box))
            if not self._timer.isActive():
                self._timer.start(SHOWN)
            if update.part.whole:
                self._tell()
        if update.finished:
            self._said, self._running = update.problem, False
            self._cluster.stop()
            self._show()

    def _on_state(self, now: object) -> None:
        """Let go of layers that are gone, or are not what they were."""
        search = self._search
        if search is None:
            return
        if not search.layers.has_labels(self._controller.targets.all):
            self.discard()
            self._say(NO_LABELS)
        elif self._layer is not None and not self._layer.is_there:
            self.discard()  # the user removed what is not wanted
        elif self._running and not search.layers.has_picture(self._viewer.layers):
            # What is not shown yet has no image any more to be shown over.
            (self.discard if self._layer is None else self.cancel)()
            self._say(NO_PICTURE)

    def _example(self, request: Request | None) -> MaskCrop | None:
        """Return the current object's mask on the shown plane."""
        number = self._controller.state().current
        result = self._controller.session.result(number) if request is not None else None
        if request is None or result is None:
            return None
        return result.crop if result.crop.within(request.view.region).any() else None

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
                    self._layer = FoundLayer(
                        self._viewer, search.layers.image, search.generation.place.plane
                    )
            if self._layer.is_there:
                self._layer.show(self._chosen)
        self._tell()

    def _say(self, sentence: str) -> None:
        self._said = sentence
        self._tell()

    def _tell(self) -> None:
        search = self._search
        done, total = (0, 0) if search is None else (len(search.generation.done), len(search.tiles))
        self.changed.emit(
            FindAllState(
                self.running, len(self._candidates), len(self._chosen), done, total, self._said
            )
        )

    def _forget(self) -> None:
        layer, self._layer, self._search = self._layer, None, None
        if layer is not None:
            layer.remove()
        self._candidates, self._chosen, self._said = Candidates(), {}, ""


def _missing(
    request: Request | None, labels: Labels | None, alike: bool, example: MaskCrop | None
) -> str:
    """Say what is needed before objects can be looked for."""
    if request is None:
        return "Open an image, and choose a model that is on this machine."
    if labels is None or request.place.labels is None:
        return "Choose a Labels layer for what will be found: press Box or Click to make one."
    if alike and example is None:
        return "First draw a box around one object, or click on it; then press again."
    return ""
