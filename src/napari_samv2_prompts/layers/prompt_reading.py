"""Points and Shapes on a plane become prompts of the model, one per object.

Here: merging points and shapes of the same object, and what is left out with a note.  Reading
alters no layer and raises nothing that a user can bring about.

Not here: what each type of shape means (``shapes.py``), feature columns (``prompt_layers``),
transforms (``planes``).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.layers.planes import project_to_plane
from napari_samv2_prompts.layers.prompt_layers import is_points, negatives, object_numbers
from napari_samv2_prompts.prompts import Prompt
from napari_samv2_prompts.shapes import LOGITS_SIZE, Parts

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes
    from numpy.typing import NDArray

__all__ = ["PromptReader", "prompted_objects", "prompts_on_plane", "read_prompts"]

NOTES = {
    "outside": "{n} prompt(s) outside the image are left out.",
    "degenerate": "{n} shape(s) too small to mean anything are left out.",
    "numberless": "{n} prompt(s) without a whole number above 0 as object are left out.",
}


def read_prompts(
    points: Points | None,
    shapes: Shapes | None,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    *,
    logits_size: int = LOGITS_SIZE,
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

    def __init__(self, logits_size: int = LOGITS_SIZE) -> None:
        self._logits_size = logits_size
        self._shape = (0, 0)
        self._last: dict[int, tuple[Parts, Prompt]] = {}

    def read(
        self,
        points: Points | None,
        shapes: Shapes | None,
        image_layer: Image,
        plane: Plane,
        dims: Dims,
    ) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
        """Return prompts and notes; see :func:`read_prompts`."""
        parts: dict[int, Parts] = {}
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
                prompt = parts[number].prompt(number, plane.shape, self._logits_size)
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
    parts: dict[int, Parts],
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
        parts.setdefault(number, Parts()).add_point(pixel, positive=not is_negative)


def _gather_shapes(
    layer: Shapes,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    parts: dict[int, Parts],
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
        new = Parts()
        reason = "numberless" if number == 0 else new.add_shape(str(kind), outline, plane.shape)
        if reason:
            dropped[reason] += 1
            continue
        parts.setdefault(int(number), Parts()).add(new)
