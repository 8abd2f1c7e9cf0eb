"""What the published video predictor was asked, and asking it; ``tests/data`` has its answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

SIDE = 128
FRAMES = 9
RECORDED = Path(__file__).parents[2] / "data" / "published_videos.npz"


@dataclass(frozen=True)
class Step:
    """One call of the predictor; places are shares of the film's side."""

    kind: Literal["points", "mask", "clear", "pass"]
    frame: int = 0
    object: int = 1
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, ...] = ()
    disc: tuple[float, float, float] | None = None
    keep: bool = False
    reverse: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return the arguments that both predictors take."""
        if self.kind == "clear":
            return {}
        if self.kind == "pass":
            return {"reverse": self.reverse}
        if self.kind == "mask":
            assert self.disc is not None
            x, y, radius = self.disc
            rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
            return {"mask": np.hypot(columns - x, rows - y) < radius}
        given: dict[str, Any] = {"clear_old_points": not self.keep}
        if self.points:
            given["points"] = np.array(self.points, np.float32) * SIDE
            given["labels"] = np.array(self.labels, np.int32)
        if self.box:
            given["box"] = np.array(self.box, np.float32) * SIDE
        return given


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[Step, ...]
    version: str = "2.1"
    present: float = 3.0
    corrections_count: bool = False

    def go(self, predictor: Any, state: Any, names: Mapping[str, str]) -> Iterator[int]:
        """Go through the steps with either predictor, and yield each frame that was answered.

        ``names`` are those of its methods, by kind of step.
        """
        for step in self.steps:
            ask = getattr(predictor, names[step.kind])
            if step.kind == "pass":
                yield from (frame for frame, *_ in ask(state, **step.arguments()))
                continue
            ask(state, step.frame, step.object, **step.arguments())
            if step.kind != "clear":
                yield step.frame


def _click(frame: int, *points: tuple[float, float], labels: tuple[int, ...], **more: Any) -> Step:
    return Step("points", frame, points=points, labels=labels, **more)


FIRST = _click(0, (0.3, 0.4), labels=(1,))
PASS, BACK = Step("pass"), Step("pass", reverse=True)
CORRECTION = _click(4, (0.4, 0.4), (0.8, 0.8), labels=(1, 0))
LONE = _click(6, (0.42, 0.42), labels=(1,))
DISC = Step("mask", disc=(0.3, 0.4, 0.12))

CASES = (
    Case("clicks one after the other", (FIRST, _click(0, (0.8, 0.2), labels=(0,), keep=True),
                                        PASS)),
    Case("a correction as published", (FIRST, PASS, CORRECTION, PASS)),
    Case("a correction that counts", (FIRST, PASS, CORRECTION, LONE, PASS), corrections_count=True),
    Case("a correction of the first frame", (FIRST, PASS, _click(0, (0.5, 0.5), labels=(0,)), PASS),
         corrections_count=True),
    Case("a mask", (DISC, PASS), present=0.7),
    Case("a mask in 2.0", (DISC, PASS), version="2.0"),
    Case("a mask, then a click in it", (DISC, _click(0, (0.3, 0.4), labels=(1,)), PASS)),
    Case("an empty mask", (Step("mask", disc=(5.0, 5.0, 0.1)), PASS)),
    Case("a click, then a mask", (FIRST, DISC, PASS)),
    Case("a correction with a mask", (FIRST, PASS, Step("mask", 4, disc=(0.4, 0.4, 0.12)), PASS),
         corrections_count=True),
    Case("a second object later", (FIRST, Step("points", 3, object=2, box=(0.55, 0.45, 0.75, 0.7)),
                                   PASS)),
    Case("a second object after a pass", (FIRST, PASS, Step("mask", 5, object=7,
                                          disc=(0.6, 0.6, 0.12)), PASS, BACK)),
    Case("backwards from the middle", (_click(4, (0.45, 0.4), labels=(1,)), PASS, BACK)),
    Case("prompts taken back", (FIRST, _click(4, (0.4, 0.4), labels=(1,)), PASS,
                                Step("clear", 4), PASS)),
    Case("hidden at times", (FIRST, PASS), present=0.6),
    Case("hidden at times in 2.0", (FIRST, PASS), version="2.0", present=0.6),
    Case("a film in 2.0", (FIRST, PASS, CORRECTION, PASS), version="2.0", corrections_count=True),
)  # fmt: skip
