"""Which cell a mask means, where it reaches beyond the walls of one.

The mask of a box often takes in parts of the neighbours.  As a place to flood from it would carry
them through the whole stack.  Cells are what is left of a plane below some height; the one meant
has the extent of the mask.

Here: :func:`in_its_cell`.  Not here: floods (``flooding.py``), what heights are (``walls.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = 4
"""Pixels around a mask in which its cell is looked for."""
LEVELS = np.linspace(0.05, 0.98, 24)
"""Shares of the pixels that are below the heights at which cells are cut."""
FEWEST = 6
"""A mask of which less is left stays as it is."""


def in_its_cell(mask: NDArray[np.bool_], height: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the part of a mask that lies in the cell that it means.

    - `mask`, `height`: arrays of shape (h, w); walls are higher than what they part
    """
    own = _extents(mask.astype(np.int32))
    best, cell = 0.0, mask
    for level in np.quantile(height, LEVELS) if len(own) else ():
        cells, count = ndimage.label(height <= level)
        if not count:
            continue
        found = _extents(cells)
        # Walls are left out: the object's own half of them belongs to its extent.
        found += (-1, -1, 1, 1)
        alike = _overlaps(found, own[0])
        place = int(alike.argmax())
        if alike[place] > best:
            best, cell = float(alike[place]), cells == place + 1
    part = np.asarray(mask & ndimage.binary_dilation(cell))
    return part if np.count_nonzero(part) >= FEWEST else mask


def _extents(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the boxes ``(n, 4)`` of labels: top, left, bottom, right."""
    slices = ndimage.find_objects(labels)
    boxes = [(y.start, x.start, y.stop, x.stop) for y, x in slices]
    return np.array(boxes, np.int64).reshape(-1, 4)


def _overlaps(boxes: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the IoU of each box with one."""
    low, high = np.maximum(boxes[:, :2], one[:2]), np.minimum(boxes[:, 2:], one[2:])
    common = (high - low).clip(0).prod(axis=1)
    sizes = [(each[..., 2:] - each[..., :2]).prod(axis=-1) for each in (boxes, one)]
    return np.asarray(common / (sizes[0] + sizes[1] - common))
