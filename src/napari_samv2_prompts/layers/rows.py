"""What a Points or Shapes layer says, row by row, as a value; and which rows are new.

Reading changes nothing.  A layer tells of new rows in many ways, or in none (pasted points have no
event), so they are found by comparing two readings: rows of the same place are the same, then rows
of the same object, in their order; what is left over is new.

Not here: writing numbers back (``prompt_layers``), what prompts the rows make (``prompt_reading``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.layers.private_api import clipboard, is_drawing
from napari_samv2_prompts.prompts import MAX_OBJECT

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Points, Shapes
    from numpy.typing import NDArray

FreeNumber = Callable[[frozenset[int]], int]
"""Returns a number that no label has, as none has those that follow it; above the given ones."""


@dataclass(frozen=True, slots=True, eq=False)
class PromptRows:
    """The rows of a prompt layer."""

    objects: NDArray[np.int64]  # shape (N,): 0 where the column says no object
    negative: NDArray[np.bool_]  # shape (N,)
    places: tuple[bytes, ...]  # where each row lies, to tell it from others
    planes: tuple[tuple[int, ...], ...]  # where each row stands on the axes that are not shown
    pasted: int = 0  # how many of the last rows look like what was copied last

    def __len__(self) -> int:
        return len(self.objects)

    def says_as(self, other: PromptRows) -> bool:
        """Whether the rows have the same places and objects."""
        return self.places == other.places and np.array_equal(self.objects, other.objects)


def read_rows(layer: Points | Shapes, dims: Dims) -> PromptRows:
    """Return what a layer says now, without a shape that is still being drawn."""
    data: Any = layer.data
    first = dims.ndim - layer.ndim
    hidden = [axis - first for axis in dims.not_displayed if axis >= first]
    if is_points(layer):
        points: Points = layer
        signs, pasted = negatives(points), _pasted(points, hidden)
    else:
        data = data[:-1] if is_drawing(layer) else data
        signs, pasted = np.zeros(len(data), dtype=bool), 0
    objects = object_numbers(layer)[: len(data)]
    places = tuple(np.ascontiguousarray(row).tobytes() for row in data)
    return PromptRows(objects, signs, places, _planes(data, hidden), pasted)


def _planes(data: Any, hidden: list[int]) -> tuple[tuple[int, ...], ...]:
    """Return where each point, or the middle of each shape, stands on the hidden axes."""
    if not hidden or not len(data):
        return ((),) * len(data)
    if isinstance(data, np.ndarray):
        middles = data[:, hidden]
    else:
        ends = np.cumsum([len(vertices) for vertices in data])[:-1]
        vertices = np.concatenate(data)[:, hidden]
        lengths = np.diff([0, *ends, len(vertices)])[:, None]
        middles = np.add.reduceat(vertices, [0, *ends]) / lengths
    finite = np.nan_to_num(np.clip(np.asarray(middles, np.float64), -MAX_OBJECT, MAX_OBJECT))
    return tuple(map(tuple, np.rint(finite).astype(np.int64).tolist()))


def _pasted(points: Points, hidden: list[int]) -> int:
    """Tell how many of the last points lie where those lay that were copied last."""
    copied = clipboard(points)
    if copied is None or len(points.data) < len(copied) or copied.shape[1] != points.ndim:
        return 0
    shown = [axis for axis in range(points.ndim) if axis not in hidden]
    last = np.asarray(points.data)[-len(copied) :]
    same = np.array_equal(last[:, shown], copied[:, shown], equal_nan=True)
    return len(copied) if same else 0


def new_rows(before: PromptRows, now: PromptRows) -> list[int]:
    """Return the rows that were not there before; moving or renumbering a row makes it no other."""
    known = Counter(before.places)
    left = []
    for row, place in enumerate(now.places):
        if known[place]:
            known[place] -= 1
        else:
            left.append(row)
    if not left:
        return []
    kept = Counter(now.places)
    moved: Counter[int] = Counter()
    for place, number in zip(before.places, before.objects.tolist(), strict=True):
        if kept[place]:
            kept[place] -= 1
        else:
            moved[number] += 1
    new = []
    for row in left:
        number = int(now.objects[row])
        if moved[number]:
            moved[number] -= 1
        else:
            new.append(row)
    if len(now) > len(before) or not any(moved.values()):
        return new
    # As many as before, or fewer: moved and renumbered at once, but for what lies upon another row.
    piled = Counter(zip(now.places, now.objects.tolist(), strict=True))
    return [row for row in new if piled[now.places[row], int(now.objects[row])] > 1]


def numbered(
    layer: Points | Shapes,
    before: PromptRows | None,
    now: PromptRows,
    used: frozenset[int],
    free_number: FreeNumber,
) -> tuple[NDArray[np.int64], list[int]]:
    """Return the object that each row is to have, and which rows are new.

    A row without an object becomes a new object.  So does each new shape whose object has one on
    its plane already, as a pasted one has; and pasted points, those of one object together.  On
    another plane what was pasted goes on with its object.

    - `before`: what the layer said last
    - `used`: the objects of all rows, of both layers
    - `free_number`: returns the first number that can be had
    """
    objects = now.objects.copy()
    free = _Free(used, free_number)
    for row in np.flatnonzero(objects == 0).tolist():
        objects[row] = free.next()
    if before is None:
        return objects, []
    new = new_rows(before, now)
    if not new:
        return objects, []
    fresh = set(new)
    there = Counter(
        (int(objects[row]), now.planes[row]) for row in range(len(now)) if row not in fresh
    )
    rows = [row for row in new if now.objects[row]]
    if is_points(layer):
        rows = [row for row in rows if _is_copy(layer, row, now, fresh)]
    others: defaultdict[object, int] = defaultdict(free.next)
    for row in rows:
        key = int(objects[row]), now.planes[row]
        # Shapes drawn at once are one object each; what was one object before it was copied is one.
        together = is_points(layer) or there[key] > 1
        if there[key]:
            objects[row] = others[key] if together else free.next()
        elif not is_points(layer):
            there[key] = 1
    return objects, new


def _is_copy(points: Points, row: int, now: PromptRows, new: set[int]) -> bool:
    """Tell a pasted point from a click: it lies where one was copied, or exactly on another."""
    if row >= len(now) - now.pasted:
        return True
    if points.mode == "add":  # a double click
        return False
    return any(
        now.places[other] == now.places[row] and now.objects[other] == now.objects[row]
        for other in range(row)
        if other not in new
    )


class _Free:
    """Numbers that nobody has, one after the other."""

    def __init__(self, used: frozenset[int], free_number: FreeNumber) -> None:
        self._used, self._free_number = used, free_number
        self._next = 0

    def next(self) -> int:
        number = self._next or self._free_number(self._used)
        while number > MAX_OBJECT or number in self._used:
            number = number % MAX_OBJECT + 1
        self._next = number + 1
        return number


# --- the feature columns ----------------------------------------------------------------------


def object_numbers(layer: Points | Shapes) -> NDArray[np.int64]:
    """Return the object of each item, shape (N,); 0 where there is none that can be a label."""
    if "object" not in layer.features:
        return np.zeros(len(layer.data), dtype=np.int64)
    column = np.asarray(layer.features["object"])
    if column.dtype.kind in "iu":
        valid = (column >= 1) & (column <= MAX_OBJECT)
        return np.where(valid, column, 0).astype(np.int64)
    return np.array([_as_object(value) for value in column], dtype=np.int64)


def _as_object(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return int(number) if number.is_integer() and 1 <= number <= MAX_OBJECT else 0


def negatives(points: Points) -> NDArray[np.bool_]:
    """Tell which points are negative, shape (N,)."""
    if "polarity" not in points.features:
        return np.zeros(len(points.data), dtype=bool)
    return np.array([str(p) == "negative" for p in points.features["polarity"]], dtype=bool)


def is_points(layer: Points | Shapes) -> bool:
    """Tell a Points layer from a Shapes layer."""
    return not hasattr(layer, "shape_type")


def prompted_objects(*layers: Points | Shapes | None) -> frozenset[int]:
    """Return the objects that have a prompt anywhere, on whatever plane."""
    numbers: Sequence[NDArray[np.int64]] = [
        object_numbers(layer) for layer in layers if layer is not None
    ]
    return frozenset(int(n) for column in numbers for n in column if n > 0)
