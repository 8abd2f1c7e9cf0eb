"""An outline over the picture that is in no layer: the viewer's overlay model, and how it is drawn.

The overlay stands among the scene's overlays, beside the axes, so it is neither listed nor saved
with the layers and has no undo history.  That list is the viewer's public interface; the table that
says how an overlay is drawn is not, so only :func:`can_draw` touches it, and where that fails the
preview is not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components.overlays import SceneOverlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OutlineOverlay", "Segments", "can_draw"]


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
    try:
        from napari._vispy.utils.visual import overlay_to_visual

        overlay_to_visual.setdefault(OutlineOverlay, _visual())
    except (ImportError, AttributeError, TypeError):
        return False
    return True


def _visual() -> type[Any]:
    """Return the class that draws an outline: white on black, which is seen on any ground."""
    from napari._vispy.overlays.base import ViewerOverlayMixin, VispySceneOverlay
    from vispy.scene.visuals import Compound, Line

    class VispyOutline(ViewerOverlayMixin, VispySceneOverlay):
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
