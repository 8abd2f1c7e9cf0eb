"""Points and Shapes on a plane become prompts of the model, one per object.

Here: merging points and shapes of the same object, the meaning of each type of shape, and what is
left out with a note.  Reading alters no layer and raises nothing that a user can bring about.

Not here: feature columns (``prompt_layers``), transforms (``planes``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from skimage.draw import polygon as polygon_pixels

from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.layers.planes import project_to_plane
from napari_samv2_prompts.layers.prompt_layers import is_points, negatives, object_numbers
from napari_samv2_prompts.prompts import Prompt

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes
    from numpy.typing import NDArray

__all__ = ["PromptReader", "prompted_objects", "prompts_on_plane", "read_prompts"]

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

NOTES = {
    "outside": "{n} prompt(s) outside the image are left out.",
    "degenerate": "{n} shape(s) too small to mean anything are left out.",
    "numberless": "{n} prompt(s) without a whole number above 0 as object are left out.",
}


@dataclass(slots=True)
class _Parts:
    """What was said about one object, while it is gathered; plain numbers, quick to compare."""

    points: list[list[float]] = field(default_factory=list)  # x, y
    labels: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)  # x0, y0, x1, y1
    outlines: list[list[list[float]]] = field(default_factory=list)


def read_prompts(
    points: Points | None,
    shapes: Shapes | None,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    *,
    logits_size: int = 256,
) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """Return the prompts on the shown plane, one per object in ascending order, and notes.

    Points and shapes of one object become one prompt.  Rectangles and ellipses give their bounding
    box, polygons their box and their filled outline as mask prompt, paths and lines positive points
    along them; several boxes of one object their union.  Coordinates are plane pixels ``(x, y)``.

    Parameters
    ----------
    points, shapes : layers, optional
        With feature columns (see ``adopt_prompt_layer``).
    image_layer : Image
    plane : Plane
        From ``current_plane(dims, image_layer)``.
    dims : Dims
        ``viewer.dims``.
    logits_size : int, optional
        Side of the mask that a polygon is drawn into; it covers the polygon's box.

    Returns
    -------
    prompts : tuple of Prompt
        The arrays are copies.
    notes : tuple of str
        One sentence for each kind of thing that was left out.
    """
    return PromptReader(logits_size).read(points, shapes, image_layer, plane, dims)


class PromptReader:
    """Reads prompts over and over: one that did not change is the same value as the last time.

    Making a value, and telling two equal ones apart, takes far longer than comparing the numbers
    that it is made of.

    Parameters
    ----------
    logits_size : int, optional
        See :func:`read_prompts`.
    """

    def __init__(self, logits_size: int = 256) -> None:
        self._logits_size = logits_size
        self._shape = (0, 0)
        self._last: dict[int, tuple[_Parts, Prompt]] = {}

    def read(
        self,
        points: Points | None,
        shapes: Shapes | None,
        image_layer: Image,
        plane: Plane,
        dims: Dims,
    ) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
        """Return prompts and notes; see :func:`read_prompts`."""
        parts: dict[int, _Parts] = {}
        dropped: Counter[str] = Counter()
        notes: list[str] = []
        for layer, gather in ((points, _gather_points), (shapes, _gather_shapes)):
            if layer is None or not len(layer.data):
                continue
            try:
                gather(layer, image_layer, plane, dims, parts, dropped)
            except PlaneError as error:
                notes.append(f"{layer.name}: {error}")
                continue
            if layer.ndim < plane.ndim:
                notes.append(
                    f"{layer.name} has fewer axes than the image: it counts on every plane."
                )
        notes += [NOTES[kind].format(n=n) for kind, n in dropped.items()]
        last = self._last if plane.shape == self._shape else {}
        self._shape, self._last = plane.shape, {}
        for number in sorted(parts):
            known = last.get(number)
            if known is None or known[0] != parts[number]:
                prompt = _as_prompt(number, parts[number], plane, self._logits_size)
                known = parts[number], prompt
            self._last[number] = known
        return tuple(prompt for _, prompt in self._last.values()), tuple(notes)


def prompts_on_plane(
    layer: Points | Shapes, image_layer: Image, plane: Plane, dims: Dims
) -> NDArray[np.bool_]:
    """Tell which points or shapes stand on a plane, shape (N,); none if that can't be told."""
    n_items = len(layer.data)
    if not n_items:
        return np.zeros(0, dtype=bool)
    lengths = [1] * n_items if is_points(layer) else [len(shape) for shape in layer.data]
    vertices = np.concatenate([np.atleast_2d(item) for item in layer.data])
    try:
        _, here = project_to_plane(layer, vertices, image_layer, plane, dims)
    except PlaneError:
        return np.zeros(n_items, dtype=bool)
    return np.array([part.all() for part in np.split(here, np.cumsum(lengths)[:-1])], dtype=bool)


