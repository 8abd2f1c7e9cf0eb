"""Drop the connected components of a mask that hold nothing of what was prompted.

What is annotated in microscopy is in one piece, or each of its pieces is clicked; a small model
also marks bits of what looks alike nearby.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_DROPPED = 4.0  # dropped cells lie this far below the threshold

Logits = NDArray[np.float32]


def drop_unprompted(
    logits: Logits,
    clicks: NDArray[np.floating],
    before: Logits | None,
    *,
    largest: bool,
    threshold: float = 0.0,
) -> Logits:
    """Return one mask's logits with its unprompted components below the threshold.

    A component stays where a positive click lies in it or in a neighbouring cell, or where the mask
    prompt was.  If there is no such component, or it is asked for, the largest stays.

    - `logits`: array of shape (h, w), float32
    - `clicks`: array of shape (N, 2); positive clicks, ``(x, y)`` in cells
    - `before`: array of shape (h, w), float32, or None; the mask prompt's logits
    - `largest`: whether the largest component stays in any case, as for a box
    """
    components, count = ndimage.label(logits > threshold, structure=_EIGHT_NEIGHBOURS)
    if count <= 1:
        return logits
    kept = np.zeros(count + 1, dtype=bool)
    for x, y in np.rint(clicks).astype(int):
        kept[components[max(y - 1, 0) : max(y + 2, 0), max(x - 1, 0) : max(x + 2, 0)]] = True
    if before is not None:
        kept[components[before > threshold]] = True
    if largest or not kept[1:].any():
        kept[1 + int(np.bincount(components.ravel())[1:].argmax())] = True
    kept[0] = True  # what is around the components
    return np.where(kept[components], logits, np.float32(threshold - _DROPPED))
