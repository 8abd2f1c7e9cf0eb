"""Which level, rows and columns of an array to read for a region of a plane, and reading them.

A region that is larger than the model's input is read at the coarsest level of a pyramid that still
has all the detail that the model takes.  Where there is no such level it is read in strips, each
averaged down at once, so that memory goes with the input and not with the plane.

Not here: what the values look like (``values``, ``rendering``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.regions import Region

# What is averaged keeps at least this many pixels for each of the model's input: the last step is
# left to its own, smoother filter.
OVERSAMPLING = 2
# Strips have at least about this many values: few reads, of bounded memory.
STRIP = 32_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What to read of an array, and how many pixels to average into one."""

    data: Any  # array of any kind
    plane: Plane  # of this array, which may be a coarser level
    # In pixels of that plane.
    rows: slice
    columns: slice
    # ``(height, width)`` of the result: as many as there are pixels, or fewer.
    cells: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns that are read."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def read(self) -> NDArray[Any]:
        """Read it as shown: transposed if the plane is."""
        return read_plane(self.data, self.plane, self.rows, self.columns)


def find_window(
    data: Any, plane: Plane, region: Region | None = None, side: int | None = None
) -> Window:
    """Return the cheapest window that has a region with all the detail of the model's input.

    - `data`: a tuple are the levels of a pyramid, the full size first.  Levels that are coarser
      along a hidden axis are left alone: they mix the shown slice with others.
    - `plane`: of the full size
    - `region`: in pixels of the full size; the whole plane by default
    - `side`: side of the model's input.  None: every pixel.
    """
    levels = data if isinstance(data, tuple) else (data,)
    windows = [_window(level, plane, region) for level in levels if _same_slice(level, data, plane)]
    best = windows[0]
    if side is None:
        return best
    for window in windows[1:]:
        full = windows[0].size
        enough = all(n >= min(side, m) for n, m in zip(window.size, full, strict=True))
        if enough and np.prod(window.size) < np.prod(best.size):
            best = window
    most = OVERSAMPLING * side
    height, width = (n // max(1, n // most) for n in best.size)
    return replace(best, cells=(height, width))


def _same_slice(level: Any, data: Any, plane: Plane) -> bool:
    full = data[0] if isinstance(data, tuple) else data
    return level is full or all(level.shape[axis] == full.shape[axis] for axis in plane.hidden)


def _window(level: Any, plane: Plane, region: Region | None) -> Window:
    """Return the window of a region on one level: the nearest whole pixels."""
    shape = plane.shape
    if getattr(level, "shape", None) is not None:
        shape = level.shape[plane.axes[0]], level.shape[plane.axes[1]]
    stretches = (0, plane.shape[0]), (0, plane.shape[1])
    if region is not None:
        stretches = (region.top, region.bottom), (region.left, region.right)
    rows, columns = (
        _scaled(*stretch, n, full)
        for stretch, n, full in zip(stretches, shape, plane.shape, strict=True)
    )
    cells = rows.stop - rows.start, columns.stop - columns.start
    return Window(level, replace(plane, shape=shape), rows, columns, cells)


def _scaled(start: int, stop: int, n: int, full: int) -> slice:
    first = min(round(start * n / full), n - 1)
    return slice(first, max(round(stop * n / full), first + 1))


def read_plane(
    data: Any, plane: Plane, rows: slice = slice(None), columns: slice = slice(None)
) -> NDArray[Any]:
    """Read a part of one plane, and nothing else, of an array.

    - `data`: anything that takes whole numbers and slices as index (numpy, dask, zarr, xarray,
      tensorstore)
    - `rows`, `columns`: in plane pixels
    - returns an array of shape (H, W) or (H, W, channels); as shown: transposed if the plane is
    - raises ValueError if the values are neither bool, whole nor real numbers
    """
    values = np.asarray(data[plane.indexer(rows, columns)])
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"An image of type {values.dtype} can't be segmented; convert it to real numbers."
        )
    return plane.oriented(values)


def strips(window: Window) -> Iterator[Window]:
    """Cut a window along its rows, where the array's chunks end, so that each is read once."""
    chunk = _chunk_length(window.data, window.plane.axes[0])
    least = max(1, STRIP // window.size[1])
    rows = -(-least // chunk) * chunk
    start = window.rows.start
    while start < window.rows.stop:
        stop = min(start // chunk * chunk + rows, window.rows.stop)
        yield replace(window, rows=slice(start, stop))
        start = stop


def add_to_cells(
    sums: NDArray[np.uint32], picture: NDArray[np.uint8], strip: Window, whole: Window
) -> None:
    """Add the pixels of a strip to the sums of the cells that they are in.

    - `sums`: array of shape (rows of cells, columns of cells, channels), uint32; changed in place
    - `picture`: array of shape (h, w, channels), uint8; of the strip
    - `strip`, `whole`: the strip, and what it is cut from
    """
    edges = _edges(*_lengths(whole, 0)) + whole.rows.start
    first = int(np.searchsorted(edges, strip.rows.start, side="right")) - 1
    last = int(np.searchsorted(edges, strip.rows.stop))
    rows = np.maximum(edges[first:last], strip.rows.start) - strip.rows.start
    columns = _edges(*_lengths(whole, 1))[:-1]
    part = np.add.reduceat(picture, rows, axis=0, dtype=np.uint32)
    sums[first:last] += np.add.reduceat(part, columns, axis=1, dtype=np.uint32)


def means_of_cells(sums: NDArray[np.uint32], whole: Window) -> NDArray[np.uint8]:
    """Return the mean of the pixels of each cell, once all were added."""
    rows, columns = (np.diff(_edges(*_lengths(whole, axis))) for axis in (0, 1))
    means: NDArray[np.uint8] = np.rint(sums / (rows[:, None] * columns)[..., None]).astype(np.uint8)
    return means


def _lengths(window: Window, axis: int) -> tuple[int, int]:
    return window.size[axis], window.cells[axis]


def _edges(n: int, cells: int) -> NDArray[np.intp]:
    """Return where each of some cells of n pixels starts, and where the last one ends."""
    return np.arange(cells + 1) * n // cells


def _chunk_length(data: Any, axis: int) -> int:
    """Return how long the chunks of an array are along an axis; 1 if it says nothing."""
    try:
        length = data.chunks[axis]
        return int(max(length) if isinstance(length, tuple) else length)
    except (AttributeError, TypeError, IndexError):
        return 1
