"""Which plane of an nD layer is shown, and how coordinates travel to and from its pixels.

Here: :class:`Plane` (the shown axes, the index on every other axis, the size) and
:class:`AffineMap` (coordinates of one layer to those of the world, and the part of it that
concerns the shown axes).  Numpy only.

Conventions: *data coordinates* are array indices, one column per axis of the layer, pixel centres
at whole numbers.  *Plane pixels* are ``(x, y)``: column and row of the plane in the order in which
its axes are shown, pixel centres at whole numbers too.

Not here: reading layers, ``Dims`` or units (``layers``), values of pixels (``images``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Entries of a matrix below this share of the others are rounding noise: rotations come from
# cosines, and files carry matrices in single precision.
NOISE = 1e-6


class PlaneError(ValueError):
    """There is no single 2D plane to work on; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One 2D plane of an nD array, as it is shown.

    Hashable, and equal planes show the same pixels in the same orientation.

    - `axes`: data axis shown as rows and data axis shown as columns, in that order.  They come from
      the displayed order, so that a transposed display gives ``(2, 1)`` rather than ``(1, 2)``.
    - `index`: for each data axis the index that is shown; None for the two shown axes
    - `shape`: ``(height, width)``: the array's size along ``axes``
    - raises PlaneError if the plane has no pixels
    - raises ValueError if ``axes`` and ``index`` contradict each other
    """

    axes: tuple[int, int]
    index: tuple[int | None, ...]
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        """Check that the two shown axes, and only they, have no index."""
        if sorted(self.axes) != [axis for axis, i in enumerate(self.index) if i is None]:
            raise ValueError(f"Shown axes {self.axes} do not fit the index {self.index}.")
        if min(self.shape) < 1:
            raise PlaneError("The image has no pixels on this plane.")

    @property
    def ndim(self) -> int:
        """Number of data axes of the layer (without the channel axis of RGB)."""
        return len(self.index)

    @property
    def hidden(self) -> tuple[int, ...]:
        """The data axes that are not shown, in ascending order."""
        return tuple(axis for axis, i in enumerate(self.index) if i is not None)

    @property
    def is_transposed(self) -> bool:
        """Whether rows run along a later data axis than columns."""
        return self.axes[0] > self.axes[1]

    def meets(self, other: Plane) -> bool:
        """Whether two planes of an array have pixels in common; they may lie across each other."""
        pairs = zip(self.index, other.index, strict=True)
        return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)

    def is_in(self, sizes: Sequence[int]) -> bool:
        """Whether an array of these sizes has this plane."""
        if len(sizes) != self.ndim or tuple(sizes[axis] for axis in self.axes) != self.shape:
            return False
        return all(i is None or 0 <= i < size for i, size in zip(self.index, sizes, strict=True))

    def in_data_order(self) -> Plane:
        """Return the same pixels with rows along the earlier of the two shown data axes."""
        if not self.is_transposed:
            return self
        return Plane(self.axes[::-1], self.index, self.shape[::-1])

    def indexer(
        self, rows: slice = slice(None), columns: slice = slice(None)
    ) -> tuple[int | slice, ...]:
        """Return what to index the layer's data with to get this plane, or a part of it.

        The result has the plane's two axes in *data* order; hand it to :meth:`oriented`.

        - `rows`, `columns`: the part of the plane, in plane pixels
        - returns one entry per data axis.  A trailing channel axis needs none.
        """
        entries: list[int | slice] = [slice(None) if i is None else i for i in self.index]
        entries[self.axes[0]] = rows
        entries[self.axes[1]] = columns
        return tuple(entries)

    def oriented(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn an array with the plane's axes in data order (and channels last) as it is shown."""
        return array.swapaxes(0, 1) if self.is_transposed else array

    def indices(
        self, rows: NDArray[np.integer], columns: NDArray[np.integer]
    ) -> tuple[NDArray[np.intp], ...]:
        """Return the index arrays, one per data axis, of the given pixels of the plane.

        - `rows`, `columns`: array of shape (N,), int; plane pixels
        - returns tuple of arrays of shape (N,), intp; ready for fancy indexing of the layer's data
        """
        shown = {
            self.axes[0]: np.asarray(rows, dtype=np.intp),
            self.axes[1]: np.asarray(columns, dtype=np.intp),
        }
        return tuple(
            shown[axis] if axis in shown else np.full(len(rows), index, dtype=np.intp)
            for axis, index in enumerate(self.index)
        )

    def to_pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return data coordinates as plane pixels, whatever their place on the hidden axes.

        - `points`: array-like of shape (N, ndim)
        - returns an array of shape (N, 2), float64; ``(x, y)``
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, self.ndim)
        return points[:, [self.axes[1], self.axes[0]]]

    def to_data(self, pixels: ArrayLike) -> NDArray[np.float64]:
        """Return plane pixels as data coordinates on this plane.

        - `pixels`: array-like of shape (N, 2); ``(x, y)``
        - returns an array of shape (N, ndim), float64
        """
        pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
        points = np.tile([0.0 if i is None else float(i) for i in self.index], (len(pixels), 1))
        points[:, [self.axes[1], self.axes[0]]] = pixels
        return points

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Tell which data coordinates lie on this plane: their hidden parts round to its index.

        Halves round to the even index, as the viewer does when it picks the slice to show.

        - `points`: array-like of shape (N, ndim)
        - returns an array of shape (N,), bool
        """
        points = np.asarray(points, dtype=np.float64).reshape(-1, self.ndim)
        index = [i for i in self.index if i is not None]
        return np.asarray(np.all(np.rint(points[:, list(self.hidden)]) == index, axis=1))

    def inside(self, pixels: ArrayLike) -> NDArray[np.bool_]:
        """Tell which pixels lie on the plane; see :func:`on_image`."""
        return on_image(pixels, self.shape)


def on_image(pixels: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which pixels lie on an image, whose edge is half a pixel off the centres.

    - `pixels`: array-like of shape (N, 2); ``(x, y)``
    - `shape`: ``(height, width)``
    - returns an array of shape (N,), bool
    """
    pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    return np.asarray(np.all((pixels >= -0.5) & (pixels <= np.array(shape[::-1]) - 0.5), axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class AffineMap:
    """An affine map of coordinates: ``points @ matrix.T + offset``.

    - `matrix`: array of shape (N, N), float64
    - `offset`: array of shape (N,), float64
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def ndim(self) -> int:
        """Number of coordinates."""
        return len(self.offset)

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Map points of shape (M, N); what isn't finite stays so."""
        with np.errstate(invalid="ignore", over="ignore"):
            mapped: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ self.matrix.T
            return mapped + self.offset

    def inverse(self) -> AffineMap:
        """Return the map back.

        Raises PlaneError if the map flattens an axis (a scale of 0).
        """
        try:
            matrix = np.linalg.inv(self.matrix).astype(np.float64)
        except np.linalg.LinAlgError:
            raise PlaneError("A layer's scale or affine flattens an axis; set another.") from None
        return AffineMap(matrix, -matrix @ self.offset)

    def then(self, other: AffineMap) -> AffineMap:
        """Return the map that applies this one first and ``other`` to its result."""
        return AffineMap(other.matrix @ self.matrix, other.matrix @ self.offset + other.offset)

    def scaled(self, factors: ArrayLike) -> AffineMap:
        """Return the map with each resulting coordinate multiplied by a factor (units)."""
        factors = np.asarray(factors, dtype=np.float64)
        return AffineMap(factors[:, None] * self.matrix, factors * self.offset)

    def on_axes(self, axes: Sequence[int]) -> AffineMap:
        """Return the part of the map that concerns some axes, in the given order.

        - `axes`: axes that are the same before and after the map
        - raises PlaneError if those axes are mixed with the other ones, so that the part does not
          stand alone
        """
        picked = list(axes)
        others = [axis for axis in range(self.ndim) if axis not in picked]
        here, there = self.matrix[picked], self.matrix[others]
        mixes = any(
            np.abs(rows[:, foreign]).max(initial=0) > NOISE * np.abs(rows[:, own]).max(initial=0)
            for rows, own, foreign in ((here, picked, others), (there, others, picked))
        )
        if mixes:
            raise PlaneError(
                "A layer is rotated or sheared out of the plane that is shown;"
                " only transforms within the plane can be used."
            )
        return AffineMap(self.matrix[np.ix_(picked, picked)], self.offset[picked])

    def almost_equals(self, other: AffineMap, size: ArrayLike) -> bool:
        """Tell whether two maps put an array of the given size in the same place.

        - `size`: array-like of shape (N,); number of pixels along each axis
        - returns True if every corner lands within a hundredth of a pixel
        """
        if self.ndim != other.ndim:
            return False
        size = np.asarray(size, dtype=np.float64)
        corners = np.stack(np.meshgrid(*[(0.0, n) for n in size], indexing="ij"), axis=-1)
        corners = corners.reshape(-1, self.ndim)
        return bool(np.abs(self.then(other.inverse())(corners) - corners).max() < 0.01)
