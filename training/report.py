"""Means and correlations of the rows that an evaluation gives, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.stats import spearmanr

Row = dict[str, float | str]
"""One object: IoU and score by measure, its image, kind and size."""

CLICKS = 5
"""How many clicks an object is given."""

MEASURES = (
    "box",
    *(f"clicks {n}" for n in range(1, CLICKS + 1)),
    "best of three",
    "watershed from the click",
    "ellipse in the box",
    "Otsu in the box",
)


def table(rows: list[Row]) -> str:
    """Mean IoU of every measure: all objects, kinds of image, sizes of object; in Markdown."""
    kinds = _present(rows, "kind")
    groups: dict[str, Callable[[Row], bool]] = {"all": lambda row: True}
    groups |= {kind: lambda row, kind=kind: row["kind"] == kind for kind in kinds}  # type: ignore[misc]
    groups |= {size: lambda row, size=size: row["size"] == size for size in _present(rows, "size")}  # type: ignore[misc]
    chosen = {name: [row for row in rows if test(row)] for name, test in groups.items()}
    if len(kinds) > 1:
        chosen |= {"mean of kinds": []}
    lines = ["| mean IoU | " + " | ".join(chosen) + " |", "|---" * (len(chosen) + 1) + "|"]
    lines.append("| objects | " + " | ".join(str(len(group)) for group in chosen.values()) + " |")
    for measure in (m for m in MEASURES if m in rows[0]):
        means = {
            name: np.mean([float(row[measure]) for row in group])
            for name, group in chosen.items()
            if group
        }
        if len(kinds) > 1:
            means["mean of kinds"] = np.mean([means[kind] for kind in kinds])
        lines.append(f"| {measure} | " + " | ".join(f"{m:.3f}" for m in means.values()) + " |")
    return "\n".join(lines)


def _present(rows: Iterable[Row], column: str) -> list[str]:
    return sorted({str(row[column]) for row in rows})


def calibration(rows: list[Row]) -> dict[str, float]:
    """Spearman's rho of predicted score and true IoU: one click, box, all rounds of clicks."""

    def column(name: str) -> list[float]:
        return [float(row[name]) for row in rows]

    count = sum(f"clicks {n}" in rows[0] for n in range(1, CLICKS + 1))
    numbers = range(1, count + 1)
    pairs = {
        "1 click": (column("score 1"), column("clicks 1")),
        "box": (column("box score"), column("box")),
    }
    pairs[f"1 to {count} clicks"] = (
        [s for n in numbers for s in column(f"score {n}")],
        [i for n in numbers for i in column(f"clicks {n}")],
    )
    return {name: float(spearmanr(*pair).statistic) for name, pair in pairs.items()}
