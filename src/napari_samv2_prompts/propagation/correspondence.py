"""Where each pixel of a plane was on the plane before, and what that says about masks.

Here: :func:`moved`, which carries a mask from one picture to the next by comparing small patches,
and :func:`displacement`, which finds how far an object moved as a whole.  Both look at grey values
alone and know nothing of the model.  Patches are compared as in block matching; that a pixel's
value is an average over all likely places, and not that of the best one, follows label propagation
by local attention (Jabri et al., NeurIPS 2020).

Not here: what is made of it (``evidence.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["displacement", "moved"]

PATCH = 7
"""Side of the patches that are compared, in pixels."""
REACH = 3
"""How far a pixel may have moved beside the object's own displacement, in pixels."""
STIFFNESS = 0.02
"""What a squared pixel of that costs, in units of the picture's noise."""


def moved(
    before: NDArray[np.float32], now: NDArray[np.float32], mask: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Carry a mask from a picture to the next.

    Parameters
    ----------
    before : array of shape (h + 2 REACH, w + 2 REACH)
        The earlier picture, with a margin.
    now : array of shape (h, w)
    mask : array of the shape of `before`
        The mask in the earlier picture, 0 to 1.

    Returns
    -------
    array of shape (h, w)
        How much of each pixel, 0 to 1, came from the mask.
    """
    h, w = now.shape
    windows = np.lib.stride_tricks.sliding_window_view(before, (h, w))
    shifts = windows.reshape(-1, h, w)
    cost = _patch_means((shifts - now) ** 2)
    least = cost.min(axis=0)
    offset = np.arange(-REACH, REACH + 1, dtype=np.float32) ** 2
    stiffness = STIFFNESS * (offset[:, None] + offset[None]).reshape(-1, 1, 1)
    weight = np.exp((least - cost) / (least.mean() + 1.0) - stiffness)
    masks = np.lib.stride_tricks.sliding_window_view(mask, (h, w)).reshape(-1, h, w)
    return np.asarray((weight * masks).sum(axis=0) / weight.sum(axis=0), np.float32)


def _patch_means(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average maps ``(n, h, w)`` over patches, those at the border over what there is of them."""
    half = PATCH // 2
    for axis in (1, 2):
        length = maps.shape[axis]
        pad = [(0, 0)] * 3
        pad[axis] = (1, 0)
        sums = np.cumsum(np.pad(maps, pad), axis=axis, dtype=np.float32)
        stop = np.minimum(np.arange(length) + half + 1, length)
        start = np.maximum(np.arange(length) - half, 0)
        counts = (stop - start).astype(np.float32)
        maps = np.take(sums, stop, axis) - np.take(sums, start, axis)
        maps /= counts[None, :, None] if axis == 1 else counts
    return maps


def displacement(
    before: NDArray[np.float32],
    now: NDArray[np.float32],
    mask: NDArray[np.bool_],
    expected: tuple[int, int],
    reach: int,
) -> tuple[int, int]:
    """Find how far an object moved as a whole.

    Parameters
    ----------
    before, now : array of shape (h, w)
        The same part of two pictures, with room around the object.
    mask : array of shape (h, w), bool
        The object in the earlier one.
    expected : tuple of int
        Rows and columns, from its motion so far.
    reach : int
        How far from no motion and from the expected one to look, in pixels.

    Returns
    -------
    tuple of int
        Rows and columns.
    """
    rows, columns = np.nonzero(mask)
    h, w = mask.shape
    values = before[rows, columns]
    spread = float(values.std()) + 8.0
    best, least = (0, 0), np.inf
    for dy, dx in sorted(_places(expected, reach)):
        y, x = rows + dy, columns + dx
        inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        if inside.sum() < 0.5 * len(rows):
            continue
        off = np.abs(now[y[inside], x[inside]] - values[inside]).mean() / spread
        far = min(dy**2 + dx**2, (dy - expected[0]) ** 2 + (dx - expected[1]) ** 2)
        cost = off + 0.02 * np.sqrt(far)
        if cost < least:
            best, least = (dy, dx), cost
    return best


def _places(expected: tuple[int, int], reach: int) -> set[tuple[int, int]]:
    """Return the displacements to try: around none, and around the expected one, every other."""
    steps = range(-reach, reach + 1, 2)
    around = {(dy, dx) for dy in steps for dx in steps}
    return around | {(expected[0] + dy, expected[1] + dx) for dy, dx in around}
