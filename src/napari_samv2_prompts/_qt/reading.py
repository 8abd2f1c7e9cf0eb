"""From viewer and layers to values: what the session is asked, and what the form shows.

Not here: when to read (``controller.py``), what a row of a layer means (``layers``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from napari_samv2_prompts.engine import ObjectResult, Request, Session
from napari_samv2_prompts.layers import Chosen, layer_shape, shown_plane, view_of
from napari_samv2_prompts.prompts import PromptBatch

from .embedded_views import OtherPlanes, RegionChoice
from .label_tools import LabelTools
from .labels_writer import Targets, place_of
from .models import input_sides
from .prompting import Prompting
from .viewer_events import tool_in_hand
from .widget_state import Candidates, Options, WidgetState

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["Reader"]

GREY = (0.8, 0.8, 0.8)
"""Colour of candidates that have no label to take it from, as red, green and blue from 0 to 1."""


class Reader:
    """Reads one viewer.

    Parameters
    ----------
    session, prompts, targets, tools
        Whose state is read, too.
    """

    def __init__(
        self,
        viewer: Viewer,
        session: Session,
        prompts: Prompting,
        targets: Targets,
        tools: LabelTools,
    ) -> None:
        self.region, self.other_planes = RegionChoice(viewer), OtherPlanes()
        self._viewer, self._session = viewer, session
        self._prompts, self._targets, self._tools = prompts, targets, tools

    def request(self, chosen: Chosen, options: Options) -> Request | None:
        """Return what the session is asked now; None if there is nothing to ask.

        Raises
        ------
        PlaneError
            If no plane of the image is shown.
        """
        if chosen.image is None:
            self.region.clear()
            return None
        dims, sides = self._viewer.dims, input_sides(options.model)
        shown = shown_plane(dims, chosen.image)
        whole_at = partial(
            view_of, self._viewer.layers, chosen.image, dims=dims, rendering=options.rendering
        )
        view_at = self.region.choose(shown, sides, options.part, whole_at)
        view = view_at(shown.plane)
        target, batch = self._prompts.read(shown), PromptBatch(())
        if target is not None:
            batch = PromptBatch(tuple(map(self._tools.unfreeze, self._prompts.reading.prompts)))
        if options.download:
            return None
        # While masks can't be written, no object of these labels is gone: theirs is another place.
        place = place_of(chosen if target else replace(chosen, labels=None), shown.plane)
        request = Request(view, place, options.model, batch, options.live)
        return self.other_planes.added_to(request, shown.plane, layer_shape(chosen.image), view_at)

    def state(self, chosen: Chosen, options: Options) -> WidgetState:
        """Return everything that decides what is shown."""
        session, current, tools = self._session, self._prompts.current, self._tools
        reading, number = self._prompts.reading, current.number
        prompted = tuple(prompt.object for prompt in reading.prompts)
        results, result = session.results(prompted), session.result(number)
        picture = session.request.view.picture if session.request else None
        active, adding = tool_in_hand(self._viewer, chosen)
        return WidgetState(
            status=session.status,
            image=chosen.image is not None,
            problem=self._targets.problem,
            points=chosen.points is not None,
            shapes=chosen.shapes is not None,
            labels=chosen.labels is not None,
            active=active,
            adding=adding,
            current=number,
            started=current.started,
            refining=tools.refines(number),
            positive=current.positive,
            pending=len(session.pending),
            acceptable=session.can_accept,
            empty=tuple(item.object for item in results if item.is_empty),
            scores=tuple(map(float, result.masks.scores)) if result else (),
            chosen=result.chosen if result else 0,
            candidates=_candidates(result, chosen, number),
            live=options.live,
            download=options.download,
            note=self._prompts.note,
            left_out=bool(reading.left_out),
            kept=tools.kept,
            said=tools.said,
            offer="" if self._targets.offer is None else str(self._targets.offer),
            planes=self.other_planes.count,
            all_planes=self.other_planes.wanted,
            seen=self.region.seen,
            cut=tuple(item.object for item in results if item.is_cut),
            outdated=sum(1 for item in results if item.view and item.view.picture != picture),
        )


def _candidates(result: ObjectResult | None, chosen: Chosen, number: int) -> Candidates:
    if result is None:
        return Candidates()
    height, width = result.view.region.size if result.view else (1, 1)
    colour = None if chosen.labels is None else chosen.labels.get_color(number)
    colour = GREY if colour is None else colour  # without labels, or hidden in them
    red, green, blue = (round(255 * float(part)) for part in colour[:3])
    return Candidates(result.masks, result.chosen, height / width, (red, green, blue))
