"""Volumes whose objects are known, and objects of them as tasks for propagation.

Here: :class:`Volume`, :func:`read_volume` and :func:`objects_of`.  Not here: how they are judged
(``evaluate_volumes.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import imread

from napari_samv2_prompts.samv2.finetune.clicks import mask_box

SMALLEST_SECTION, FEWEST_PLANES = 30, 3
"""Objects whose largest section has fewer pixels, or that are on fewer planes, are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A stack and its objects.

    Attributes
    ----------
    name : str
    image : array of shape (Z, Y, X), uint8
    labels : array of shape (Z, Y, X), integers
        One number per object through all planes; 0 is background.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[Any]

    def cut(self, planes: slice, rows: slice, columns: slice) -> Volume:
        """Return a part of it."""
        part = planes, rows, columns
        return Volume(self.name, self.image[part], self.labels[part])


def read_volume(path: Path) -> Volume:
    """Read ``NAME.tif`` and ``NAME.labels.tif``."""
    labels = imread(path.with_name(f"{path.stem}.labels.tif"))
    return Volume(path.stem, imread(path), labels.astype(np.int64))


def objects_of(volume: Volume) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yield number, plane of the largest section and areas on all planes of each object."""
    count = int(volume.labels.max()) + 1
    areas = np.stack([np.bincount(plane.ravel(), minlength=count) for plane in volume.labels])
    for number in range(1, count):
        area = areas[:, number]
        if area.max() >= SMALLEST_SECTION and np.count_nonzero(area) >= FEWEST_PLANES:
            yield number, int(area.argmax()), area


def box_of(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """Return the tight box of a mask as a prompt."""
    x0, y0, x1, y1 = mask_box(mask).tolist()
    return x0 - 0.5, y0 - 0.5, x1 + 0.5, y1 + 0.5


def iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return intersection over union; 1 where both are empty."""
    union = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / union) if union else 1.0


def copied(truth: NDArray[np.bool_], areas: NDArray[np.int64]) -> float:
    """Return the 3-D IoU of the largest true section, copied over the object's true extent."""
    planes = np.flatnonzero(areas)
    guess = np.zeros_like(truth)
    guess[planes[0] : planes[-1] + 1] = truth[areas.argmax()]
    return iou(guess, truth)
