"""A plane of any array as the 8-bit RGB picture that the model sees.

Here: :class:`ImageView` (what is to be embedded, as a key and a slow ``read``), the mapping of
values to 8 bit, and reading a plane out of numpy, dask, zarr, xarray or the like.

Not here: layers (``layers``), coordinates (``geometry``), resizing to the model's input
(``samv2``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

__all__ = ["Contrast", "ImageView"]

Contrast = Literal["displayed", "percentiles"]


@dataclass(frozen=True, slots=True)
class ImageView:
    """What is to be embedded: a name for its content, its size and how to read it.

    Two views are equal when they show the same content.

    Parameters
    ----------
    key : hashable
        Says the content: layer, its data, plane and contrast.  Never the position of anything else.
    shape : tuple of int
        ``(height, width)`` of the picture in plane pixels.
    read : callable
        Reads and converts: ``() -> array of shape (height, width, 3), uint8``.  May be slow
        (disk, network, computation): call it in a worker.  It touches no layer.
    """

    key: Hashable
    shape: tuple[int, int]
    read: Callable[[], NDArray[np.uint8]] = field(compare=False, repr=False)
