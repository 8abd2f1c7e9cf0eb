"""Points and Shapes on a plane become prompts of the model, one per object.

Here: merging points and shapes of the same object, and the meaning of each type of shape.  Reading
alters no layer and raises nothing that a user can bring about.

Not here: feature columns (``rows``), transforms (``planes``), how it is said what is left out
(``left_out``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.layers.left_out import Kind, LeftOut, Reading, Reason
from napari_samv2_prompts.layers.planes import WHOLE, Shown, project_to_plane, world_map
from napari_samv2_prompts.layers.rows import PromptRows, is_points
from napari_samv2_prompts.layers.state import Chosen, PromptTables, read_tables
from napari_samv2_prompts.prompts import Prompt
from napari_samv2_prompts.shapes import LOGITS_SIZE, Parts

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes
    from numpy.typing import NDArray

# Between two planes the viewer shows this on the lower one, and all others on the nearest.
_CUT_SHORT = "rectangle"


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

    - `points`, `shapes`: with feature columns (see ``prompt_layers``)
    - `plane`: from ``current_plane(dims, image_layer)``
    - `dims`: ``viewer.dims``
    - `logits_size`: side of the mask that a polygon is drawn into; it covers the polygon's box
    - returns `prompts`: the arrays are copies
    - returns `notes`: one sentence for each kind of thing that was left out
    """
    shown = Shown(image_layer, plane, world_map(image_layer, dims))
    chosen = Chosen(image_layer, points, shapes)
    reading = PromptReader(logits_size).read(chosen, read_tables(chosen, dims, None), shown, dims)
    return reading.prompts, reading.notes


class PromptReader:
    """Reads prompts over and over: one that did not change is the same value as the last time.

    Making a value, and telling two equal ones apart, takes far longer than comparing the numbers
    that it is made of.

    - `logits_size`: see :func:`read_prompts`
    """

    def __init__(self, logits_size: int = LOGITS_SIZE) -> None:
        self._logits_size = logits_size
        self._shape = (0, 0)
        self._last: dict[int, tuple[Parts, Prompt]] = {}

    def read(self, chosen: Chosen, tables: PromptTables, shown: Shown, dims: Dims) -> Reading:
        """Return what the layers say about a plane, with the objects that the tables say.

        See :func:`read_prompts`; `tables` are as just read from the same layers.
        """
        gathered = _Gathered()
        for layer, rows, gather in (
            (chosen.points, tables.points, _gather_points),
            (chosen.shapes, tables.shapes, _gather_shapes),
        ):
            if layer is None or rows is None or not len(rows):
                continue
            try:
                gather(layer, rows, shown, dims, gathered)
            except PlaneError as error:
                gathered.remarks.append(f"{layer.name}: {error}")
                continue
            if layer.ndim < shown.plane.ndim:
                gathered.remarks.append(
                    f"{layer.name} has fewer axes than the image: it counts on every plane."
                )
        return Reading(
            self._prompts(gathered.parts, shown.plane), gathered.all_left(), tuple(gathered.remarks)
        )

    def _prompts(self, parts: dict[int, Parts], plane: Plane) -> tuple[Prompt, ...]:
        last = self._last if plane.shape == self._shape else {}
        self._shape, self._last = plane.shape, {}
        for number in sorted(parts):
            known = last.get(number)
            if known is None or known[0] != parts[number]:
                prompt = parts[number].prompt(number, plane.shape, self._logits_size)
                known = parts[number], prompt
            self._last[number] = known
        return tuple(prompt for _, prompt in self._last.values())


