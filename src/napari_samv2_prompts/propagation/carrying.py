"""Carrying an object to the next plane, before the model is asked.

Here: :func:`carry`: where it moved to as a whole, going on as it moved so far, and where each of
its pixels went.

Not here: how pixels are found again (``correspondence.py``), what is made of it (``handover.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.regions import Region

from .correspondence import RADIUS, displacement, moved
from .patches import around, as_grey, centre, depth, smoothed
from .values import History, Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 10
"""Room around an object's place, in pixels: it grows by no more than that from plane to plane."""


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """An object on its way to the next plane.

    - `.window`: the part of the plane in which it is looked for
    - `.now`, `.before`: grey values; `before` is moved to where the object is now
    - `.mask`, `.soft`: the last mask at those pixels, and how much of each pixel came from it
    - `.inside`: each pixel's depth in what is more than half from it
    - `.anchor`: the mask of the anchor behind, its middle where that of `soft` is
    - `.distance`: planes from there
    - `.areas`: of the two last masks, the older one first
    """

    window: Region
    now: NDArray[np.float32]
    before: NDArray[np.float32]
    mask: NDArray[np.bool_]
    soft: NDArray[np.float32]
    inside: NDArray[np.float32]
    anchor: NDArray[np.bool_]
    distance: int
    areas: tuple[int, int]


def carry(stack: Stack, plane: int, history: History) -> Carried:
    """Find where an object is on a plane, and where each of its pixels went."""
    shape = stack.shape[1:]
    last, crop = history.planes[-1]
    expected = _motion(history)
    radius = min(int(max(crop.mask.shape) * 0.25), 8)
    search = around(crop, radius + max(map(abs, expected)), shape)
    before, now = (_grey(stack, p, search) for p in (last, plane))
    dy, dx = displacement(before, now, crop.within(search), expected, radius)
    there = crop.moved(dy, dx)
    window = around(there, MARGIN, shape)
    wide = window.grown(RADIUS)
    before, now = _grey(stack, last, wide, dy, dx), _grey(stack, plane, window)
    soft = moved(before, now, there.within(wide).astype(np.float32))
    anchor, distance = _anchor_at(history, plane, soft, window)
    older = history.planes[-2:][0][1]
    return Carried(
        window, now, before[RADIUS:-RADIUS, RADIUS:-RADIUS], there.within(window), soft,
        depth(soft > 0.5), anchor, distance, (older.area, crop.area),
    )  # fmt: skip


def _grey(
    stack: Stack, plane: int, window: Region, dy: int = 0, dx: int = 0
) -> NDArray[np.float32]:
    """Return the grey values at a window's pixels of a picture moved by `dy`, `dx`.

    Beyond the plane's edge they are those at the edge.  Noise is smoothed a little.
    """
    _, height, width = stack.shape
    rows = (np.arange(window.top - 1, window.bottom + 1) - dy).clip(0, height - 1)
    columns = (np.arange(window.left - 1, window.right + 1) - dx).clip(0, width - 1)
    part = stack.read(plane, slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    return smoothed(as_grey(part)[np.ix_(rows - rows[0], columns - columns[0])])


def _motion(history: History) -> tuple[int, int]:
    """Extrapolate an object's motion over the planes behind: rows and columns a plane."""
    if len(history.planes) < 2:
        return 0, 0
    (p0, first), (p1, last) = history.planes[0], history.planes[-1]
    if not (first.mask.any() and last.mask.any()):
        return 0, 0
    a, b = centre(first), centre(last)
    dy, dx = ((v - u) / abs(p1 - p0) for u, v in zip(a, b, strict=True))
    return round(dy), round(dx)


def _anchor_at(
    history: History, plane: int, soft: NDArray[np.float32], window: Region
) -> tuple[NDArray[np.bool_], int]:
    """Return the mask of the anchor behind, moved to where the object is, and how far it is."""
    last = history.planes[-1][0]
    behind = [at for at in history.anchors if (at <= last) == (last < plane) or at == last]
    near = min(behind, key=lambda at: abs(at - plane)) if behind else last
    crop = history.anchors.get(near, history.planes[-1][1])
    weight = float(soft.sum())
    if weight < 1 or not crop.area:
        return crop.within(window), abs(near - plane)
    rows, columns = soft.sum(axis=1), soft.sum(axis=0)
    y = float((rows * np.arange(len(rows))).sum()) / weight + window.top
    x = float((columns * np.arange(len(columns))).sum()) / weight + window.left
    row, column = centre(crop)
    there = crop.moved(round(y - row), round(x - column))
    return there.within(window), abs(near - plane)
