"""Planes that may be looked at next: those beside the shown one, or all, as views to be embedded.

No pixel is read here.  When a view is embedded, the engine decides.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import overload

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView

ViewAt = Callable[[Plane], ImageView]


class OtherPlanes:
    """Remembers how the user moved, and whether all planes were asked for.

    - `.wanted`: whether all planes are to be embedded
    - `.count`: how many planes the image has
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

    def views(
        self, plane: Plane, sizes: Sequence[int], view_at: ViewAt, *, beside: bool
    ) -> tuple[tuple[ImageView, ...], Sequence[ImageView]]:
        """Return what may be looked at next, and all planes if they were asked for.

        - `plane`: the shown one
        - `sizes`: of the image, along each of its axes
        - `view_at`: returns the view of a plane
        - `beside`: whether the planes beside the shown one may be of use
        """
        self.count = prod(sizes[axis] for axis in plane.hidden)
        self._follow(plane, sizes)
        next_ones = self._beside(plane, sizes, view_at) if beside else ()
        return next_ones, self._all(plane, sizes, view_at)

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
