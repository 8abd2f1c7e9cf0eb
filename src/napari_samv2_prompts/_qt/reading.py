"""From viewer and layers to values: what the session is asked, and what the form shows.

Here, too: which part of a plane is embedded.  No pixel is read.

Not here: when to read (``controller.py``), what a row of a layer means (``layers``), how a region
is chosen (``regions``).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from napari.components.overlays import ZoomOverlay

from napari_samv2_prompts.engine import ModelChoice, ObjectResult, Request, Session
from napari_samv2_prompts.layers import Chosen, Shown, layer_shape, shown_plane, view_of
from napari_samv2_prompts.layers.other_planes import OtherPlanes, ViewAt
from napari_samv2_prompts.layers.planes import canvas_box, visible_part
from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.regions import InputSides, Region, choose_region

from .label_tools import LabelTools
from .labels_writer import Targets, place_of
from .models import input_sides
from .prompting import Prompting
from .viewer_events import tool_in_hand
from .widget_state import Candidates, Options, Part, Seen, WidgetState

if TYPE_CHECKING:
    from napari.viewer import Viewer

OPACITY = 0.8  # of the outline of what is embedded
GREY = (0.8, 0.8, 0.8)
"""Colour of candidates that have no label to take it from, as red, green and blue from 0 to 1."""


class Reader:
    """Reads one viewer.

    - `session`, `prompts`, `targets`, `tools`: whose state is read, too
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
        self.sides = input_sides(ModelChoice())  # of the chosen model
        self._viewer, self._session = viewer, session
        self._prompts, self._targets, self._tools = prompts, targets, tools

    def request(self, chosen: Chosen, options: Options) -> Request | None:
        """Return what the session is asked now; None if there is nothing to ask.

        Raises PlaneError if no plane of the image is shown.
        """
        if chosen.image is None:
            self.region.clear()
            return None
        dims = self._viewer.dims
        shown = shown_plane(dims, chosen.image)
        whole_at = partial(
            view_of, self._viewer.layers, chosen.image, dims=dims, rendering=options.rendering
        )
        view_at = self.region.choose(shown, self.sides, options.part, whole_at)
        view = view_at(shown.plane)
        target, batch = self._prompts.read(shown), PromptBatch(())
        if target is not None:
            batch = PromptBatch(tuple(map(self._tools.unfreeze, self._prompts.reading.prompts)))
        if options.download:
            return None
        # While masks can't be written, no object of these labels is gone: theirs is another place.
        place = place_of(chosen if target else replace(chosen, labels=None), shown.plane)
        sizes = layer_shape(chosen.image)
        others = self.other_planes.views(shown.plane, sizes, view_at, beside=options.live)
        asked = Request(view, place, options.model, batch, options.live, *others)
        return self._session.drawn_here(asked)

    def state(self, chosen: Chosen, options: Options) -> WidgetState:
        """Return everything that decides what is shown."""
        session, current, tools = self._session, self._prompts.current, self._tools
        reading, number = self._prompts.reading, current.number
        prompted = tuple(prompt.object for prompt in reading.prompts)
        results, result = session.results(prompted), session.result(number)
        pending = session.pending
        covered = self._targets.covered(session.request.place if session.request else None)
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
            pending=len(pending),
            acceptable=session.can_accept(pending, chosen.ids),
            empty=tuple(item.object for item in results if item.is_empty),
            covered=tuple(sorted(covered.intersection(prompted))),
            replacing=options.policy == "replace",
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


# --- which part of the plane --------------------------------------------------------------------


class RegionChoice:
    """Chooses the part of a plane that is embedded, and shows it.

    Planes that are larger than the model's largest input are embedded in parts.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._outline = RegionOutline(viewer)
        self._region: Region | None = None
        self._seen: Seen | None = None

    @property
    def seen(self) -> Seen | None:
        """What the model sees now; None if nothing can be embedded."""
        return self._seen

    @property
    def follows_camera(self) -> bool:
        """Whether moving the camera can change what is embedded."""
        return self._seen is not None and self._seen.follows

    def choose(self, shown: Shown, sides: InputSides, part: Part, whole_at: ViewAt) -> ViewAt:
        """Return what makes the view of a plane: of the part that is to be embedded now.

        - `sides`: of the model
        - `part`: {"visible", "whole"}
        - `whole_at`: returns the view of a whole plane
        """
        plane = shown.plane
        follows = part == "visible" and max(plane.shape) > sides.most
        region = Region.whole(plane.shape)
        if follows:
            visible = visible_part(self._viewer, shown)
            region = choose_region(
                plane.shape,
                visible.extent,
                pixel_size=visible.pixel_size,
                sides=sides,
                current=self._region,
            )
        self._region = region if follows else None
        self._seen = Seen(region.size, plane.shape, sides.most, follows)
        if region.size == plane.shape:
            self._outline.hide()
        else:
            self._outline.show(shown, region)
        return lambda plane: whole_at(plane).within(region, sides.most)

    def clear(self) -> None:
        """Forget what was embedded: there is nothing to embed now."""
        self._seen = None
        self._outline.hide()

    def follow(self) -> None:
        """Keep the outline in its place when the camera moved."""
        self._outline.follow()

    def close(self) -> None:
        """Take the outline out of the viewer; idempotent."""
        self._outline.close()


class RegionOutline:
    """A thin box around a region, drawn on the canvas: no layer, nothing to click on or to save."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._name = f"samv2_prompts_region_{uuid4().hex}"
        self._overlay: ZoomOverlay | None = None
        self._shown: tuple[Shown, Region] | None = None

    def show(self, shown: Shown, region: Region) -> None:
        """Show where a region is."""
        self._shown = (shown, region)
        if self._overlay is None:
            self._overlay = ZoomOverlay(opacity=OPACITY)
            self._viewer.canvas.overlays[self._name] = self._overlay
        self.follow()
        self._overlay.visible = True

    def follow(self) -> None:
        """Stay around the same pixels."""
        if self._overlay is not None and self._shown is not None:
            first, last = canvas_box(self._viewer, *self._shown)
            self._overlay.position = tuple(first), tuple(last)

    def hide(self) -> None:
        """Show nothing."""
        self._shown = None
        if self._overlay is not None:
            self._overlay.visible = False

    def close(self) -> None:
        """Leave nothing behind; idempotent."""
        self.hide()
        if self._overlay is not None:
            del self._viewer.canvas.overlays[self._name]
            self._overlay = None
