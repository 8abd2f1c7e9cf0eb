"""Masks cut to their bounding boxes, as values.

Here: :class:`MaskCrop`, how one is cut out of an array, and :class:`Crops`, which are made when
they are asked for.

Not here: what the model says of masks (``prompts``), which label a pixel gets (``masks``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.regions import Region


@dataclass(frozen=True, slots=True, eq=False)
class MaskCrop:
    """A mask cut to its bounding box: what is outside the box is background.

    Attributes
    ----------
    top, left : int
        Row and column of the crop's first pixel in the image.
    mask : array of shape (h, w), bool
        Empty (0, 0) when nothing is in the mask.
    """

    top: int
    left: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Half-open box ``(top, left, bottom, right)`` in pixels."""
        height, width = self.mask.shape
        return self.top, self.left, self.top + height, self.left + width

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the box in an array of the image's size."""
        top, left, bottom, right = self.box
        return slice(top, bottom), slice(left, right)

    def moved(self, rows: int, columns: int) -> MaskCrop:
        """Return the mask at another place."""
        return MaskCrop(self.top + rows, self.left + columns, self.mask)

    def full(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the mask pasted into an array of the image's ``(height, width)``."""
        out = np.zeros(shape, dtype=bool)
        out[self.slices] = self.mask
        return out

    def within(self, region: Region) -> NDArray[np.bool_]:
        """Return the mask as an array of a region's size; what is outside is cut off."""
        out = np.zeros(region.size, bool)
        top, left, bottom, right = self.box
        y0, x0 = max(top, region.top), max(left, region.left)
        y1, x1 = min(bottom, region.bottom), min(right, region.right)
        if y0 < y1 and x0 < x1:
            inner = self.mask[y0 - top : y1 - top, x0 - left : x1 - left]
            out[y0 - region.top : y1 - region.top, x0 - region.left : x1 - region.left] = inner
        return out


EMPTY_MASK = MaskCrop(0, 0, np.zeros((0, 0), bool))


def cropped(mask: NDArray[np.bool_], top: int = 0, left: int = 0) -> MaskCrop:
    """Return a mask cut to its bounding box, as a copy; :data:`EMPTY_MASK` if nothing is in it.

    - `top`, `left`: where the array begins in the image
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return EMPTY_MASK
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[y0:y1].any(axis=0))
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    return MaskCrop(top + y0, left + x0, mask[y0:y1, x0:x1].copy())


class Crops(Sequence[MaskCrop]):
    """Masks at image resolution, each made when it is first looked at.

    Of three candidates most often one is: enlarging the others would take longer than decoding.

    Parameters
    ----------
    crops : iterable of MaskCrop or callable
        Each of them, or what makes it.
    """

    def __init__(self, crops: Iterable[MaskCrop | Callable[[], MaskCrop]]) -> None:
        self._crops = list(crops)

    def __len__(self) -> int:
        """Return how many there are, made or not."""
        return len(self._crops)

    def is_made(self, index: int) -> bool:
        """Tell whether looking at a mask takes no time."""
        return isinstance(self._crops[index], MaskCrop)

    @property
    def nbytes(self) -> int:
        """Bytes of those that were made."""
        return sum(crop.mask.nbytes for crop in self._crops if isinstance(crop, MaskCrop))

    @overload
    def __getitem__(self, index: int) -> MaskCrop: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[MaskCrop]: ...
    def __getitem__(self, index: int | slice) -> MaskCrop | Sequence[MaskCrop]:
        """Return a mask, or several."""
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        crop = self._crops[index]
        if not isinstance(crop, MaskCrop):
            crop = self._crops[index] = crop()
        return crop
