"""``python -m benchmarks.through``: following objects through a stack, against the model alone.

Films of bright discs that wander.  Two numbers count: how many planes a second, and how many
times as long it takes as embedding the same planes and answering the same prompts, which nothing
can do without.  ``--window`` follows them in a napari window (``xvfb-run`` will do for a display)
and tells how long the window stood still at worst.  ``--memory`` tells what the process holds
along the way, with a model that takes no time, and embeddings as large as those of ``nano``.
``--all`` does all of it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from math import ceil, sqrt
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.load import held
from benchmarks.measure import machine, seconds
from napari_samv2_prompts.mask_crops import cropped
from napari_samv2_prompts.prompts import ItemMasks, Masks, PromptBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts import SAMV2ImagePredictor
    from napari_samv2_prompts.propagation import Filled

WANDER = 3.0  # pixels to either side
PERIOD = 15.0  # planes
FIFTHS = 5
ALL = (
    (),
    ("--threads", "1"),
    ("--radius", "33"),
    ("--window", "hidden"),
    ("--window", "shown"),
    ("--memory", "--planes", "500", "--side", "256", "--objects", "50", "--radius", "9"),
)


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


class Kept:
    """An embedding as large as one of ``nano``, of nothing but its picture."""

    logits_size = 128

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self.picture, self._features = picture, np.ones(1_310_720, np.uint8)
        self.image_size, self.nbytes = picture.shape[:2], self._features.nbytes

    def halved(self) -> Kept:
        """Return the same."""
        return self

    def from_afar(self) -> Kept:
        """Return the same."""
        return self


class Brightness:
    """A model that takes no time, and finds what is bright in a box."""

    remembers = False
    variant = SimpleNamespace(input_size=512, largest_side=1024)

    def embed(self, image: NDArray[np.uint8]) -> Kept:
        """Keep a picture."""
        return Kept(image)

    def decode(
        self, embedding: Kept, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """Answer boxes."""
        height, width = embedding.picture.shape
        y, x = np.ogrid[:height, :width]
        cells = [(np.arange(128) + 0.5) * side // 128 for side in (height, width)]
        grid = np.ix_(*(cell.astype(int) for cell in cells))
        items = []
        for prompt in batch:
            x0, y0, x1, y1 = prompt.box if prompt.box is not None else (0, 0, 0, 0)
            inside = (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & (embedding.picture > 115)
            crop = cropped(inside)
            logits = np.where(inside[grid], 6, -6)[None].astype(np.float32)
            items.append(ItemMasks(prompt.object, (crop,), np.ones(1, np.float32), logits, 5.0))
        return Masks(tuple(items), (height, width))


def alone(predictor: SAMV2ImagePredictor, film: Film, asked: list[PromptBatch]) -> None:
    """Embed all planes and answer the prompts of each, one after the other.

    The first ones are the user's, which are looked at more closely than those handed over.
    """
    for number, (plane, batch) in enumerate(zip(film.stack, asked, strict=True)):
        embedding = predictor.embed(plane).halved()
        predictor.decode(embedding.from_afar() if number else embedding, batch, False)


def speed(film: Film, repeat: int) -> list[str]:
    """Follow all objects, and take the time of the model alone, in turn."""
    from napari_samv2_prompts import SAMV2ImagePredictor, segment_stack

    predictor = SAMV2ImagePredictor("nano", device="cpu")
    noted = Noted(predictor)
    count, lines, ratios = len(film.stack), [], []
    first = film.stack[:3]
    segment_stack(first, boxes=film.boxes(), predictor=predictor)  # not the first call's own work
    for _ in range(repeat):
        found: list[NDArray[Any]] = []
        noted.asked.clear()
        clock, own = seconds(lambda: found.append(followed(film, noted)))  # noqa: B023
        least = seconds(lambda: alone(predictor, film, noted.asked))
        ratios.append((clock / least[0], own / least[1]))
        lines += [
            f"by the clock {count / clock:.2f} planes/s, the model alone {count / least[0]:.2f}: "
            f"{ratios[-1][0]:.2f} times as long",
            f"of the processor {own / count:.3f} s a plane, the model alone "
            f"{least[1] / count:.3f}: {ratios[-1][1]:.2f} times as long",
            f"least IoU on the last plane {film.agreement(found[0]):.2f}",
        ]
    by_clock, by_processor = (median(column) for column in zip(*ratios, strict=True))
    lines.append(f"medians: {by_clock:.2f} by the clock, {by_processor:.2f} of the processor")
    return lines


def followed(film: Film, predictor: Any) -> NDArray[Any]:
    """Return the labels of all planes, from boxes on the first."""
    from napari_samv2_prompts import segment_stack

    return segment_stack(film.stack, boxes=film.boxes(), predictor=predictor)


def memory(film: Film, predictor: Any) -> list[str]:
    """Follow all objects from a script; tell what the process holds after each fifth."""
    from napari_samv2_prompts import segment_stack

    marks: list[str] = []
    every = len(film.stack) // FIFTHS

    def tell(filled: Filled) -> None:
        if filled.plane % every == 1:
            marks.append(f"{held()['memory (MB)']:.0f}")

    labels = segment_stack(film.stack, boxes=film.boxes(), predictor=predictor, progress=tell)
    return [
        f"{film.stack.nbytes / 1e6:.0f} MB of pixels, {labels.nbytes / 1e6:.0f} MB of labels; "
        f"the process holds, in MB, each {every} planes: {', '.join(marks)}",
        f"least IoU on the last plane {film.agreement(labels):.2f}",
    ]


def window(film: Film, *, show: bool) -> list[str]:
    """Follow all objects in a napari window; tell how long it stood still, and what it held."""
    from benchmarks.plugin import Gaps, opened, until

    with opened(film.stack, show) as (viewer, widget, _):
        widget.wait_until_idle()
        viewer.dims.set_current_step(0, 0)
        _, shapes, labels = widget.new_prompt_layers()
        boxes = np.array([box[1:] for box in film.boxes().values()])
        shapes.add_rectangles([
            [[0, y0, x0], [0, y0, x1], [0, y1, x1], [0, y1, x0]] for x0, y0, x1, y1 in boxes
        ])  # fmt: skip
        widget.wait_until_idle(300)
        before, gaps = held()["memory (MB)"], Gaps()
        widget.propagate()
        took = until(lambda: widget.session.propagation is None, timeout=36_000)
        worst, after = gaps.stop(), held()["memory (MB)"]
        longest = ", ".join(f"{gap:.0f}" for gap in gaps.longest)
        return [
            f"in a window: {len(film.stack) / took:.2f} planes/s, worst gap {worst:.0f} ms; the "
            f"longest, in ms: {longest}",
            f"memory {before:.0f} MB before and {after:.0f} MB after; results in memory "
            f"{widget.session._results.nbytes / 1e6:.0f} MB",
            f"least IoU on the last plane {film.agreement(np.asarray(labels.data)):.2f}",
        ]


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.through", description=__doc__)
    parser.add_argument("--planes", type=int, default=100)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--radius", type=float, default=18)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of PyTorch, in a script; its own by default")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--window", choices=("hidden", "shown"))
    parser.add_argument("--all", action="store_true", help="each of these, in processes of its own")
    given = parser.parse_args()
    if given.all:
        for options in ALL:
            subprocess.run([sys.executable, "-m", "benchmarks.through", *options], check=True)
        return
    film = Film(given.planes, given.side, given.objects, given.radius)
    if given.window is not None:
        lines = window(film, show=given.window == "shown")
    else:
        import torch

        if given.threads is not None:
            torch.set_num_threads(given.threads)
        lines = memory(film, Brightness()) if given.memory else speed(film, given.repeat)
    known = [f"{key}: {value}" for key, value in machine("cpu").items()]
    print("\n".join(f"- {line}" for line in known + lines))


if __name__ == "__main__":
    main()
