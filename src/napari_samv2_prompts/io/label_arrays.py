"""Label images as scripts hand them over: whatever holds whole numbers, brought to one form.

Not here: writing them (``exports.py``, ``geojson.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.images import as_array


def as_labels(given: Any, name: str = "The labels") -> NDArray[Any]:
    """Return labels as an array of whole numbers from 0 that other programs can read.

    Arrays of up to 32 bit keep their number type.  Others become uint16, or uint32 where they need
    it: real numbers that are whole, as some programs save labels, and those of 64 bit, which hardly
    a program for images reads.  True and False become 1 and 0.

    - `name`: what the message calls them
    - raises ValueError if they are no whole numbers, below 0, or too high for 32 bit
    """
    array = np.asarray(as_array(given, name))
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    if array.dtype.kind not in "uif" or (array.dtype.kind == "f" and not _are_whole(array)):
        raise ValueError(
            f"{name} are not whole numbers but of type {array.dtype}: labels have one number an "
            "object, and 0 where there is none."
        )
    if array.size and array.min() < 0:
        raise ValueError(f"{name} hold numbers below 0, which are no objects: make them 0.")
    if array.dtype.kind in "ui" and array.dtype.itemsize <= 4:
        return array
    highest = array.max(initial=0)
    if highest >= 1 << 32:
        raise ValueError(
            f"{name} hold the number {highest:.0f}, and files have room for 32 bit: renumber them, "
            "with skimage.segmentation.relabel_sequential for instance."
        )
    return array.astype(np.uint16 if highest < 1 << 16 else np.uint32)


def _are_whole(array: NDArray[Any]) -> bool:
    return bool(np.isfinite(array).all() and (array == np.rint(array)).all())


def numbers_in(labels: NDArray[Any]) -> NDArray[np.intp]:
    """Return the objects that have a pixel, from the lowest, without 0.

    Marking numbers takes a fraction of the time of sorting all pixels, which :func:`numpy.unique`
    does; it is left to that where the numbers are higher than there are pixels.

    - `labels`: array of any shape, whole numbers from 0
    """
    highest = int(labels.max(initial=0))
    if highest > labels.size:
        found = np.unique(labels)
        return found[found > 0].astype(np.intp)
    there = np.zeros(highest + 1, np.bool_)
    there[labels] = True
    there[0] = False
    return np.flatnonzero(there)
