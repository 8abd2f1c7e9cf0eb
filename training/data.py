"""Training samples: cropped, stretched and altered images with objects and first prompts.

A sample is a pure function of (seed, number): nothing is drawn from a shared random state, so a
resumed run sees exactly the samples it would have seen. What happens after the first prompt is the
loop's (``train.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from training.annotated import Annotated
from training.appearance import alter
from training.generator import generate
from training.prompting import Picked, first_prompts, neighbouring, prompts_of_section
from training.scenes import SCENES

SMALLEST_SCENE = 48
"""Side in pixels of the smallest scene that is drawn."""
COARSEST = 192
"""Input side of the pyramid's last level."""
NUCLEI = ("dark", "bright", "colour")
"""Kinds that are shown at their scale at inference."""


@dataclass(frozen=True)
class SampleSettings:
    """What a sample looks like.

    Attributes
    ----------
    size : int
        Side of the network's input in pixels.
    objects : int
        Objects drawn per image, background clicks included.
    generated, scenes : float
        Share of generated images; and of those, the share of `SCENES`.
    nuclei : float
        Share of nuclei among the real images. The other kinds are shown equally often.
    neurites : float
        But electron micrographs so many times as often: they have the most outlines to learn.
    full, largest : int
        Input side at inference, of small and of large images: a real image stretched to its own
        has its objects at scale 1.
    enlarged, spread : float
        Mean and deviation of the logarithm of the scale at which nuclei are shown.
    diameters : tuple of float
        Between which objects of all other kinds are shown, in pixels of the input: as some level of
        the pyramid would show them.
    balance : float
        Images of a kind of nuclei are drawn with the number of images of that kind to this power
        less one: 0 shows kinds as often as they are there, 1 equally often.
    smallest : int
        Pixels that an object has at least, in the sample.
    coarse : int
        Side of a target's pixels, in pixels of the input.
    tight : float
        Share of boxes that end exactly where the object does.
    touching : float
        Objects that touch others are chosen so many times as often: they are the ones that a click
        does not part.
    seed : int
    """

    size: int = 192
    objects: int = 6
    generated: float = 0.3
    scenes: float = 0.75
    nuclei: float = 0.4
    neurites: float = 1.0
    full: int = 512
    largest: int = 1024
    enlarged: float = 0.0
    spread: float = 0.4
    diameters: tuple[float, float] = (14.0, 300.0)
    balance: float = 0.9
    smallest: int = 12
    coarse: int = 1
    tight: float = 0.5
    touching: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class View:
    """What a sample shows: an image with levels of labels, and what is beyond its edges.

    Attributes
    ----------
    image : (S, S, 3) uint8
    levels : list of (S, S) int32
        Wholes first, then parts.
    before : list of (S, S) int32
        The same objects in a neighbouring section; empty where there is none.
    areas : list of (V,) float
        Pixels that each object of a level has in all, outside of the view included.
    hand_drawn : bool
        Whether objects may be missing from the labels, and outlines are rough.
    """

    image: NDArray[np.uint8]
    levels: list[NDArray[np.int32]]
    before: list[NDArray[np.int32]]
    areas: list[NDArray[np.float64]]
    hand_drawn: bool = False


