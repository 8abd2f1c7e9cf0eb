"""``python -m benchmarks.through``: following objects through a stack, against the model alone.

Films of bright discs that wander.  Two numbers count: how many planes a second, and how many times
as long it takes as embedding the same planes and answering the same prompts, which nothing can do
without.  ``--window`` follows them in a napari window (it needs a display: ``xvfb-run``) and tells
how long the window stood still at worst; ``--memory`` what the process holds along the way.
"""

from __future__ import annotations

import argparse
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.measure import machine, seconds
from napari_samv2_prompts import SAMV2ImagePredictor, segment_stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.prompts import Masks, PromptBatch

WANDER = 3.0  # pixels to either side
PERIOD = 15.0  # planes


class Film:
    """Discs on a grid that wander to and fro, with noise.

    Parameters
    ----------
    planes, side, objects : int
    radius : float
        Of the discs, in pixels.
    """

    def __init__(self, planes: int, side: int, objects: int, radius: float = 18) -> None:
        count = ceil(sqrt(objects))
        spacing = side / count
        self.radius = radius
        row, column = np.divmod(np.arange(objects), count)
        self._middles = (np.stack([row, column], 1) + 0.5) * spacing
        rng = np.random.default_rng(0)
        self._phases = rng.uniform(0, 2 * np.pi, (objects, 2))
        self.stack = np.stack([self._plane(plane, side, rng) for plane in range(planes)])

    def middles(self, plane: int) -> NDArray[np.float64]:
        """Return rows and columns of the discs of a plane."""
        return self._middles + WANDER * np.sin(self._phases + plane / PERIOD)

    def _plane(self, plane: int, side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        picture = np.full((side, side), 60.0) + rng.normal(0, 6, (side, side))
        rows, columns = np.ogrid[:side, :side]
        for y, x in self.middles(plane):
            picture[(rows - y) ** 2 + (columns - x) ** 2 < self.radius**2] += 110
        return picture.clip(0, 255).astype(np.uint8)

    def boxes(self) -> dict[int, tuple[float, ...]]:
        """Return a box around each disc on the first plane; see :func:`.segment_stack`."""
        r = self.radius
        return {
            number: (0, x - r, y - r, x + r, y + r)
            for number, (y, x) in enumerate(self.middles(0).tolist(), 1)
        }

    def agreement(self, labels: NDArray[Any]) -> float:
        """Return the least share of the last plane's discs that has the right label."""
        rows, columns = np.ogrid[: labels.shape[1], : labels.shape[2]]
        shares = []
        for number, (y, x) in enumerate(self.middles(len(labels) - 1), 1):
            disc = (rows - y) ** 2 + (columns - x) ** 2 < self.radius**2
            mine = labels[-1] == number
            shares.append((mine & disc).sum() / (mine | disc).sum())
        return float(min(shares))


class Noted:
    """A predictor that notes which prompts it is asked on which embeddings."""

    def __init__(self, predictor: SAMV2ImagePredictor) -> None:
        self._predictor = predictor
        self.asked: list[PromptBatch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def decode(self, embedding: Any, batch: PromptBatch, multimask: bool | None = None) -> Masks:
        """Answer prompts."""
        self.asked.append(batch)
        return self._predictor.decode(embedding, batch, multimask)


def alone(predictor: SAMV2ImagePredictor, film: Film, asked: list[PromptBatch]) -> None:
    """Embed all planes and answer the prompts of each, one after the other."""
    for plane, batch in zip(film.stack, asked, strict=True):
        predictor.decode(predictor.embed(plane).halved(), batch, False)


def speed(film: Film, repeat: int) -> list[str]:
    """Follow all objects, and take the time of the model alone, in turn."""
    predictor = SAMV2ImagePredictor("nano", device="cpu")
    noted = Noted(predictor)
    count, lines = len(film.stack), []
    first = film.stack[:3]
    segment_stack(first, boxes=film.boxes(), predictor=predictor)  # not the first call's own work
    for _ in range(repeat):
        found: list[NDArray[Any]] = []
        noted.asked.clear()
        clock, own = seconds(lambda: found.append(followed(film, noted)))  # noqa: B023
        least = seconds(lambda: alone(predictor, film, noted.asked))
        lines += [
            f"by the clock {count / clock:.2f} planes/s, the model alone {count / least[0]:.2f}: "
            f"{clock / least[0]:.2f} times as long",
            f"of the processor {own / count:.3f} s a plane, the model alone "
            f"{least[1] / count:.3f}: {own / least[1]:.2f} times as long",
            f"least IoU on the last plane {film.agreement(found[0]):.2f}",
        ]
    return lines


def followed(film: Film, predictor: Any) -> NDArray[Any]:
    """Return the labels of all planes, from boxes on the first."""
    return segment_stack(film.stack, boxes=film.boxes(), predictor=predictor)


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.through", description=__doc__)
    parser.add_argument("--planes", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--radius", type=float, default=18)
    parser.add_argument("--threads", type=int, help="of PyTorch; its own choice by default")
    parser.add_argument("--repeat", type=int, default=1)
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    film = Film(given.planes, given.side, given.objects, given.radius)
    lines = [f"{key}: {value}" for key, value in machine("cpu").items()]
    lines += speed(film, given.repeat)
    print("\n".join(f"- {line}" for line in lines))


if __name__ == "__main__":
    main()
