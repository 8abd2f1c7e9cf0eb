"""Where each pixel of a plane was on the plane before, and what that says about masks.

Here: :func:`moved`, which carries a mask from one picture to the next by comparing small patches,
and :func:`displacement`, which finds how far an object moved as a whole.  Both look at grey values
alone and know nothing of the model.  Patches are compared as in block matching; that a pixel's
value is an average over all likely places, and not that of the best one, follows label propagation
by local attention (Jabri et al., NeurIPS 2020).

Not here: what is made of it (``evidence.py``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATCH = 7
"""Side of the patches that are compared, in pixels."""
RADIUS = 3
"""How far a pixel may have moved beside the object's own displacement, in pixels."""
ENOUGH = 300
"""Pixels of an object, about, that say how far it moved as a whole."""
STIFFNESS = 0.02
"""What a squared pixel of that costs, in units of the picture's noise."""


def moved(
    before: NDArray[np.float32], now: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Carry a mask from a picture to the next.

    - `before`: array of shape (h + 2 RADIUS, w + 2 RADIUS); the earlier picture, with a margin
    - `now`: array of shape (h, w)
    - `mask`: array of the shape of `before`; the mask in the earlier picture, 0 to 1
    - returns array of shape (h, w); how much of each pixel, 0 to 1, came from the mask
    """
    h, w = now.shape
    shifted = np.lib.stride_tricks.sliding_window_view
    # A copy, which reshaping makes but where a side is a pixel: all is worked out in its place.
    cost = np.require(shifted(before, (h, w)).reshape(-1, h, w), requirements=("C", "W"))
    cost -= now
    cost *= cost
    ndimage.uniform_filter(cost, (1, PATCH, PATCH), cost, mode="nearest")
    least = cost.min(axis=0)
    offset = np.arange(-RADIUS, RADIUS + 1, dtype=np.float32) ** 2
    cost -= least
    cost /= -(least.mean() + 1.0)
    cost -= STIFFNESS * (offset[:, None] + offset[None]).reshape(-1, 1, 1)
    weight = np.exp(cost, out=cost)
    places = weight.reshape(2 * RADIUS + 1, -1, h, w)
    carried = np.einsum("abij,abij->ij", places, shifted(mask, (h, w)))
    return np.asarray(carried / weight.sum(axis=0), np.float32)


def displacement(
    before: NDArray[np.float32],
    now: NDArray[np.float32],
    mask: NDArray[np.bool_],
    expected: tuple[int, int],
    radius: int,
) -> tuple[int, int]:
    """Find how far an object moved as a whole.

    - `before`, `now`: array of shape (h, w); the same part of two pictures, with room around the
      object
    - `mask`: array of shape (h, w), bool; the object in the earlier one
    - `expected`: rows and columns, from its motion so far
    - `radius`: how far from no motion and from the expected one to look, in pixels
    - returns rows and columns
    """
    rows, columns = np.nonzero(mask)
    every = max(1, len(rows) // ENOUGH)
    rows, columns = rows[::every], columns[::every]
    values = before[rows, columns]
    spread = float(values.std()) + 8.0
    places = _places(expected, radius)
    off, count = _differences(now, rows, columns, values, places)
    mean = off / np.maximum(count, 1) / spread
    far = np.minimum((places**2).sum(axis=1), ((places - expected) ** 2).sum(axis=1))
    cost = np.where(count < 0.5 * len(rows), np.inf, mean + 0.02 * np.sqrt(far))
    if not len(rows) or not np.isfinite(cost).any():
        return 0, 0
    dy, dx = places[int(cost.argmin())].tolist()
    return dy, dx


def _differences(
    now: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    values: NDArray[np.float32],
    places: NDArray[np.intp],
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return how much pixels differ at each displacement, and how many of them are inside."""
    (h, w), (dy, dx) = now.shape, places.T[..., None]
    if _is_within(h, rows, dy) and _is_within(w, columns, dx):  # most are, and that is quicker
        off = np.take(now, rows * w + columns + (dy * w + dx))
        off -= values
        return np.abs(off, out=off).sum(axis=1), np.full(len(places), len(rows))
    y, x = rows + dy, columns + dx
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    off = np.abs(now[y.clip(0, h - 1), x.clip(0, w - 1)] - values)
    return np.where(inside, off, 0).sum(axis=1), inside.sum(axis=1)


def _is_within(length: int, at: NDArray[np.intp], moves: NDArray[np.intp]) -> bool:
    """Tell whether all of some places are on an axis after each move."""
    return len(at) > 0 and at.min() + moves.min() >= 0 and at.max() + moves.max() < length


@lru_cache(256)
def _places(expected: tuple[int, int], radius: int) -> NDArray[np.intp]:
    """Return the displacements to try: around none, and around the expected one, every other."""
    steps = range(-radius, radius + 1, 2)
    around = {(dy, dx) for dy in steps for dx in steps}
    moved = {(expected[0] + dy, expected[1] + dx) for dy, dx in around}
    return np.array(sorted(around | moved))
