"""Prompts from tables: our own columns, and those that napari saves Points and Shapes layers in.

One row per box, click or vertex, in pixels of the image.  Reading cells is in ``spreadsheets.py``,
the ways to write a box in ``box_formats.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Literal

import numpy as np

from napari_samv2_prompts.io.box_formats import (
    BoxFormat,
    corners_of,
    find_box_columns,
    suspicion,
)
from napari_samv2_prompts.io.prompt_set import PlaneIndex, PromptSet
from napari_samv2_prompts.io.spreadsheets import Row, Table
from napari_samv2_prompts.prompts import MAX_OBJECT
from napari_samv2_prompts.words import counted

BOX_COLUMNS = ("object", "x0", "y0", "x1", "y1")
POINT_COLUMNS = ("object", "x", "y", "polarity")
_SHAPE_COLUMNS = ("index", "shape-type", "vertex-index", "axis-0", "axis-1")
_POINT_AXES = ("axis-0", "axis-1")
_OBJECT = f"objects are whole numbers from 1 to {MAX_OBJECT}, since each is the value of its label."

Kind = Literal["boxes", "points", "napari points", "napari shapes"]


def kind_of_columns(columns: Iterable[str], box_format: BoxFormat | None = None) -> Kind | None:
    """Tell by its columns what a table lists; None if it is nothing of ours or napari's."""
    names = set(columns)
    if set(_SHAPE_COLUMNS) <= names:
        return "napari shapes"
    if set(_POINT_AXES) <= names:
        return "napari points"
    if "object" in names or "label" in names:
        if set(POINT_COLUMNS[1:]) <= names:
            return "points"
        if find_box_columns(names, box_format):
            return "boxes"
    return None


def add_table(
    prompts: PromptSet,
    table: Table,
    wanted: Literal["boxes", "points"],
    box_format: BoxFormat | None = None,
) -> None:
    """Add the prompts of a table.

    - `wanted`: what it is said to list, for tables that are neither
    - `box_format`: how boxes are meant, whatever their columns' names
    - raises ValueError if the table is not as it should be; the message names file, line and column
    """
    kind = kind_of_columns(table.columns, box_format)
    if kind in ("boxes", "points") and prompts.depth is not None and "plane" not in table.columns:
        columns = BOX_COLUMNS if kind == "boxes" else POINT_COLUMNS
        _refuse(table, (columns[0], "plane", *columns[1:]))
    if kind == "napari shapes":
        _add_napari_shapes(prompts, table)
    elif kind == "napari points":
        _add_napari_points(prompts, table)
    elif kind == wanted == "boxes":
        _add_boxes(prompts, table, box_format)
    elif kind == wanted == "points":
        _add_points(prompts, table)
    else:
        _refuse(table, BOX_COLUMNS if wanted == "boxes" else POINT_COLUMNS)


def _refuse(table: Table, columns: tuple[str, ...]) -> None:
    missing = [column for column in columns if column not in table.columns]
    raise ValueError(
        f"{table.name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}: its "
        f"first line must name {', '.join(columns)}."
    )


def _object(row: Row) -> int:
    return row.whole("object" if "object" in row.cells else "label", 1, _OBJECT, MAX_OBJECT)


def _plane(row: Row, depth: int | None) -> PlaneIndex:
    if "plane" not in row.cells:
        return ()
    if depth is None:
        return (row.whole("plane", 0, "planes are whole numbers from 0."),)
    there = f"the stack has {counted(depth, 'plane')}, counted from 0 to {depth - 1}."
    plane = row.whole("plane", 0, there)
    if plane >= depth:
        raise row.error(f"plane is {row.cells['plane']!r}: {there}")
    return (plane,)


# --- our own tables ---


