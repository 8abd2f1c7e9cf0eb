"""The ways to write a box as four numbers, by the columns' names or by what the user says.

Here: which columns are a box (:func:`find_box_columns`), their numbers as corners
(:func:`corners_of`), and whether numbers look like another way (:func:`suspicion`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.words import counted

BoxFormat = Literal["xyxy", "xywh", "yolo"]
BOX_FORMATS: tuple[BoxFormat, ...] = ("xyxy", "xywh", "yolo")

# Column names, in the order of the numbers, and the format that they mean by themselves.
_COLUMNS: tuple[tuple[tuple[str, str, str, str], BoxFormat], ...] = (
    (("x0", "y0", "x1", "y1"), "xyxy"),
    (("x1", "y1", "x2", "y2"), "xyxy"),
    (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
    (("x_min", "y_min", "x_max", "y_max"), "xyxy"),
    (("left", "top", "right", "bottom"), "xyxy"),
    (("bbox-1", "bbox-0", "bbox-3", "bbox-2"), "xyxy"),  # scikit-image: rows before columns
    (("x", "y", "width", "height"), "xywh"),
    (("x", "y", "w", "h"), "xywh"),
    (("left", "top", "width", "height"), "xywh"),
    (("bx", "by", "width", "height"), "xywh"),  # ImageJ's bounding rectangle
    (("x_center", "y_center", "width", "height"), "yolo"),
    (("xc", "yc", "w", "h"), "yolo"),
    (("cx", "cy", "w", "h"), "yolo"),
)


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """Which four columns are a box, and how they are meant."""

    names: tuple[str, str, str, str]
    format: BoxFormat


def find_box_columns(columns: Collection[str], wanted: BoxFormat | None) -> BoxColumns | None:
    """Return the columns of a table that are a box; None if it has none.

    - `columns`: in small letters
    - `wanted`: how the four numbers are meant, whatever their columns' names
    """
    for names, own in _COLUMNS:
        if set(names) <= set(columns):
            return BoxColumns(names, wanted or own)
    return None


def corners_of(
    numbers: NDArray[np.float64], box_format: BoxFormat, size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return boxes of shape (N, 4) as ``x0, y0, x1, y1`` in pixels of an image of ``(H, W)``.

    Raises ValueError if there is no such format.
    """
    if box_format not in BOX_FORMATS:
        listed = ", ".join(BOX_FORMATS)
        raise ValueError(f"There is no box format {box_format!r}; choose one of {listed}.")
    if box_format == "xyxy":
        return numbers
    start, extent = numbers[:, :2], numbers[:, 2:]
    if box_format == "xywh":
        return np.hstack([start, start + extent])
    scale = np.array(size[::-1], np.float64)
    return np.hstack([(start - extent / 2) * scale, (start + extent / 2) * scale])


def suspicion(numbers: NDArray[np.float64], size: tuple[int, int]) -> str:
    """Say which other way four numbers a row look like, if they do; else return an empty string.

    - `numbers`: array of shape (N, 4); taken as ``x0, y0, x1, y1``
    - `size`: height and width of the image
    """
    if not len(numbers):
        return ""
    limits = np.array([*size[::-1], *size[::-1]], np.float64)
    if (numbers >= 0).all() and (numbers <= 1).all():
        return (
            "all numbers lie between 0 and 1, as shares of the image do: if they are centre, width "
            "and height, say --box-format yolo"
        )
    start, other = numbers[:, :2], numbers[:, 2:]
    is_reversed = (other < start).any()  # which programs never write as corners
    if is_reversed and (other > 0).all() and (start + other <= limits[:2] + 1).all():
        return (
            "a second corner lies before its first, as where x, y, width and height are "
            "listed: if they are, say --box-format xywh"
        )
    if (numbers > limits).any() and (numbers[:, [1, 0, 3, 2]] <= limits).all():
        return (
            f"the numbers do not fit an image {counted(size[1], 'pixel')} wide and {size[0]} high, "
            "and would with x and y exchanged: if rows come first, name the columns y0, x0, y1, x1"
        )
    return ""
