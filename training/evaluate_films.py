"""How well cells are followed through made films: overlap, mixed-up cells, and when they are lost.

    python -m training.evaluate_films [--films 8] [--model nano]

Every cell of a film gets its tight box on its first frame, daughters of a division, too, and all
are followed together to the end.  Films are made from seeds that weights were not fitted to.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.propagation import Found, current, painted
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

from .evaluate_volumes import Anchors, Setting
from .films import make_film
from .volumes import Volume, box_of, iou

FIRST_SEED = 1000
FEWEST_FRAMES, SMALLEST = 3, 30


@dataclass(frozen=True, slots=True)
class Followed:
    """A cell that was followed.

    Attributes
    ----------
    iou : float
        Of all frames together.
    switches : int
        How often its label went over to another cell.
    late : int, optional
        Frames by which its end was found too late, negative if too early; None if it stays.
    """

    iou: float
    switches: int
    late: int | None


def evaluate(film: Volume, predictor: SAMV2ImagePredictor) -> list[Followed]:
    """Follow all cells of a film."""
    setting = Setting(film, predictor)
    first = _first_frames(film.labels)
    anchors = _boxed(film, setting, first)
    found = setting.fill(anchors, Found())
    labels = painted(film.labels.shape, anchors, current(anchors, found))
    return [_judged(labels, film.labels, number, first[number]) for number in anchors]


def _first_frames(truth: NDArray[np.int64]) -> dict[int, int]:
    first = {}
    for number in range(1, int(truth.max()) + 1):
        frames = np.flatnonzero((truth == number).any((1, 2)))
        if len(frames) >= FEWEST_FRAMES and (truth[frames[0]] == number).sum() >= SMALLEST:
            first[number] = int(frames[0])
    return first


def _boxed(film: Volume, setting: Setting, first: dict[int, int]) -> Anchors:
    anchors: Anchors = {}
    for frame in sorted(set(first.values())):
        truth = film.labels[frame]
        boxes = [Prompt.of(n, box=box_of(truth == n)) for n, at in first.items() if at == frame]
        embedding, _ = setting.embed(frame, Region.whole(truth.shape))
        for item in setting.predictor.decode(embedding, PromptBatch(tuple(boxes))):
            anchors[item.object] = {frame: item.crops[item.best]}
    return anchors


def _judged(
    labels: NDArray[np.integer], truth: NDArray[np.int64], number: int, first: int
) -> Followed:
    mine, cell = labels[first:] == number, truth[first:] == number
    on: list[int] = []  # the cells that the label lay on, one after the other
    for shown, cells in zip(mine, truth[first:], strict=True):
        counts = np.bincount(cells[shown])
        if len(counts) > 1 and counts[1:].max() > 0.5 * shown.sum():
            on.append(int(counts[1:].argmax()) + 1)
    switches = sum(a != b for a, b in pairwise(on))
    there, found = (np.flatnonzero(part.any((1, 2))) for part in (cell, mine))
    stays = there[-1] == len(cell) - 1
    return Followed(iou(mine, cell), switches, None if stays else int(found[-1] - there[-1]))


def main() -> None:
    """Read the command line, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--model", default="nano")
    args = parser.parse_args()
    predictor = SAMV2ImagePredictor(args.model)
    cells: list[Followed] = []
    for seed in range(FIRST_SEED, FIRST_SEED + args.films):
        film = make_film(seed, speed=1.0 + seed % 3).volume
        found = evaluate(film, predictor)
        print(f"{film.name}: {len(found)} cells, IoU {np.mean([c.iou for c in found]):.3f}")
        cells += found
    late = [cell.late for cell in cells if cell.late is not None]
    print(
        f"{len(cells)} cells: IoU {np.mean([c.iou for c in cells]):.3f}, "
        f"{sum(c.switches > 0 for c in cells)} went over to another; of {len(late)} that vanish or "
        f"divide {sum(abs(n) <= 1 for n in late)} end within a frame of the truth, "
        f"{sum(n > 1 for n in late)} later, {sum(n < -1 for n in late)} sooner"
    )


if __name__ == "__main__":
    main()
