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

__all__ = ["BOX_COLUMNS", "POINT_COLUMNS", "read_prompts", "read_stack_prompts", "table_kind"]

BOX_COLUMNS = ("object", "x0", "y0", "x1", "y1")
POINT_COLUMNS = ("object", "x", "y", "polarity")

Box = tuple[float, float, float, float]
Click = tuple[float, float, int]
PLANE_COLUMN = "plane"


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

    def plane(self, planes: int | None) -> int:
        """Return the row's plane; 0 where there is only one."""
        if planes is None:
            return 0
        value = self.number(PLANE_COLUMN)
        if value != int(value) or not 0 <= value < planes:
            raise self.error(
                f"plane is {self.cells[PLANE_COLUMN]!r}: the stack has {planes} planes, counted "
                f"from 0 to {planes - 1}."
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
    return _batches(image_size, None, boxes, points).get(0, PromptBatch(()))


def read_stack_prompts(
    stack_size: tuple[int, int, int],
    boxes: str | Path | None = None,
    points: str | Path | None = None,
) -> dict[int, PromptBatch]:
    """Read prompts of a stack: the same tables with one more column, ``plane``, from 0.

    Parameters
    ----------
    stack_size : tuple of int
        ``(planes, height, width)``.
    boxes, points : path, optional
        See :func:`read_prompts`; an object may have prompts on several planes.

    Returns
    -------
    dict of int to PromptBatch
        Plane: its prompts; none where the tables list nothing.

    Raises
    ------
    ValueError
        If a table is not as above; the message names file, line and column.
    OSError
        If a table cannot be read.
    """
    planes, *image_size = stack_size
    return _batches((image_size[0], image_size[1]), planes, boxes, points)


def _batches(
    image_size: tuple[int, int],
    planes: int | None,
    boxes: str | Path | None,
    points: str | Path | None,
) -> dict[int, PromptBatch]:
    """Return the prompts of each plane; without `planes`, all are of plane 0."""
    all_boxes = {} if boxes is None else _boxes(Path(boxes), image_size, planes)
    all_points = {} if points is None else _points(Path(points), image_size, planes)
    items: dict[int, list[Prompt]] = {}
    for key in sorted(all_boxes.keys() | all_points.keys()):
        clicks = all_points.get(key, [])
        prompt = Prompt(
            key[1],
            points=np.array([click[:2] for click in clicks], dtype=np.float64),
            labels=np.array([click[2] for click in clicks], dtype=np.int8),
            box=all_boxes.get(key),
        )
        items.setdefault(key[0], []).append(prompt)
    return {plane: PromptBatch(tuple(prompts)) for plane, prompts in items.items()}


def _boxes(
    path: Path, image_size: tuple[int, int], planes: int | None
) -> dict[tuple[int, int], Box]:
    height, width = image_size
    boxes: dict[tuple[int, int], Box] = {}
    for row in _rows(path, _with_plane(BOX_COLUMNS, planes)):
        key = row.plane(planes), row.object()
        if key in boxes:
            there = "" if planes is None else f" on plane {key[0]}"
            raise row.error(f"object {key[1]} has a second box{there}: an object has one.")
        (x0, x1), (y0, y1) = (
            sorted((row.number(f"{axis}0"), row.number(f"{axis}1"))) for axis in "xy"
        )
        if x0 == x1 or y0 == y1:
            raise row.error("the box is empty: its corners have the same x or the same y.")
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise row.error(
                f"the box lies outside the image, which is {width} pixels wide and {height} high."
            )
        boxes[key] = (x0, y0, x1, y1)
    return boxes


def _points(
    path: Path, image_size: tuple[int, int], planes: int | None
) -> dict[tuple[int, int], list[Click]]:
    height, width = image_size
    points: dict[tuple[int, int], list[Click]] = {}
    for row in _rows(path, _with_plane(POINT_COLUMNS, planes)):
        x, y = row.number("x"), row.number("y")
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise row.error(
                f"the point ({x:g}, {y:g}) lies outside the image, which is {width} pixels wide "
                f"and {height} high."
            )
        key = row.plane(planes), row.object()
        points.setdefault(key, []).append((x, y, row.polarity()))
    return points


def _with_plane(columns: tuple[str, ...], planes: int | None) -> tuple[str, ...]:
    return columns if planes is None else (columns[0], PLANE_COLUMN, *columns[1:])


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
