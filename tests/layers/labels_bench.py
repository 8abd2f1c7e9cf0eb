"""A small Labels layer to write to, and what is written: discs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    LabelsTarget,
)
from napari_samv2_prompts.mask_crops import MaskCrop

if TYPE_CHECKING:
    from napari.layers import Labels


SHAPE = (12, 14)

PLANE = Plane((0, 1), (None, None), SHAPE)


def disc(row: int, column: int, radius: float, shape: tuple[int, int] = SHAPE) -> MaskCrop:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return crop((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def crop(full: np.ndarray) -> MaskCrop:
    rows, columns = np.nonzero(full)
    if not len(rows):
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    top, left = rows.min(), columns.min()
    return MaskCrop(int(top), int(left), full[top : rows.max() + 1, left : columns.max() + 1])


def target_on(data: np.ndarray) -> LabelsTarget:
    return LabelsTarget(ViewerModel().add_labels(data))


def paint(labels: Labels, pixels: np.ndarray, value: int) -> None:
    """What the user's brush does: an edit with a step of the undo history."""
    labels.data_setitem(np.nonzero(pixels), value)
