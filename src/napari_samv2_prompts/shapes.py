"""What points and shapes in pixels of a plane mean as prompts.

Here: :class:`Parts`, what was said about one object, gathered shape by shape and turned into one
:class:`.Prompt`.  Pixels are ``(x, y)`` with centres at whole numbers, shapes of planes ``(H, W)``.

Not here: where shapes come from, whether layers (``layers``) or files (``io``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.geometry import on_image
from napari_samv2_prompts.prompts import Prompt

Reason = Literal["", "outside", "degenerate"]

LOGITS_SIZE = 256  # side of the mask that a polygon is drawn into
# A box or outline with a side below this many pixels comes from a click without a drag.
MIN_SIDE = 2.0
# Points along a path: one per this share of the image's longer side, within these bounds.  The
# prompt encoder was trained with few clicks; more of them than this add time but no precision.
# Images longer than LARGE pixels are looked at in parts.
SCRIBBLE_SPACING = 1 / 32
LARGE = 2048
SCRIBBLE_POINTS = (2, 8)
# Low-res logits inside and outside a filled outline: sure, but within what the decoder puts out.
# The published video predictor gives mask prompts the same values.
INSIDE, OUTSIDE = 10.0, -10.0


@dataclass(slots=True)
class Parts:
    """What was said about one object, while it is gathered; plain numbers, quick to compare."""

    points: list[list[float]] = field(default_factory=list)  # x, y
    labels: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)  # x0, y0, x1, y1
    # Each as rings of x, y: its edge, then its holes.
    outlines: list[list[list[list[float]]]] = field(default_factory=list)

    def add_point(self, pixel: ArrayLike, *, positive: bool = True) -> None:
        """Add a click."""
        x, y = np.asarray(pixel, np.float64).tolist()
        self.points.append([x, y])
        self.labels.append(int(positive))

    def add_shape(
        self,
        kind: str,
        pixels: ArrayLike,
        shape: tuple[int, int],
        holes: Iterable[ArrayLike] = (),
    ) -> Reason:
        """Add what a shape means; return the reason why it means nothing, or an empty string.

        Rectangles and ellipses give their bounding box, polygons their box and their filled
        outline as mask prompt, paths and lines positive points along them.

        - `kind`: as napari names it: "rectangle", "ellipse", "polygon", "path" or "line"
        - `pixels`: array-like of shape (N, 2); its vertices; of an ellipse the four corners around
          it
        - `shape`: of the plane
        - `holes`: in a polygon, each an array-like of shape (N, 2)
        """
        inner = [np.asarray(hole, np.float64) for hole in holes]
        return _add(self, kind, np.asarray(pixels, np.float64), inner, shape)

    def add(self, other: Parts) -> None:
        """Add what was gathered elsewhere about the same object."""
        self.points += other.points
        self.labels += other.labels
        self.boxes += other.boxes
        self.outlines += other.outlines

    def prompt(self, number: int, shape: tuple[int, int], logits_size: int = LOGITS_SIZE) -> Prompt:
        """Return all of it as one prompt: of several boxes their union."""
        return _prompt(number, self, shape, logits_size)


def _add(
    parts: Parts,
    kind: str,
    pixels: NDArray[np.float64],
    holes: list[NDArray[np.float64]],
    shape: tuple[int, int],
) -> Reason:
    """Add what a shape means; return the reason why it means nothing, or an empty string."""
    if not np.isfinite(pixels).all():
        return "degenerate"
    if kind in ("path", "line"):
        if np.ptp(pixels, axis=0).max() == 0:
            return "degenerate"
        scribble = _along(pixels, SCRIBBLE_SPACING * min(LARGE, max(shape)))
        scribble = scribble[on_image(scribble, shape)]
        parts.points += scribble.tolist()
        parts.labels += [1] * len(scribble)
        return "" if len(scribble) else "outside"
    low, high = _bounds(kind, pixels)
    if (high - low).min() < MIN_SIDE:
        return "degenerate"
    low = np.maximum(low, -0.5)
    high = np.minimum(high, np.array(shape[::-1]) - 0.5)
    if (high - low).min() <= 0:
        return "outside"
    parts.boxes.append([*low.tolist(), *high.tolist()])
    if kind == "polygon":
        parts.outlines.append([ring.tolist() for ring in (pixels, *holes)])
    return ""


def _bounds(
    kind: str, pixels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest ``(x, y)`` of a shape given by its vertices."""
    if kind == "ellipse" and len(pixels) == 4:
        # The vertices are the corners of a parallelogram around it, which is wider when turned.
        centre = pixels.mean(axis=0)
        half_axes = (pixels[1] - pixels[0]) / 2, (pixels[3] - pixels[0]) / 2
        reach = np.hypot(*half_axes)
        return centre - reach, centre + reach
    return pixels.min(axis=0), pixels.max(axis=0)


def _along(path: NDArray[np.float64], spacing: float) -> NDArray[np.float64]:
    """Return points of shape (N, 2) evenly spread along a path, a little off its ends."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    reached = np.concatenate([[0.0], np.cumsum(steps)])
    n_points = int(np.clip(round(reached[-1] / spacing), *SCRIBBLE_POINTS))
    at = (np.arange(n_points) + 0.5) / n_points * reached[-1]
    return np.stack([np.interp(at, reached, path[:, axis]) for axis in (0, 1)], axis=1)


def _prompt(number: int, parts: Parts, shape: tuple[int, int], logits_size: int) -> Prompt:
    box = None
    if parts.boxes:
        corners = np.array(parts.boxes)
        box = (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))
    mask = mask_box = None
    if parts.outlines:
        outlines = [[np.array(ring) for ring in outline] for outline in parts.outlines]
        every = np.concatenate([edge for edge, *_ in outlines])
        low = np.maximum(every.min(axis=0), -0.5)
        high = np.minimum(every.max(axis=0), np.array(shape[::-1]) - 0.5)
        inside = np.zeros((logits_size, logits_size), bool)
        for edge, *holes in outlines:
            own = np.zeros_like(inside)
            own[_filled(edge, low, high, logits_size)] = True
            for hole in holes:
                own[_cells_in(hole, low, high, logits_size)] = False
            inside |= own
        mask, mask_box = np.where(inside, INSIDE, OUTSIDE).astype(np.float32), (*low, *high)
    points = np.reshape(parts.points, (-1, 2))
    return Prompt(number, points, np.array(parts.labels), box, mask, mask_box)


def _filled(
    outline: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], side: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of :func:`_cells_in`; where an outline is smaller than a cell, that one."""
    rows, columns = _cells_in(outline, low, high, side)
    if not len(rows):
        middle = (outline.mean(axis=0) - low) / (high - low) * side - 0.5
        column, row = np.clip(np.rint(middle), 0, side - 1).astype(np.intp)
        return np.array([row]), np.array([column])
    return rows, columns


def _cells_in(
    outline: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], side: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of a square inside an outline, the square covering ``low`` to ``high``.

    All in plane pixels ``(x, y)``; the two axes may scale differently.
    """
    from skimage.draw import polygon

    stretched = (outline - low) / (high - low) * side - 0.5
    rows, columns = polygon(stretched[:, 1], stretched[:, 0], (side, side))
    return rows, columns