class Samples(Dataset[dict[str, torch.Tensor]]):
    """An endless set of samples; see `SampleSettings` for its settings.

    Each is a dictionary: ``image`` (3, S, S) uint8; ``targets`` (K, S/c, S/c) uint8, the covered
    pixels of each (0 to c^2), all zero for a click on background; ``hidden`` (K,) float32, how many
    pixels more the object has beyond the edges; ``rough`` (K,) bool, whether outlines are
    hand-drawn; and what `first_prompts` gives, for each of the K objects.
    """

    def __init__(self, images: list[Annotated], settings: SampleSettings) -> None:
        self.images, self.settings = images, settings
        counts = {kind: sum(i.kind == kind for i in images) for kind in {i.kind for i in images}}
        of_nuclei = np.array([i.kind in NUCLEI for i in images], bool)
        power = np.where(of_nuclei, settings.balance, 1.0)
        weights = np.array([counts[i.kind] for i in images], float) ** -power
        weights *= np.where([i.kind == "fibsem" for i in images], settings.neurites, 1.0)
        shares = ((of_nuclei, settings.nuclei), (~of_nuclei, 1 - settings.nuclei))
        for which, share in shares:
            if 0 < which.sum() < len(which):
                weights[which] *= share / weights[which].sum()
        self.chances = weights / weights.sum() if images else weights

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Make one sample; any number from 0 will do."""
        rng = np.random.default_rng((self.settings.seed, number))
        while True:
            view = self._view(rng)
            objects = pick_objects(rng, view, self.settings)
            if objects:
                break
        masks = np.stack([one.mask for one in objects])
        background = view.levels[0] == 0
        tight = self.settings.tight
        prompts = [first_prompts(rng, mask, background, tight) for mask in masks]
        prompts = [
            one | prompts_of_section(rng, neighbouring(rng, picked, masks, one["clicks"][0]))
            for one, picked in zip(prompts, objects, strict=True)
        ]
        coarse = self.settings.coarse
        cells = masks.reshape(len(masks), masks.shape[1] // coarse, coarse, -1, coarse)
        covered = cells.sum((2, 4)).astype(np.uint8)
        hidden = np.array([one.hidden for one in objects], np.float32) / coarse**2
        image = np.ascontiguousarray(alter(rng, view.image).transpose(2, 0, 1))
        return {
            "image": torch.from_numpy(image),
            "targets": torch.from_numpy(covered),
            "hidden": torch.from_numpy(hidden),
            "rough": torch.full((len(masks),), view.hand_drawn),
        } | {name: torch.from_numpy(np.stack([p[name] for p in prompts])) for name in prompts[0]}

    def _view(self, rng: np.random.Generator) -> View:
        """An image of the input's size with its label images: wholes first, then parts."""
        size = self.settings.size
        if not self.images or rng.random() < self.settings.generated:
            return self._generated(rng)
        chosen = self.images[int(rng.choice(len(self.images), p=self.chances))]
        if chosen.kind in NUCLEI:
            window = self._window(rng, chosen.image.shape[1], chosen.image.shape[0])
        else:
            window = self._window_around(rng, chosen.labels)
        levels = [chosen.labels] if chosen.before is None else [chosen.labels, chosen.before]
        image, cut, areas = _cut(rng, chosen.image, levels, window, size)
        return View(image, cut[:1], cut[1:], areas[:1], chosen.hand_drawn)

    def _generated(self, rng: np.random.Generator) -> View:
        """A scene of the input's size, or smaller and enlarged, or larger and shown in part."""
        size = self.settings.size
        if rng.random() < self.settings.scenes:
            chances = [0.15, 0.15, 0.35, 0.2, 0.15]  # a small picture is shown enlarged
            side = max(
                round(size * float(rng.choice([0.25, 0.5, 1, 1.5, 2], p=chances))), SMALLEST_SCENE
            )
            scene = SCENES[str(rng.choice(list(SCENES)))](rng, side)
            shown = min(size, side) if rng.random() < 0.6 else side
        else:
            side = int(rng.choice([size // 2, size * 3 // 4, size], p=[0.3, 0.3, 0.4]))
            scene, shown = generate(rng, side), side
        left, top = rng.uniform(0, side - shown + 1e-9, 2)
        window = (left, top, left + shown, top + shown)
        image, cut, areas = _cut(rng, scene.image, [scene.wholes, scene.parts], window, size)
        return View(image, cut, [], areas)

    def _window(
        self, rng: np.random.Generator, width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Choose a crop whose objects come out at half to several times their size at inference."""
        mean, spread = self.settings.enlarged, self.settings.spread
        scale = np.exp(np.clip(rng.normal(mean, spread), -0.7, max(1.1, mean + 2.5 * spread)))
        w, h = self._extent(rng, width, height, scale)
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        return x, y, x + w, y + h

    def _window_around(
        self, rng: np.random.Generator, labels: NDArray[np.int32]
    ) -> tuple[float, float, float, float]:
        """Choose a crop in which some object has a diameter of the settings."""
        height, width = labels.shape
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        value = int(rng.choice(np.flatnonzero(sizes)))
        full = self._full(width, height)
        low, high = self.settings.diameters
        wanted = np.exp(rng.uniform(np.log(low), np.log(high)))
        diameter = 2 * np.sqrt(sizes[value] / np.pi) * full / np.sqrt(width * height)
        scale = np.clip(wanted / diameter, 0.8 * COARSEST / full, 2.5)
        w, h = self._extent(rng, width, height, float(scale))
        ys, xs = np.nonzero(labels == value)
        x, y = (float(part.mean()) - rng.uniform(0.15, 0.85) * e for part, e in ((xs, w), (ys, h)))
        x, y = float(np.clip(x, 0, width - w)), float(np.clip(y, 0, height - h))
        return x, y, x + w, y + h

    def _full(self, width: int, height: int) -> int:
        """Side of the input at inference."""
        return min(max(self.settings.full, width, height), self.settings.largest)

    def _extent(
        self, rng: np.random.Generator, width: int, height: int, scale: float
    ) -> tuple[float, float]:
        """Width and height of a crop that shows objects at a scale of that at inference."""
        stretch = np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.3))
        share = self.settings.size / self._full(width, height) / scale
        w, h = (
            max(min(share * f, 1.0), 32 / side) * side
            for f, side in ((stretch, width), (1 / stretch, height))
        )
        return w, h


class Mixture(Dataset[dict[str, torch.Tensor]]):
    """Samples of several settings; an item is asked for by which settings, and its number."""

    def __init__(self, parts: Sequence[Samples]) -> None:
        self.parts = parts

    def __getitem__(self, item: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Make one sample."""
        which, number = item
        return self.parts[which][number]


def _cut(
    rng: np.random.Generator,
    image: NDArray[np.uint8],
    levels: list[NDArray[np.int32]],
    window: tuple[float, float, float, float],
    size: int,
) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]], list[NDArray[np.float64]]]:
    """Stretch a window of image and labels to ``size`` x ``size``, turned and mirrored.

    Third: how many pixels of that size each object has in all of the image.
    """
    turns, mirror = int(rng.integers(4)), bool(rng.random() < 0.5)

    def turned(array: NDArray[Any]) -> NDArray[Any]:
        array = np.rot90(array, turns)
        return np.ascontiguousarray(array[:, ::-1] if mirror else array)

    cut = np.asarray(
        Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=window)
    )
    labels = [
        np.asarray(
            Image.fromarray(level).resize((size, size), Image.Resampling.NEAREST, box=window)
        )
        for level in levels
    ]
    grown = size**2 / ((window[2] - window[0]) * (window[3] - window[1]))
    areas = [np.bincount(level.ravel()).astype(np.float64) * grown for level in levels]
    return turned(cut), [turned(level) for level in labels], areas


