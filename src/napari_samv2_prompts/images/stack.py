"""All planes of an array along one axis, as the model sees them.

Here: :class:`StackPicture`, and which axes of an image it is made of.  Not here: a single plane of
a layer (``rendering.py``), files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .values import check_real, percentile_limits, to_uint8

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLED = 16
"""Planes that the contrast of a stack is taken from."""


@dataclass(frozen=True, slots=True, eq=False)
class StackPicture:
    """A stack, planes first, read as 8 bit."""

    planes: Any  # shape (Z, H, W): may be lazy
    # Values that are black and white; None where they are 8 bit already.
    limits: tuple[float, float] | None

    @classmethod
    def of(cls, planes: Any) -> StackPicture:
        """Look at a stack, with the contrast of all of it.

        Raises ValueError if it is not one of grey or RGB planes.
        """
        shape = planes.shape
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (3, 4)) or 0 in shape:
            raise ValueError(
                f"The stack has the shape {tuple(shape)}, which is not (planes, height, width) or "
                "(planes, height, width, 3)."
            )
        if planes.dtype == np.uint8:
            return cls(planes, None)
        check_real(planes.dtype, "The stack")
        some = np.asarray(planes[:: max(1, shape[0] // SAMPLED)])
        if not np.isfinite(some).any():
            raise ValueError("The stack holds no numbers, only NaN or infinity.")
        return cls(planes, percentile_limits(some))

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(planes, height, width)``."""
        planes, height, width = self.planes.shape[:3]
        return planes, height, width

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Return a part of a plane: (h, w) or (h, w, 3)."""
        part = np.asarray(self.planes[plane, rows, columns])
        part = part[..., :3] if part.ndim == 3 else part
        return part if self.limits is None else to_uint8(part, self.limits)


def axes_of(shape: tuple[int, ...], axis: str | int = "z") -> tuple[int, int, int]:
    """Return the positions of the axis to go through, of rows and of columns.

    - `shape`: of an image; a last axis of colours is allowed, and more axes of one place in front
    - `axis`: the position, or ``"z"`` or ``"t"`` for the axis before y and x, whichever it is
    - raises ValueError if there is no such axis, or what is left are no pictures
    """
    ndim = len(shape) - (len(shape) >= 4 and shape[-1] in (3, 4))
    text = str(axis).lower()
    single = [place for place in range(ndim - 2) if shape[place] == 1 and str(place) != text]
    left = [place for place in range(ndim) if place not in single[: max(0, ndim - 3)]]
    planes = left[0] if text in ("t", "z") else int(text) if text.isdecimal() else -1
    if len(left) != 3 or planes not in left:
        raise ValueError(
            f"An image of shape {tuple(shape)} can't be gone through along {axis!r}: one axis "
            "besides height and width is needed, named z, t or by its position."
        )
    rows, columns = (place for place in left if place != planes)
    return planes, rows, columns


def planes_first(image: Any, axes: tuple[int, int, int]) -> Any:
    """Return an image, lazy or not, as (planes, rows, columns), with colours last if it has any.

    - `axes`: from :func:`axes_of`
    """
    last = max(axes)
    whole = [place in axes or place > last for place in range(len(image.shape))]
    if not all(whole):
        image = image[tuple(slice(None) if kept else 0 for kept in whole)]
    return np.moveaxis(image, sorted(axes).index(axes[0]), 0)