@dataclass(slots=True)
class _Gathered:
    """What was found so far."""

    parts: dict[int, Parts] = field(default_factory=dict)
    left: dict[tuple[Reason, Kind], list[tuple[int, int]]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def leave(self, reason: Reason, layer: Kind, row: int, number: int) -> None:
        self.left.setdefault((reason, layer), []).append((row, number))

    def all_left(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(
                reason,
                layer,
                tuple(row for row, _ in found),
                tuple(sorted({number for _, number in found})),
            )
            for (reason, layer), found in self.left.items()
        )


def prompts_on_plane(layer: Points | Shapes, shown: Shown, dims: Dims) -> NDArray[np.bool_]:
    """Tell which points or shapes stand on a plane, shape (N,); none if that can't be told."""
    if not len(layer.data):
        return np.zeros(0, dtype=bool)
    try:
        if is_points(layer):
            return project_to_plane(layer, layer.data, shown, dims).on_plane
        here = [item.here for item in _outlines(layer, layer.data, shown, dims)]
        return np.array(here, dtype=bool)
    except PlaneError:
        return np.zeros(len(layer.data), dtype=bool)


def _gather_points(
    layer: Points, rows: PromptRows, shown: Shown, dims: Dims, gathered: _Gathered
) -> None:
    found = project_to_plane(layer, layer.data, shown, dims)
    columns = zip(
        rows.objects.tolist(),
        rows.negative.tolist(),
        found.pixels.tolist(),
        shown.plane.inside(found.pixels).tolist(),
        np.isfinite(layer.data).all(axis=1).tolist(),
        found.on_plane.tolist(),
        strict=True,
    )
    for row, (number, is_negative, pixel, is_inside, is_somewhere, here) in enumerate(columns):
        if is_somewhere and not here:
            continue
        if not is_somewhere:
            gathered.leave("nowhere", "points", row, number)
        elif number == 0:
            gathered.leave("numberless", "points", row, number)
        elif not is_inside:
            gathered.leave("outside", "points", row, number)
        else:
            entry = gathered.parts.setdefault(number, Parts())
            entry.add_point(pixel, positive=not is_negative)


class _Outline(NamedTuple):
    """A shape on a plane."""

    kind: str
    pixels: NDArray[np.float64]
    finite: bool
    here: bool  # all of it
    passes: bool  # it reaches through this plane and others


def _outlines(
    layer: Shapes, data: Sequence[NDArray[Any]], shown: Shown, dims: Dims
) -> Iterator[_Outline]:
    ends = np.cumsum([len(vertices) for vertices in data])[:-1]
    vertices = np.concatenate(data)
    found = project_to_plane(layer, vertices, shown, dims)
    index = np.array([i for i in shown.plane.index if i is not None])
    parts = (found.pixels, found.on_plane, found.hidden, np.isfinite(vertices).all(axis=1))
    for kind, pixels, on_plane, hidden, finite in zip(
        layer.shape_type, *(np.split(part, ends) for part in parts), strict=False
    ):
        cut_short = found.same_grid and str(kind) == _CUT_SHORT
        whole = np.trunc(hidden + WHOLE) if cut_short else np.rint(hidden)
        low, high = whole.min(axis=0), whole.max(axis=0)
        here = bool((low == index).all() and (high == index).all()) if cut_short else on_plane.all()
        reaches = bool((low <= index).all() and (index <= high).all())
        yield _Outline(str(kind), pixels, bool(finite.all()), bool(here), reaches and not here)


def _gather_shapes(
    layer: Shapes, rows: PromptRows, shown: Shown, dims: Dims, gathered: _Gathered
) -> None:
    outlines = _outlines(layer, layer.data[: len(rows)], shown, dims)
    for row, (number, outline) in enumerate(zip(rows.objects.tolist(), outlines, strict=True)):
        if not outline.finite:
            gathered.leave("nowhere", "shapes", row, number)
        elif outline.passes:
            gathered.leave("spread", "shapes", row, number)
        elif outline.here:
            new = Parts()
            size = shown.plane.shape
            reason = new.add_shape(outline.kind, outline.pixels, size) if number else "numberless"
            if reason == "":
                gathered.parts.setdefault(number, Parts()).add(new)
            else:
                gathered.leave(reason, "shapes", row, number)
