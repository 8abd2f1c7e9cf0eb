"""What is drawn over the picture and is in no layer: an outline of a mask, a box around a region.

Overlays stand among the viewer's own, beside axes and scale bar, so that they are neither listed
nor saved with the layers and have no undo history.  How an overlay is drawn can only be said in a
table that is not public (``layers.private_api``); where there is none, no preview is offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from napari.components.overlays import SceneOverlay, ZoomOverlay

from napari_samv2_prompts.layers import Shown
from napari_samv2_prompts.layers.private_api import overlay_base, overlay_table
from napari_samv2_prompts.layers.visible import canvas_box
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from numpy.typing import NDArray

__all__ = ["OutlineOverlay", "Segments", "can_draw"]

OPACITY = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Straight pieces of line.

    Attributes
    ----------
    ends : array of shape (2 N, 2), float32
        Start and end of each piece, as ``(x, y)`` in the scene: shown axes of the world, reversed.
    """

    ends: NDArray[np.float32]

    @classmethod
    def of(cls, lines: Sequence[NDArray[np.float64]]) -> Segments:
        """Return the pieces of some lines, arrays of shape (N, 2)."""
        pieces = [np.stack([line[:-1], line[1:]], axis=1).reshape(-1, 2) for line in lines]
        return cls(np.concatenate(pieces or [np.empty((0, 2))]).astype(np.float32))


class OutlineOverlay(SceneOverlay):
    """What is to be drawn.

    Attributes
    ----------
    segments : Segments or None
        None draws nothing.
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


class RegionOutline:
    """A thin box around a region, drawn on the canvas: no layer, nothing to click on or to save.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

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
