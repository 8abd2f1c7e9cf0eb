"""Which part of the plane is embedded, and its outline in the viewer.

How a region is chosen is in ``regions``; when it is embedded, the session decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from napari.components.overlays import ZoomOverlay

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.layers import Shown
from napari_samv2_prompts.layers.visible import canvas_box, visible_part
from napari_samv2_prompts.regions import InputSides, Region, choose_region

from .hints import Seen

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["Framing", "Part"]

Part = Literal["visible", "whole"]
ViewAt = Callable[[Plane], ImageView]

OPACITY = 0.8


class Framing:
    """Chooses the part of a plane that is embedded, and shows it.

    Planes that are larger than the model's largest input are embedded in parts.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
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

        Parameters
        ----------
        shown : Shown
        sides : InputSides
            Of the model.
        part : {"visible", "whole"}
        whole_at : callable
            Returns the view of a whole plane.
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
