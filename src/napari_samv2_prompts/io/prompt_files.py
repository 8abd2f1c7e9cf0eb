"""Prompts from a file of any kind that is known here.

Which kind a file is, its ending and its content say: a table (``prompt_tables.py``), COCO, YOLO or
GeoJSON (``annotations.py``).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Literal

from napari_samv2_prompts.io.annotations import (
    add_coco,
    add_geojson,
    add_yolo,
    coco_paths,
    is_coco,
    is_geojson,
    load_json,
)
from napari_samv2_prompts.io.box_formats import BoxFormat
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.prompt_set import PromptSet
from napari_samv2_prompts.io.prompt_tables import (
    BOX_COLUMNS,
    POINT_COLUMNS,
    add_table,
    kind_of_columns,
)
from napari_samv2_prompts.io.spreadsheets import Table, column_names, read_table, read_text
from napari_samv2_prompts.prompts import PromptBatch

_JSON = (".json", ".geojson")
_IMAGE = "image"  # the column of tables that list several


def read_prompts(
    image_size: tuple[int, int],
    boxes: str | Path | None = None,
    points: str | Path | None = None,
    *,
    box_format: BoxFormat | None = None,
    image: str = "",
) -> PromptBatch:
    """Read the prompts of one plane from a file of boxes, a file of clicks, or both.

    - `image_size`: ``(height, width)`` in pixels
    - `boxes`: a table with the columns ``object,x0,y0,x1,y1``: opposite corners, in any order; or a
      file of COCO, YOLO, GeoJSON or napari's own
    - `points`: a table with the columns ``object,x,y,polarity``, polarity "positive" or "negative";
      or a Points layer that napari saved
    - `box_format`: {"xyxy", "xywh", "yolo"}; how the four numbers of a box are meant, whatever
      their columns' names
    - `image`: name of the image, for COCO files and tables with a column ``image``, which list
      several
    - returns one item per object, in the order of their numbers; none if the files list none
    - raises ValueError if a file is not as above; the message names file, line and column
    - raises OSError if a file cannot be read
    - warns (FileWarning) of what was left out, and numbers that look as if they were meant in
      another way
    """
    prompts = gather_prompts(image_size, boxes, points, box_format=box_format, image=image)
    batch = prompts.single()
    for note in prompts.all_notes:
        warnings.warn(note, FileWarning, stacklevel=2)
    return batch


def read_stack_prompts(
    stack_size: tuple[int, int, int],
    boxes: str | Path | None = None,
    points: str | Path | None = None,
    *,
    box_format: BoxFormat | None = None,
) -> dict[int, PromptBatch]:
    """Read prompts of a stack: the same files, which say on which plane each prompt is.

    Our own tables have one more column, ``plane``, from 0.

    - `stack_size`: ``(planes, height, width)``
    - `boxes`, `points`, `box_format`: see :func:`read_prompts`; an object may have prompts on
      several planes
    - returns the prompts of each plane; none where the files list nothing
    - raises ValueError or OSError as :func:`read_prompts`, and if a plane is none of the stack's
    - warns as :func:`read_prompts`
    """
    planes, height, width = stack_size
    prompts = gather_prompts((height, width), boxes, points, box_format=box_format, depth=planes)
    batches = prompts.by_plane()
    for note in prompts.all_notes:
        warnings.warn(note, FileWarning, stacklevel=2)
    return batches


def gather_prompts(
    image_size: tuple[int, int],
    boxes: str | Path | None = None,
    points: str | Path | None = None,
    *,
    box_format: BoxFormat | None = None,
    image: str = "",
    depth: int | None = None,
) -> PromptSet:
    """Read prompts of any planes, with notes; see :func:`read_prompts`.

    With `depth` they are of a stack of so many planes, and our own tables must name theirs.
    """
    prompts = PromptSet(image_size, depth)
    if boxes is not None:
        _add_file(prompts, Path(boxes), "boxes", box_format, image)
    if points is not None:
        _add_file(prompts, Path(points), "points", None, image)
    return prompts


def _add_file(
    prompts: PromptSet,
    path: Path,
    wanted: Literal["boxes", "points"],
    box_format: BoxFormat | None,
    image: str,
) -> None:
    if path.suffix.lower() in _JSON:
        content = load_json(path, read_text(path))
        if is_coco(content):
            _check_format(path, box_format, "xywh")
            add_coco(prompts, path.name, content, image)
        elif is_geojson(content):
            _check_format(path, box_format)
            add_geojson(prompts, path.name, content)
        else:
            raise ValueError(
                f"{path.name} is neither COCO nor GeoJSON. Prompts that the widget saved are given "
                "with --prompts."
            )
    elif path.suffix.lower() == ".txt" and _is_yolo(text := read_text(path)):
        _check_format(path, box_format, "yolo")
        add_yolo(prompts, path.name, text)
    else:
        table = _of_image(read_table(path), image)
        if kind_of_columns(table.columns) == "napari shapes":
            _check_format(path, box_format)
        add_table(prompts, table, wanted, box_format)


def _check_format(path: Path, wanted: BoxFormat | None, own: BoxFormat | None = None) -> None:
    """Refuse to read boxes in another way than the one that their kind of file has."""
    if wanted not in (None, own):
        raise ValueError(
            f"{path.name} says itself how its boxes are meant: leave out the box format {wanted}, "
            "which is for tables."
        )


def _of_image(table: Table, image: str) -> Table:
    """Return the rows of an image where a table lists several, else all of it.

    Raises ValueError if it lists several, and not this one.
    """
    own = tuple(row for row in table.rows if row.cells.get(_IMAGE) == image)
    names = {row.cells.get(_IMAGE) for row in table.rows}
    if image and not own and len(names) > 1:
        raise ValueError(f"{table.name} lists {len(names)} images, but not {image}.")
    return replace(table, rows=own) if own else table


def listed_images(path: Path) -> frozenset[str] | None:
    """Return the names of the images that a file of prompts lists; None if it is for one alone.

    - raises ValueError if the file can't be understood
    - raises OSError if it can't be read
    """
    if path.suffix.lower() in _JSON:
        content = load_json(path, read_text(path))
        return frozenset(coco_paths(content)) if is_coco(content) else None
    if path.suffix.lower() == ".txt":
        return None
    table = read_table(path)
    if _IMAGE not in table.columns:
        return None
    return frozenset(row.cells[_IMAGE] for row in table.rows)


def _is_yolo(text: str) -> bool:
    """Tell whether a text's first line is numbers alone: tables begin with names.

    These may stand behind a ``#``, as numpy writes them.
    """
    if kind_of_columns(column_names(text)) is not None:
        return False
    lines = (line.split() for line in text.splitlines())
    first = next((words for words in lines if words and not words[0].startswith("#")), [])
    return all(re.fullmatch(r"[-+0-9.eE]+", word) for word in first)


def table_kind(path: str | Path) -> Literal["boxes", "points"]:
    """Tell by its columns what a table lists.

    - raises ValueError if the columns are neither those of boxes nor of points
    - raises OSError if the table cannot be read
    """
    path = Path(path)
    kind = kind_of_columns(read_table(path).columns)
    if kind in ("boxes", "napari shapes"):
        return "boxes"
    if kind in ("points", "napari points"):
        return "points"
    raise ValueError(
        f"the first line of {path.name} must name {', '.join(BOX_COLUMNS)} or "
        f"{', '.join(POINT_COLUMNS)}."
    )
