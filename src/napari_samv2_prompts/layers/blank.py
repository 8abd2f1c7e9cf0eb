"""New labels: zeros that take memory where they are written, and not far around it.

Not here: the layer (``prompt_layers``).
"""

from __future__ import annotations

import math
import mmap
import sys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Below this, numpy asks for no huge pages either.
LARGE = 1 << 22


def blank_labels(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return writable zeros of dtype uint16.

    For large arrays numpy asks Linux for pages of 2 MB.  Each is cleared when a pixel of it is
    written, so that an object of 200 rows in 12000 x 12000 takes 6 MB, and where the system has no
    memory at hand many times the time of all the rest.  Here pages have their usual size.

    Raises MemoryError if there is not enough.
    """
    count = math.prod(shape)
    if sys.platform == "linux" and 2 * count >= LARGE:
        try:
            pages = mmap.mmap(-1, 2 * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError) as error:
            raise MemoryError(f"No memory for labels of {2 * count / 1e9:.1f} GB.") from error
        return np.frombuffer(pages, np.uint16).reshape(shape)
    return np.zeros(shape, np.uint16)