def _add_boxes(prompts: PromptSet, table: Table, box_format: BoxFormat | None) -> None:
    found = find_box_columns(table.columns, box_format)
    assert found is not None  # by kind_of_columns
    numbers = np.array([[row.number(name) for name in found.names] for row in table.rows])
    numbers = numbers.reshape(-1, 4)
    asked = found.format == "xyxy" and box_format is None
    doubt = suspicion(numbers, prompts.size) if asked else ""
    prompts.notes += [f"{table.name}: {doubt}."] if doubt else []
    hint = f" Besides, {doubt}." if doubt else ""
    height, width = prompts.size
    seen: set[tuple[PlaneIndex, int]] = set()
    boxes = corners_of(numbers, found.format, prompts.size)
    for row, corners in zip(table.rows, boxes, strict=True):
        plane, number = _plane(row, prompts.depth), _object(row)
        if (plane, number) in seen:
            there = f" on plane {plane[0]}" if plane else ""
            raise row.error(f"object {number} has a second box{there}: an object has one.")
        seen.add((plane, number))
        (x0, x1), (y0, y1) = sorted(corners[[0, 2]].tolist()), sorted(corners[[1, 3]].tolist())
        if x0 == x1 or y0 == y1:
            raise row.error(f"the box is empty: its corners have the same x or the same y.{hint}")
        if not prompts.overlaps((x0, y0), (x1, y1)):
            wide = counted(width, "pixel")
            raise row.error(
                f"the box lies outside the image, which is {wide} wide and {height} high.{hint}"
            )
        prompts.add_box(plane, number, (x0, y0, x1, y1), table.name)


def _add_points(prompts: PromptSet, table: Table) -> None:
    height, width = prompts.size
    for row in table.rows:
        x, y = row.number("x"), row.number("y")
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise row.error(
                f"the point ({x:g}, {y:g}) lies outside the image, which is "
                f"{counted(width, 'pixel')} wide and {height} high."
            )
        plane, number = _plane(row, prompts.depth), _object(row)
        prompts.add_point(plane, number, (x, y), table.name, positive=_positive(row))


def _positive(row: Row) -> bool:
    text = row.cells["polarity"].lower()
    if text not in ("positive", "negative"):
        raise row.error(f"polarity is {text!r}: it is 'positive' or 'negative'.")
    return text == "positive"


# --- what napari saves ---


def _axes(table: Table) -> list[str]:
    count = sum(name.startswith("axis-") for name in table.columns)
    axes = [f"axis-{number}" for number in range(count)]
    if not set(axes) <= set(table.columns):
        raise ValueError(f"{table.name} lacks one of the columns {', '.join(axes)}.")
    return axes


def _place(row: Row, axes: list[str]) -> tuple[PlaneIndex, tuple[float, float]]:
    """Return the plane of a vertex, and where it lies there as ``(x, y)``."""
    *front, y, x = (row.number(axis) for axis in axes)
    return tuple(round(value) for value in front), (x, y)


def _add_napari_points(prompts: PromptSet, table: Table) -> None:
    axes, has_object = _axes(table), "object" in table.columns
    first = prompts.highest + 1
    for count, row in enumerate(table.rows):
        plane, pixel = _place(row, axes)
        number = _object(row) if has_object else first + count
        positive = _positive(row) if "polarity" in table.columns else True
        prompts.add_point(plane, number, pixel, table.name, positive=positive)


def _add_napari_shapes(prompts: PromptSet, table: Table) -> None:
    """Add shapes; napari does not save their objects, so they are numbered in their order."""
    axes, has_object = _axes(table), "object" in table.columns
    for index, group in groupby(table.rows, lambda row: row.whole("index", 0, "it is a number.")):
        vertices = list(group)
        places = [_place(row, axes) for row in vertices]
        number = _object(vertices[0]) if has_object else index + 1
        kind = vertices[0].cells["shape-type"].lower()
        pixels = [pixel for _, pixel in places]
        if len({plane for plane, _ in places}) > 1:
            prompts.drop(table.name, "unknown")
        elif kind not in ("rectangle", "ellipse", "polygon", "path", "line"):
            raise vertices[0].error(f"shape-type is {kind!r}, which is no shape of napari's.")
        elif len(pixels) < 2:
            prompts.drop(table.name, "degenerate")
        else:
            prompts.add_shape(places[0][0], number, kind, pixels, table.name)
