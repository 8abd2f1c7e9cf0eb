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
from scipy import ndimage
from torch.utils.data import Dataset

from training import clicks
from training.annotated import Annotated
from training.appearance import alter
from training.generator import generate

N_CLICKS = 3
MASK_PROMPT_LOGIT = 8.0
"""What a rough mask is fed in with: sure, but not beyond correction."""


@dataclass(frozen=True)
class SampleSettings:
    """What a sample looks like.

    Attributes
    ----------
    size : int
        Side of the network's input in pixels.
    objects : int
        Objects drawn per image, background clicks included.
    generated : float
        Share of generated images.
    full, largest : int
        Input side at inference, of small and of large images: a real image stretched to its own
        has its objects at scale 1.
    enlarged, spread : float
        Mean and deviation of the logarithm of the scale at which real objects are shown.
    balance : float
        Images of a kind are drawn with the number of images of that kind to this power less one:
        0 shows kinds as often as they are there, 1 equally often.
    smallest : int
        Pixels that an object has at least, in the sample.
    coarse : int
        Side of a target's pixels, in pixels of the input.
    tight : float
        Share of boxes that end exactly where the object does.
    seed : int
    """

    size: int = 256
    objects: int = 8
    generated: float = 0.4
    full: int = 512
    largest: int = 512
    enlarged: float = 0.1
    spread: float = 0.35
    balance: float = 0.6
    smallest: int = 24
    coarse: int = 2
    tight: float = 0.0
    seed: int = 0


class Samples(Dataset[dict[str, torch.Tensor]]):
    """An endless set of samples; see `SampleSettings` for its settings.

    Each is a dictionary: ``image`` (3, S, S) uint8; ``targets`` (K, S/2, S/2) uint8, the covered
    quarters (0 to 4) of each pixel (for ``coarse`` of 2), all zero for a click on background; and
    what `first_prompts` gives, for each of the K objects.
    """

    def __init__(self, images: list[Annotated], settings: SampleSettings) -> None:
        self.images, self.settings = images, settings
        counts = {kind: sum(i.kind == kind for i in images) for kind in {i.kind for i in images}}
        weights = np.array([counts[i.kind] ** -settings.balance for i in images])
        self.chances = weights / weights.sum() if images else weights

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        """Make one sample; any number from 0 will do."""
        rng = np.random.default_rng((self.settings.seed, number))
        while True:
            image, levels = self._scene(rng)
            objects = _pick_objects(rng, levels, self.settings.objects, self.settings.smallest)
            if objects:
                break
        masks = np.stack(objects)
        background = levels[0] == 0
        tight = self.settings.tight
        prompts = [first_prompts(rng, mask, background, tight) for mask in masks]
        coarse = self.settings.coarse
        cells = masks.reshape(len(masks), masks.shape[1] // coarse, coarse, -1, coarse)
        covered = cells.sum((2, 4)).astype(np.uint8)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(alter(rng, image).transpose(2, 0, 1))),
            "targets": torch.from_numpy(covered),
        } | {name: torch.from_numpy(np.stack([p[name] for p in prompts])) for name in prompts[0]}

    def _scene(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]]]:
        """An image of the input's size with its label images: wholes first, then parts."""
        size = self.settings.size
        if not self.images or rng.random() < self.settings.generated:
            side = int(rng.choice([size // 2, size * 3 // 4, size], p=[0.3, 0.3, 0.4]))
            scene = generate(rng, side)
            image, levels = scene.image, [scene.wholes, scene.parts]
            window = (0.0, 0.0, float(side), float(side))
        else:
            chosen = self.images[int(rng.choice(len(self.images), p=self.chances))]
            image, levels = chosen.image, [chosen.labels]
            window = self._window(rng, image.shape[1], image.shape[0])
        return _cut(rng, image, levels, window, size)

    def _window(
        self, rng: np.random.Generator, width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Choose a crop whose objects come out at half to several times their size at inference."""
        mean, spread = self.settings.enlarged, self.settings.spread
        scale = np.exp(np.clip(rng.normal(mean, spread), -0.7, max(1.1, mean + 2.5 * spread)))
        stretch = np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.3))
        full = min(max(self.settings.full, width, height), self.settings.largest)
        share = self.settings.size / full / scale
        w, h = (
            max(min(share * f, 1.0), 32 / side) * side
            for f, side in ((stretch, width), (1 / stretch, height))
        )
        x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
        return x, y, x + w, y + h


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
) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]]]:
    """Stretch a window of image and labels to ``size`` x ``size``, turned and mirrored."""
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
    return turned(cut), [turned(level) for level in labels]


def _pick_objects(
    rng: np.random.Generator, levels: list[NDArray[np.int32]], count: int, smallest: int
) -> list[NDArray[np.bool_]]:
    """Choose ``count`` objects of any level, as masks; no masks if there is no object.

    One in twelve is empty and stands for a click on the background.
    """
    pool = []
    for depth, level in enumerate(levels):
        sizes = np.bincount(level.ravel())
        pool += [(depth, value) for value in np.flatnonzero(sizes >= smallest) if value]
    if not pool:
        return []
    chosen = rng.permutation(len(pool))[:count]
    picks = [pool[i] for i in chosen] + [
        pool[i] for i in rng.integers(0, len(pool), count - len(chosen))
    ]
    empty = np.zeros_like(levels[0], bool)
    background = bool((levels[0] == 0).mean() > 0.05)
    return [
        empty if background and rng.random() < 1 / 12 else levels[depth] == value
        for depth, value in picks
    ]


def first_prompts(
    rng: np.random.Generator,
    mask: NDArray[np.bool_],
    background: NDArray[np.bool_],
    tight: float = 0.0,
) -> dict[str, NDArray[np.float32]]:
    """What a user could begin with: clicks (the first of them is enough), a box, a rough mask.

    Returns
    -------
    dict
        ``clicks`` (3, 2) and ``box`` (2, 2) float32 in pixels of the mask; ``mask`` (1, S/4, S/4)
        float32 logits. Of an empty mask: clicks on the background, a box around one of them, zeros.
    """
    size = mask.shape[0]
    if not mask.any():
        points = [clicks.random_pixel(rng, background) for _ in range(N_CLICKS)]
        half = rng.uniform(4, size / 8, 2)
        box = np.array([points[0] - half, points[0] + half], np.float32)
        rough = np.zeros((size // 4, size // 4), np.float32)
    else:
        points = [clicks.random_pixel(rng, mask) for _ in range(N_CLICKS)]
        if rng.random() < 0.65:
            points[0] = clicks.centre(mask)[:2]
        loose = rng.uniform(0, 0.1) if not tight or rng.random() >= tight else 0.0
        box = clicks.jitter_box(rng, clicks.mask_box(mask), loose, 20.0).reshape(2, 2)
        rough = rough_logits(rng, mask)
    return {"clicks": np.array(points, np.float32), "box": box, "mask": rough[None]}


def rough_logits(rng: np.random.Generator, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Logits of a roughly drawn outline (shifted, grown, shrunk) at a quarter of the size."""
    quarter = mask.reshape(mask.shape[0] // 4, 4, mask.shape[1] // 4, 4).mean((1, 3))
    shifted = np.roll(quarter, rng.integers(-1, 2, 2), (0, 1))
    rough = ndimage.gaussian_filter(shifted, rng.uniform(0.3, 1.0)) > rng.uniform(0.3, 0.7)
    return np.where(rough, MASK_PROMPT_LOGIT, -MASK_PROMPT_LOGIT).astype(np.float32)
