"""Prompts as they come in from files, object by object and plane by plane.

Here: :class:`PromptSet`, which every reader adds to.  Not here: the files (``prompt_tables.py``,
``annotations.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from napari_samv2_prompts.geometry import on_image
from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.shapes import Parts
from napari_samv2_prompts.words import counted

PlaneIndex = tuple[int, ...]
"""Where a plane stands on the axes in front of it; empty for prompts that name no plane."""

_FAR = 1e9  # pixels; no image is so large, and lengths of more can't be computed with
_NOTES = {
    "outside": ("prompt", "outside the image"),
    "degenerate": ("shape", "too small to mean anything"),
    "unknown": ("shape", "of a kind that means no prompt"),
}


def refuse_outside(
    size: tuple[int, int], name: str, box: ArrayLike = (), points: ArrayLike = ()
) -> None:
    """Refuse what a script prompts beside an image, as tables are.

    - `size`: height and width of the image
    - `name`: what the message calls it: "object 3"
    - `box`: ``x0, y0, x1, y1``, corners in any order
    - `points`: array-like of shape (N, 2), ``x, y``
    """
    corners = np.sort(np.reshape(box, (-1, 2)).astype(np.float64), axis=0).tolist()
    outside = bool(corners) and not PromptSet(size).overlaps(corners[0], corners[1])
    if outside or not on_image(points, size).all():
        what = "The box" if outside else "A point"
        wide = counted(size[1], "pixel")
        raise ValueError(
            f"{what} of {name} lies outside the image, which is {wide} wide and {size[0]} high."
        )


@dataclass
class PromptSet:
    """Prompts of the planes of an image."""

    size: tuple[int, int]  # height and width of a plane in pixels
    depth: int | None = None  # how many planes a stack has; None for an image of one plane
    planes: dict[PlaneIndex, dict[int, Parts]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what the user should know, in sentences
    _dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def parts(self, plane: PlaneIndex, number: int) -> Parts:
        """Return what is known of an object on a plane, to be added to."""
        return self.planes.setdefault(plane, {}).setdefault(number, Parts())

    def add_box(self, plane: PlaneIndex, number: int, box: ArrayLike, source: str) -> None:
        """Add a box, of corners in any order, or count it as left out."""
        x0, y0, x1, y1 = np.asarray(box, np.float64).tolist()
        low, high = (min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))
        if low[0] == high[0] or low[1] == high[1]:
            self.drop(source, "degenerate")
        elif not self.overlaps(low, high):
            self.drop(source, "outside")
        else:
            self.parts(plane, number).boxes.append([*low, *high])

    def add_shape(
        self,
        plane: PlaneIndex,
        number: int,
        kind: str,
        pixels: ArrayLike,
        source: str,
        holes: Sequence[ArrayLike] = (),
    ) -> None:
        """Add a shape as the window reads it, or count it as left out."""
        parts = Parts()
        rings = [np.asarray(ring, np.float64) for ring in (pixels, *holes)]
        far = max(np.abs(ring).max(initial=0) for ring in rings) > _FAR
        reason = "outside" if far else parts.add_shape(kind, pixels, self.size, holes)
        if reason:
            self.drop(source, reason)
        else:
            self.parts(plane, number).add(parts)

    def add_point(
        self,
        plane: PlaneIndex,
        number: int,
        pixel: ArrayLike,
        source: str,
        *,
        positive: bool = True,
    ) -> None:
        """Add a click, or count it as left out."""
        if on_image(pixel, self.size).all():
            self.parts(plane, number).add_point(pixel, positive=positive)
        else:
            self.drop(source, "outside")

    def overlaps(self, low: tuple[float, float], high: tuple[float, float]) -> bool:
        """Tell whether a box from ``(x0, y0)`` to ``(x1, y1)`` has a part on the image."""
        height, width = self.size
        inside = high[0] > -0.5 and high[1] > -0.5
        return inside and low[0] < width - 0.5 and low[1] < height - 0.5

    def drop(self, source: str, reason: str) -> None:
        """Count what is left out, for a note."""
        self._dropped[source, reason] += 1

    @property
    def all_notes(self) -> tuple[str, ...]:
        """All notes, with those about what was left out."""
        dropped = (
            f"{source}: left out: {counted(n, _NOTES[reason][0])} {_NOTES[reason][1]}."
            for (source, reason), n in self._dropped.items()
        )
        return (*self.notes, *dropped, *self._without_a_yes())

    def _without_a_yes(self) -> Iterator[str]:
        """Yield a note for each object of which it is only said where it is not."""
        said: dict[int, list[Parts]] = {}
        for objects in self.planes.values():
            for number, parts in objects.items():
                said.setdefault(number, []).append(parts)
        for number, places in sorted(said.items()):
            if not any(part.boxes or part.outlines or 1 in part.labels for part in places):
                yield f"Object {number} has only negative clicks: add a positive one, or a box."

    @property
    def highest(self) -> int:
        """The highest object; 0 if there is none."""
        return max((number for objects in self.planes.values() for number in objects), default=0)

    def batch(self, plane: PlaneIndex = ()) -> PromptBatch:
        """Return the prompts of a plane, those that name no plane among them."""
        objects: dict[int, Parts] = {}
        for index in dict.fromkeys(((), plane)):
            for number, parts in self.planes.get(index, {}).items():
                objects.setdefault(number, Parts()).add(parts)
        return PromptBatch(
            tuple(objects[number].prompt(number, self.size) for number in sorted(objects))
        )

    def by_plane(self) -> dict[int, PromptBatch]:
        """Return the prompts of each plane of a stack that has any.

        Raises ValueError if prompts name no plane, or one that the stack does not have.
        """
        depth = self.depth or 1
        for plane in self.planes:
            if len(plane) != 1 or not 0 <= plane[0] < depth:
                where = f"on plane {', '.join(map(str, plane))}" if plane else "on no plane"
                raise ValueError(
                    f"There are prompts {where}, and the stack has {counted(depth, 'plane')}, "
                    f"counted from 0 to {depth - 1}."
                )
        return {plane[0]: self.batch(plane) for plane in sorted(self.planes)}

    def single(self) -> PromptBatch:
        """Return the prompts of an image of one plane.

        Raises ValueError if they stand on several planes.
        """
        named = sorted(plane for plane in self.planes if any(plane))
        if named:
            where = ", ".join(map(str, named[0]))
            raise ValueError(
                f"The prompts stand on planes (the first one that is not 0: {where}), and the "
                "image has one: segment the stack that they belong to with --through."
            )
        joined = PromptSet(self.size)
        for objects in self.planes.values():
            for number, parts in objects.items():
                joined.parts((), number).add(parts)
        return joined.batch()
