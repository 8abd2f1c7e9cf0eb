"""Tables of objects that were found: ``object,score,area,x,y`` beside their labels."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samv2_prompts.files import written_whole

if TYPE_CHECKING:
    from napari_samv2_prompts.candidates import Candidate

COLUMNS = ("object", "score", "area", "x", "y")


def objects_path(labels: Path) -> Path:
    """Return where the table that belongs to a file of labels lies."""
    stem = labels.name.removesuffix(labels.suffix).removesuffix(".ome").removesuffix(".labels")
    return labels.with_name(f"{stem}.objects.csv")


def write_objects(path: Path, found: Iterable[tuple[int, Candidate]]) -> None:
    """Write numbered objects: score, area in pixels, and the place ``x, y`` that found each."""
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, item in found:
            x, y = (round(at, 2) for at in item.point)
            writer.writerow([number, round(item.score, 4), item.area, x, y])


def read_scores(path: Path) -> dict[int, float]:
    """Return the score of each object; nothing if there is no such table.

    Raises ValueError if a column is missing, or holds no numbers.
    """
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        try:
            return {int(row["object"]): float(row["score"]) for row in csv.DictReader(file)}
        except (LookupError, TypeError, ValueError, csv.Error) as error:
            raise ValueError(
                f"{path.name} is no table of objects: it has the columns {','.join(COLUMNS)}."
            ) from error
