"""Which views are embedded: part of the shown plane, its neighbours, and all planes on demand.

No pixel is read here.  How a region is chosen is in ``regions``; when a view is embedded, the
session decides.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, overload
from uuid import uuid4

import numpy as np
from napari.components.overlays import ZoomOverlay

from napari_samv2_prompts.engine import Request
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.layers import Shown
from napari_samv2_prompts.layers.visible import canvas_box, visible_part
from napari_samv2_prompts.regions import InputSides, Region, choose_region

from .widget_state import Part, Seen

if TYPE_CHECKING:
    from napari.viewer import Viewer

__all__ = ["OtherPlanes", "Part", "RegionChoice"]

ViewAt = Callable[[Plane], ImageView]
OPACITY = 0.8


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

        Parameters
        ----------
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


class OtherPlanes:
    """Remembers how the user moved, and whether all planes were asked for.

    Attributes
    ----------
    wanted : bool
        Whether all planes are to be embedded.
    count : int
        How many planes the image has.
    """

    def __init__(self) -> None:
        self.wanted, self.count = False, 1
        self._shown: Plane | None = None
        self._axis: int | None = None  # of the slider that was moved last
        self._step = 1
        self._views: _AllViews | None = None

    @property
    def axis(self) -> int | None:
        """The axis whose slider was moved last, or the first that can be."""
        return self._axis

    def added_to(
        self, request: Request, plane: Plane, sizes: Sequence[int], view_at: ViewAt
    ) -> Request:
        """Return a request with what may be embedded ahead.

        Parameters
        ----------
        plane : Plane
            The shown one.
        sizes : sequence of int
            Of the image, along each of its axes.
        view_at : callable
            Returns the view of a plane.
        """
        self.count = prod(sizes[axis] for axis in plane.hidden)
        self._follow(plane, sizes)
        neighbours = self._beside(plane, sizes, view_at) if request.live else ()
        return replace(request, neighbours=neighbours, all_planes=self._all(plane, sizes, view_at))

    def _beside(self, plane: Plane, sizes: Sequence[int], view_at: ViewAt) -> tuple[ImageView, ...]:
        """Return the next plane in the direction of the last move, and the one behind."""
        axis, views = self._axis, []
        for step in (self._step, -self._step):
            index = list(plane.index)
            here = None if axis is None else index[axis]
            if axis is not None and here is not None and 0 <= here + step < sizes[axis]:
                index[axis] = here + step
                views.append(view_at(replace(plane, index=tuple(index))))
        return tuple(views)

    def _all(self, plane: Plane, sizes: Sequence[int], view_at: ViewAt) -> Sequence[ImageView]:
        """Return all planes if they were asked for, the shown one first, else none.

        It is the same object as long as the image and what is seen of it are the same, so that
        nothing is made twice however many planes there are.
        """
        if not self.wanted:
            self._views = None
            return ()
        first = replace(plane, index=tuple(None if i is None else 0 for i in plane.index))
        name = view_at(first).key
        if self._views is None or self._views.name != name:
            self._views = _AllViews(name, plane, sizes, view_at)
        return self._views

    def _follow(self, plane: Plane, sizes: Sequence[int]) -> None:
        """Notice which slider was moved; without any move, take the first that can be."""
        before, self._shown = self._shown, plane
        if before is not None and before.axes == plane.axes and before.ndim == plane.ndim:
            for axis in plane.hidden:
                here, there = plane.index[axis], before.index[axis]
                if here is not None and there is not None and here != there:
                    self._axis, self._step = axis, (1 if here > there else -1)
        if self._axis not in plane.hidden:
            movable = [axis for axis in plane.hidden if sizes[axis] > 1]
            self._axis, self._step = (movable[0] if movable else None), 1


class _AllViews(Sequence[ImageView]):
    """The views of all planes, each made when it is looked at first."""

    def __init__(self, name: Hashable, start: Plane, sizes: Sequence[int], view_at: ViewAt) -> None:
        self.name = name
        self._start, self._view_at = start, view_at
        self._sizes = tuple(sizes[axis] for axis in start.hidden)
        here = tuple(i for i in start.index if i is not None)
        self._first = int(np.ravel_multi_index(here, self._sizes)) if here else 0
        self._made: dict[int, ImageView] = {}

    def __len__(self) -> int:
        return prod(self._sizes)

    @overload
    def __getitem__(self, place: int) -> ImageView: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ImageView]: ...
    def __getitem__(self, place: int | slice) -> ImageView | Sequence[ImageView]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        if place not in self._made:
            self._made[place] = self._view_at(self._plane(place))
        return self._made[place]

    def __iter__(self) -> Iterator[ImageView]:
        return (self[place] for place in range(len(self)))

    def _plane(self, place: int) -> Plane:
        number = (self._first + place) % len(self)
        numbers = iter(np.unravel_index(number, self._sizes))
        index = tuple(None if i is None else int(next(numbers)) for i in self._start.index)
        return replace(self._start, index=index)


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
