"""What each place of an embedded image looks like, and which places look like known objects.

The network's finest maps, four input pixels a cell, together with their means around each cell; a
linear discriminant, fitted to the objects that are known, tells like from unlike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.modeling.cells import from_cells

AROUND = (3, 9)
"""Sides, in cells, of the neighbourhoods whose means belong to a cell's look."""
RIDGE = 1e-2
MOST_CELLS = 512
"""Larger maps are thinned to about this many cells a side: places, not outlines, are wanted."""


@dataclass(frozen=True, slots=True, eq=False)
class CellFeatures:
    """Looks of the cells of an image."""

    values: NDArray[np.float32]  # shape (h, w, D): each of the D with mean 0 and deviation 1
    image_size: tuple[int, int]  # ``(height, width)`` of the image in pixels

    @classmethod
    def of(cls, embedding: Embedding) -> CellFeatures:
        """Take the finest maps of an embedding."""
        side = embedding.features.embedding.shape[-1]
        with torch.inference_mode():
            fine = from_cells(embedding.features.high_res_4.float(), (side, side), 2)[0]
        maps = np.asarray(fine.cpu().numpy())
        step = max(1, maps.shape[0] // MOST_CELLS)
        maps = maps[::step, ::step]
        means = [ndimage.uniform_filter(maps, (size, size, 0)) for size in AROUND]
        values = np.concatenate([maps, *means], axis=2)
        spread = values.std(axis=(0, 1)) + 1e-6
        return cls((values - values.mean(axis=(0, 1))) / spread, embedding.image_size)

    @property
    def scale(self) -> NDArray[np.float64]:
        """Pixels a cell, ``(x, y)``."""
        height, width = self.values.shape[:2]
        return np.array((self.image_size[1] / width, self.image_size[0] / height))

    def shrunk(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of the image at the cells' resolution: the value at each cell's middle."""
        height, width = self.values.shape[:2]
        rows = ((np.arange(height) + 0.5) * self.scale[1]).astype(int)
        columns = ((np.arange(width) + 0.5) * self.scale[0]).astype(int)
        return mask[np.ix_(rows, columns)]

    def like(self, known: Sequence[MaskCrop], found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which cells look like known objects rather than like the rest of the image.

        - `known`: in pixels of the image
        - `found`: array of shape (H, W), bool; everything that is known to be some object; the rest
          may be anything
        - returns an array of shape (h, w), bool
        """
        mask = np.zeros(self.image_size, bool)
        for crop in known:
            mask[crop.slices] |= crop.mask
        objects = self.shrunk(mask)
        rest = ~self.shrunk(found | mask)
        values = self.values.reshape(-1, self.values.shape[2])
        like, unlike = values[objects.ravel()], values[rest.ravel()]
        if not len(like) or not len(unlike):
            return np.zeros(objects.shape, bool)
        direction, middle = _discriminant(like, unlike)
        likely: NDArray[np.bool_] = (values @ direction > middle).reshape(objects.shape)
        return likely


def _discriminant(
    like: NDArray[np.float32], unlike: NDArray[np.float32]
) -> tuple[NDArray[np.float64], float]:
    """Fit Fisher's linear discriminant; what is not known may well hold more objects.

    - returns `direction`: array of shape (D,)
    - returns `middle`: halfway between the means along it; the unlike ones' mean is taken again
      from those that lie below the first middle, so that objects among them do not count
    """
    centre = like.mean(axis=0)
    within = np.cov(like, rowvar=False) if len(like) > 1 else np.zeros((like.shape[1],) * 2)
    for _ in range(3):
        other = unlike.mean(axis=0)
        spread = within + np.cov(unlike, rowvar=False) + RIDGE * np.eye(like.shape[1])
        direction = np.linalg.solve(spread, centre - other)
        middle = float((centre + other) @ direction / 2)
        below = unlike @ direction <= middle
        if below.sum() < max(50, like.shape[1]):
            break
        unlike = unlike[below]
    return direction, middle
