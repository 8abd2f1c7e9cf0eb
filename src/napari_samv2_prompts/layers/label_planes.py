"""On which planes each label of a layer stands.

Not here: where on a plane (``labels_reading``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PlaneIndex = tuple[int, ...]
"""Where a plane stands on the axes that are not shown, in their order in the data."""

SMALL = 2**20  # labels up to which counting needs less memory than sorting
BLOCK = 2**20  # pixels that are counted at a time


def labels_by_plane(
    data: NDArray[Any], hidden: Sequence[int], check: Callable[[], object] = lambda: None
) -> dict[int, tuple[PlaneIndex, ...]]:
    """Return the planes on which each label has a pixel, for the worker.

    - `hidden`: the axes of the data that are not shown; two are left
    - `check`: called before each plane; what it raises ends the search
    - returns the planes of each label in rising order; without the background
    """
    shape = tuple(data.shape[axis] for axis in hidden)
    found: dict[int, list[PlaneIndex]] = {}
    for index in np.ndindex(shape):
        check()
        where: list[Any] = [slice(None)] * data.ndim
        for axis, position in zip(hidden, index, strict=True):
            where[axis] = position
        for label in _labels_in(data[tuple(where)]):
            found.setdefault(label, []).append(index)
    return {label: tuple(planes) for label, planes in sorted(found.items())}


def _labels_in(plane: NDArray[Any]) -> list[int]:
    """Return the labels of a plane above 0."""
    there: set[int] = set()
    height = max(1, BLOCK // max(1, plane.shape[1]))
    for start in range(0, len(plane), height):
        block = np.asarray(plane[start : start + height])
        low, high = (int(block.min()), int(block.max())) if block.size else (0, 0)
        if low >= 0 and high < SMALL:
            counted = np.bincount(block.reshape(-1), minlength=1)
            there.update(np.flatnonzero(counted).tolist())
        else:
            there.update(np.unique(block).tolist())
    return sorted(label for label in there if label > 0)
