"""Prompts from CSV tables: one row per box or click, in pixels of the image.

Reading and checking the tables belongs here, with messages that name the file and the line; what a
valid prompt is, :mod:`.prompts` says.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_samv2_prompts.prompts import Prompt, PromptBatch

__all__ = ["BOX_COLUMNS", "POINT_COLUMNS", "read_prompts", "table_kind"]

BOX_COLUMNS = ("object", "x0", "y0", "x1", "y1")
POINT_COLUMNS = ("object", "x", "y", "polarity")

Box = tuple[float, float, float, float]
Click = tuple[float, float, int]


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table, which knows where it stands so that an error can say so."""

    table: str
    line: int
    cells: dict[str, str]

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{self.table}, line {self.line}: {problem}")

    def number(self, column: str) -> float:
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"{column} is {text!r}, which is not a number.")
        return value

    def object(self) -> int:
        value = self.number("object")
        if value < 1 or value != int(value):
            raise self.error(
                f"object is {self.cells['object']!r}: objects are whole numbers from 1, since each "
                "is the value of its label."
            )
        return int(value)

    def polarity(self) -> int:
        text = self.cells["polarity"].lower()
        if text not in ("positive", "negative"):
            raise self.error(f"polarity is {text!r}: it is 'positive' or 'negative'.")
        return int(text == "positive")


def read_prompts(
    image_size: tuple[int, int],
    boxes: str | Path | None = None,
    points: str | Path | None = None,
) -> PromptBatch:
    """Read prompts from a table of boxes, a table of clicks, or both.

    Parameters
    ----------
    image_size : tuple of int
        ``(height, width)`` in pixels, to find prompts that lie outside.
    boxes : path, optional
        CSV with the columns ``object,x0,y0,x1,y1``: opposite corners, in any order.
    points : path, optional
        CSV with the columns ``object,x,y,polarity``, polarity "positive" or "negative".

    Returns
    -------
    PromptBatch
        One item per object, in the order of their numbers; none if the tables have no rows.

    Raises
    ------
    ValueError
        If a table is not as above; the message names file, line and column.
    OSError
        If a table cannot be read.
    """
    object_boxes = {} if boxes is None else _boxes(Path(boxes), image_size)
    object_points = {} if points is None else _points(Path(points), image_size)
    objects = sorted(object_boxes.keys() | object_points.keys())
    items = []
    for number in objects:
        clicks = object_points.get(number, [])
        items.append(
            Prompt(
                number,
                points=np.array([click[:2] for click in clicks], dtype=np.float64),
                labels=np.array([click[2] for click in clicks], dtype=np.int8),
                box=object_boxes.get(number),
            )
        )
    return PromptBatch(tuple(items))


def _boxes(path: Path, image_size: tuple[int, int]) -> dict[int, Box]:
    height, width = image_size
    boxes: dict[int, Box] = {}
    for row in _rows(path, BOX_COLUMNS):
        number = row.object()
        if number in boxes:
            raise row.error(f"object {number} has a second box: an object has one.")
        (x0, x1), (y0, y1) = (
            sorted((row.number(f"{axis}0"), row.number(f"{axis}1"))) for axis in "xy"
        )
        if x0 == x1 or y0 == y1:
            raise row.error("the box is empty: its corners have the same x or the same y.")
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise row.error(
                f"the box lies outside the image, which is {width} pixels wide and {height} high."
            )
        boxes[number] = (x0, y0, x1, y1)
    return boxes


def _points(path: Path, image_size: tuple[int, int]) -> dict[int, list[Click]]:
    height, width = image_size
    points: dict[int, list[Click]] = {}
    for row in _rows(path, POINT_COLUMNS):
        x, y = row.number("x"), row.number("y")
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise row.error(
                f"the point ({x:g}, {y:g}) lies outside the image, which is {width} pixels wide "
                f"and {height} high."
            )
        points.setdefault(row.object(), []).append((x, y, row.polarity()))
    return points


def table_kind(path: str | Path) -> Literal["boxes", "points"]:
    """Tell by its columns what a table lists.

    Raises
    ------
    ValueError
        If the columns are neither those of boxes nor of points.
    OSError
        If the table cannot be read.
    """
    lines = _lines(Path(path))
    names = _names(lines[0] if lines else "")[0]
    if set(BOX_COLUMNS) <= set(names):
        return "boxes"
    if set(POINT_COLUMNS) <= set(names):
        return "points"
    raise ValueError(
        f"the first line of {Path(path).name} must name {', '.join(BOX_COLUMNS)} or "
        f"{', '.join(POINT_COLUMNS)}."
    )


def _lines(path: Path) -> list[str]:
    try:
        # Spreadsheets put a byte-order mark in front.
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not a text file: export the table as CSV.") from error


def _names(head: str) -> tuple[list[str], str]:
    """Return the columns that a first line names, and what separates them."""
    delimiter = max(",;\t", key=head.count)
    try:
        row = next(csv.reader([head], delimiter=delimiter), [])
    except csv.Error:
        row = []  # a cell of a hundred thousand characters is no name
    return [name.strip().lower() for name in row], delimiter


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    """Yield the rows of a table; commas, semicolons and tabs separate cells alike."""
    lines = _lines(path)
    names, delimiter = _names(lines[0] if lines else "")
    missing = [column for column in columns if column not in names]
    if missing:
        raise ValueError(
            f"{path.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: its "
            f"first line must name {', '.join(columns)}."
        )
    for line, cells in _cells(path.name, lines[1:], delimiter):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(names):
            raise ValueError(
                f"{path.name}, line {line}: {len(cells)} values, but the table has {len(names)} "
                "columns."
            )
        values = (cell.strip() for cell in cells)
        yield _Row(path.name, line, dict(zip(names, values, strict=False)))


def _cells(table: str, lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each row's last line in the file, and the row's cells."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num + 1, cells
    except csv.Error as error:
        raise ValueError(f"{table}, line {reader.line_num + 1}: {error}.") from error