def pick_objects(rng: np.random.Generator, view: View, settings: SampleSettings) -> list[Picked]:
    """Choose objects of any level; none if there is no object.

    One in twelve is empty and stands for a click on the background; what is gone since the section
    before comes on top of that.
    """
    count, smallest = settings.objects, settings.smallest
    pool, chances = [], []
    for depth, level in enumerate(view.levels):
        sizes = np.bincount(level.ravel())
        shown = sizes / np.maximum(view.areas[depth][: len(sizes)], 1)
        enough = (sizes >= smallest) & ((shown > 0.3) | (sizes > 0.3 * level.size))
        values = [int(value) for value in np.flatnonzero(enough) if value]
        pool += [(depth, value) for value in values]
        close = touching(level) if settings.touching != 1 else frozenset()
        chances += [settings.touching if value in close else 1.0 for value in values]
    if not pool:
        return []
    shares = np.array(chances) / sum(chances)
    chosen = rng.choice(len(pool), min(count, len(pool)), replace=False, p=shares)
    picks = [pool[i] for i in chosen] + [
        pool[i] for i in rng.integers(0, len(pool), count - len(chosen))
    ]
    empty = Picked(np.zeros_like(view.levels[0], bool), 0.0, None)
    background = bool((view.levels[0] == 0).mean() > 0.05) and not view.hand_drawn
    objects = []
    for depth, value in picks:
        if background and rng.random() < 1 / 12:
            objects.append(empty)
            continue
        mask = view.levels[depth] == value
        before = view.before[0] == value if view.before else None
        hidden = max(float(view.areas[depth][value] - mask.sum()), 0.0)
        objects.append(Picked(mask, hidden if hidden > 8 else 0.0, before))
    return objects


def touching(labels: NDArray[np.int32]) -> frozenset[int]:
    """Return the objects that have a pixel of another one next to one of theirs, or but one."""
    found: set[int] = set()
    for step in (1, 2):
        for one, other in (
            (labels[step:], labels[:-step]),
            (labels[:, step:], labels[:, :-step]),
        ):
            both = (one != other) & (one > 0) & (other > 0)
            found |= set(one[both].tolist()) | set(other[both].tolist())
    return frozenset(found)
