"""The preview under the mouse: a click or box there becomes a question, its answer an outline.

The outline is one of the overlays of the viewer, beside axes and scale bar: neither listed nor
saved with the layers, and without undo history.  How an overlay is drawn can only be said in a
table that is not public (``layers.private_api``); where there is none, no preview is offered.

Not here: what is computed and when (``engine.preview``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.components.overlays import SceneOverlay

from napari_samv2_prompts.engine import Outline, Session
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import Chosen, data_at, plane_if_shown, world_map
from napari_samv2_prompts.layers.private_api import overlay_base, overlay_table
from napari_samv2_prompts.prompts import Prompt

from .prompting import CurrentObject
from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Image, Shapes
    from napari.viewer import Viewer
    from numpy.typing import NDArray

_BOX_MODES = ("add_rectangle", "add_ellipse")


class PreviewAtMouse:
    """Shows what a click at the mouse would give, as long as it is switched on.

    - `current`: the object that clicks go to, and their sign
    - `start`: returns a prompt with the mask that a first prompt of its object starts from
    """

    def __init__(
        self,
        viewer: Viewer,
        session: Session,
        current: CurrentObject,
        start: Callable[[Prompt], Prompt],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._current = current
        self._start_of = start
        self._image: Image | None = None
        self._shapes: Shapes | None = None
        self._name = f"samv2 prompts {uuid4()}"  # two widgets in one viewer don't share it
        self._overlay: OutlineOverlay | None = None
        self._asked: Sequence[float] | None = None  # where a click is shown, in the world
        self._links = Connections()

    @property
    def on(self) -> bool:
        """Whether the preview is switched on."""
        return self._overlay is not None

    @on.setter
    def on(self, value: bool) -> None:
        if value and not self.on and can_draw():
            self._start()
        elif not value and self.on:
            self._stop()

    def choose(self, chosen: Chosen) -> None:
        """Preview on this image from now on."""
        self._image, self._shapes = chosen.image, chosen.shapes
        self._drop()

    def again(self) -> None:
        """Ask anew: a click is for another object now, or says something else."""
        if self._asked is not None:
            self._ask(self._asked)

    def close(self) -> None:
        """Leave nothing in the viewer; idempotent."""
        self.on = False
        self._image = self._shapes = None

    # --- switching --------------------------------------------------------------------------

    def _start(self) -> None:
        viewer, dims = self._viewer, self._viewer.dims.events
        self._overlay = OutlineOverlay(visible=True)
        viewer.scene.overlays[self._name] = self._overlay
        self._links.add(self._on_outline, self._session.preview.changed)
        self._links.add(self._drop, dims.current_step, dims.order, dims.ndisplay)
        self._links.add(self._on_canvas, viewer.events.mouse_over_canvas)
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_drag_callbacks.append(self._on_press)
        if viewer.mouse_over_canvas:
            self._ask(viewer.cursor.position)

    def _stop(self) -> None:
        self._drop()
        self._links.close()
        self._viewer.mouse_move_callbacks.remove(self._on_move)
        self._viewer.mouse_drag_callbacks.remove(self._on_press)
        del self._viewer.scene.overlays[self._name]
        self._overlay = None

    # --- from the mouse to a prompt ---------------------------------------------------------

    def _on_move(self, viewer: object, event: Any) -> None:
        if not event.is_dragging:
            self._ask(event.position)

    def _on_press(self, viewer: object, event: Any) -> Iterator[None]:
        """Drop what was asked, as a click must not wait for it; follow a box as it is drawn."""
        self._drop()
        if not self._draws_box:
            return
        start = tuple(event.position)
        yield
        while event.type == "mouse_move":
            self._ask_box(start, event.position)
            yield
        self._drop()

    def _on_canvas(self, event: object = None) -> None:
        if not self._viewer.mouse_over_canvas:
            self._drop()

    def _drop(self, event: object = None) -> None:
        self._asked = None
        self._session.preview.drop()

    def _ask(self, position: Sequence[float]) -> None:
        prompt = self._prompt_at(position)
        if prompt is None:
            self._drop()
        else:
            self._asked = position
            self._session.preview.ask(prompt)

    def _prompt_at(self, position: Sequence[float]) -> Prompt | None:
        """Return the current object's prompt with one more click, or None beside the image."""
        request, plane, at = self._session.request, self._plane(), self._pixel(position)
        if request is None or plane is None or at is None:
            return None
        pixel = np.array([at])
        if not plane.inside(pixel)[0]:
            return None
        number, sign = self._current.number, int(self._current.positive)
        known = next((item for item in request.prompts if item.object == number), None)
        if known is None:
            first = Prompt(number, points=pixel, labels=np.array([sign], np.int8))
            return self._start_of(first)
        points, labels = np.vstack([known.points, pixel]), np.append(known.labels, sign)
        return replace(known, points=points, labels=labels)

    @property
    def _draws_box(self) -> bool:
        shapes = self._shapes
        active = self._viewer.layers.selection.active
        return shapes is not None and active == shapes and shapes.mode in _BOX_MODES

    def _ask_box(self, start: Sequence[float], end: Sequence[float]) -> None:
        corners = [self._pixel(position) for position in (start, end)]
        if corners[0] is None or corners[1] is None:
            return
        (x0, y0), (x1, y1) = corners[0], corners[1]
        if x0 == x1 or y0 == y1:
            return
        box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        self._session.preview.ask(Prompt(max(1, self._current.number), box=box))

    def _pixel(self, position: Sequence[float]) -> tuple[float, float] | None:
        """Return a place of the world in pixels of the plane; None without a plane."""
        image, plane = self._image, self._plane()
        if image is None or plane is None:
            return None
        (pixel,) = plane.to_pixels(data_at(image, position, self._viewer.dims))
        return float(pixel[0]), float(pixel[1])

    def _plane(self) -> Plane | None:
        """Return the plane that the session works on, if it is still the one on screen."""
        request, shown = self._session.request, plane_if_shown(self._viewer.dims, self._image)
        return shown if request is not None and shown == request.place.plane else None

    # --- from an outline to the screen ------------------------------------------------------

    def _on_outline(self, outline: Outline | None) -> None:
        overlay, plane = self._overlay, self._plane()
        if overlay is not None:
            lines = () if outline is None or plane is None else outline.lines
            overlay.segments = Segments.of([self._in_scene(line, plane) for line in lines if plane])

    def _in_scene(self, pixels: NDArray[np.float64], plane: Plane) -> NDArray[np.float64]:
        """Return plane pixels as coordinates of the scene: shown world axes, the last one first."""
        image, dims = self._image, self._viewer.dims
        if image is None:  # pragma: no cover  (there is no plane without an image)
            return pixels
        world = world_map(image, dims)(plane.to_data(pixels))
        first = dims.ndim - image.ndim
        return world[:, [axis - first for axis in reversed(dims.displayed)]]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Straight pieces of line."""

    # Shape (2 N, 2): start and end of each piece, as ``(x, y)`` in the scene: shown axes of the
    # world, reversed.
    ends: NDArray[np.float32]

    @classmethod
    def of(cls, lines: Sequence[NDArray[np.float64]]) -> Segments:
        """Return the pieces of some lines, arrays of shape (N, 2)."""
        pieces = [np.stack([line[:-1], line[1:]], axis=1).reshape(-1, 2) for line in lines]
        return cls(np.concatenate(pieces or [np.empty((0, 2))]).astype(np.float32))


class OutlineOverlay(SceneOverlay):
    """What is to be drawn.

    - `.segments`: None draws nothing
    """

    segments: Any = None


def can_draw() -> bool:
    """Teach the viewer to draw the overlay; return whether this viewer can learn it."""
    table, base = overlay_table(), overlay_base()
    if table is None or base is None:
        return False
    try:
        table.setdefault(OutlineOverlay, _visual(base))
    except (ImportError, AttributeError, TypeError):
        return False
    return True


def _visual(base: type[Any]) -> type[Any]:
    """Return the class that draws an outline: white on black, which is seen on any ground."""
    from vispy.scene.visuals import Compound, Line

    class VispyOutline(base):
        def __init__(self, **arguments: Any) -> None:
            pieces = np.zeros((2, 2), np.float32)
            styles = (("black", 4.0), ("white", 1.6))
            self._lines = [
                Line(pieces, color=color, width=width, connect="segments")
                for color, width in styles
            ]
            super().__init__(node=Compound(self._lines), **arguments)
            self.overlay.events.segments.connect(self._on_segments)
            self.reset()
            self._on_segments()

        def _on_segments(self, event: object = None) -> None:
            segments = self.overlay.segments
            there = segments is not None and len(segments.ends) > 0
            for line in self._lines:
                line.visible = there
                if there:
                    line.set_data(pos=segments.ends)

        def close(self) -> None:
            self.overlay.events.segments.disconnect(self._on_segments)
            super().close()

    return VispyOutline