def prompted_objects(points: Points | None, shapes: Shapes | None) -> frozenset[int]:
    """Return the objects that have a prompt anywhere, on whatever plane."""
    numbers = [object_numbers(layer) for layer in (points, shapes) if layer is not None]
    return frozenset(int(n) for column in numbers for n in column if n > 0)


def _gather_points(
    layer: Points,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    parts: dict[int, _Parts],
    dropped: Counter[str],
) -> None:
    pixels, on_plane = project_to_plane(layer, layer.data, image_layer, plane, dims)
    inside = plane.inside(pixels)
    columns = zip(
        *(column.tolist() for column in (object_numbers(layer), negatives(layer), pixels, inside)),
        strict=True,
    )
    for (number, is_negative, pixel, is_inside), here in zip(columns, on_plane, strict=True):
        if not here:
            continue
        if reason := "numberless" if number == 0 else "" if is_inside else "outside":
            dropped[reason] += 1
            continue
        entry = parts.setdefault(number, _Parts())
        entry.points.append(pixel)
        entry.labels.append(0 if is_negative else 1)


def _gather_shapes(
    layer: Shapes,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    parts: dict[int, _Parts],
    dropped: Counter[str],
) -> None:
    ends = np.cumsum([len(vertices) for vertices in layer.data])[:-1]
    vertices = np.concatenate(layer.data)
    pixels, on_plane = project_to_plane(layer, vertices, image_layer, plane, dims)
    outlines, here = np.split(pixels, ends), np.split(on_plane, ends)
    columns = zip(object_numbers(layer), layer.shape_type, outlines, here, strict=True)
    for number, kind, outline, on_plane in columns:
        if not on_plane.all():
            continue
        new = _Parts()
        reason = "numberless" if number == 0 else _add_shape(new, str(kind), outline, plane)
        if reason:
            dropped[reason] += 1
            continue
        entry = parts.setdefault(int(number), _Parts())
        entry.points += new.points
        entry.labels += new.labels
        entry.boxes += new.boxes
        entry.outlines += new.outlines


def _add_shape(parts: _Parts, kind: str, pixels: NDArray[np.float64], plane: Plane) -> str:
    """Add what a shape means; return the reason why it means nothing, or an empty string."""
    if not np.isfinite(pixels).all():
        return "degenerate"
    if kind in ("path", "line"):
        if np.ptp(pixels, axis=0).max() == 0:
            return "degenerate"
        scribble = _along(pixels, SCRIBBLE_SPACING * min(LARGE, max(plane.shape)))
        scribble = scribble[plane.inside(scribble)]
        parts.points += scribble.tolist()
        parts.labels += [1] * len(scribble)
        return "" if len(scribble) else "outside"
    low, high = _bounds(kind, pixels)
    if (high - low).min() < MIN_SIDE:
        return "degenerate"
    low = np.maximum(low, -0.5)
    high = np.minimum(high, np.array(plane.shape[::-1]) - 0.5)
    if (high - low).min() <= 0:
        return "outside"
    parts.boxes.append([*low.tolist(), *high.tolist()])
    if kind == "polygon":
        parts.outlines.append(pixels.tolist())
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


def _as_prompt(number: int, parts: _Parts, plane: Plane, logits_size: int) -> Prompt:
    box = None
    if parts.boxes:
        corners = np.array(parts.boxes)
        box = (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))
    mask = mask_box = None
    if parts.outlines:
        outlines = [np.array(outline) for outline in parts.outlines]
        every = np.concatenate(outlines)
        low = np.maximum(every.min(axis=0), -0.5)
        high = np.minimum(every.max(axis=0), np.array(plane.shape[::-1]) - 0.5)
        mask, mask_box = np.full((logits_size, logits_size), OUTSIDE, np.float32), (*low, *high)
        for outline in outlines:
            mask[_filled(outline, low, high, logits_size)] = INSIDE
    points = np.reshape(parts.points, (-1, 2))
    return Prompt(number, points, np.array(parts.labels), box, mask, mask_box)


def _filled(
    outline: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    side: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the cells of a square inside an outline, the square covering ``low`` to ``high``.

    All in plane pixels ``(x, y)``; the two axes may scale differently.
    """
    stretched = (outline - low) / (high - low) * side - 0.5
    rows, columns = polygon_pixels(stretched[:, 1], stretched[:, 0], (side, side))
    if not len(rows):  # smaller than a cell
        column, row = np.clip(np.rint(stretched.mean(axis=0)), 0, side - 1).astype(np.intp)
        return np.array([row]), np.array([column])
    return rows, columns
