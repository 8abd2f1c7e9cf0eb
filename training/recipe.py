"""Recipes: what a stage of training depends on besides data and initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from training.data import SampleSettings
from training.losses import LossWeights


@dataclass(frozen=True)
class Wide:
    """Steps with other samples, in larger windows: ``share`` of all, ``batch`` images each."""

    samples: SampleSettings
    share: float
    batch: int


@dataclass(frozen=True)
class Recipe:
    """Everything a stage depends on besides the data and the weights it begins with."""

    steps: int
    batch: int
    samples: SampleSettings
    wide: Wide | None = None
    rate: float = 8e-4
    final_rate: float = 1e-4
    warmup: int = 200
    weight_decay: float = 0.02
    clip: float = 1.0
    ema: float = 0.998
    rounds: tuple[float, ...] = (0.4, 0.35, 0.25)
    first: tuple[float, float, float] = (0.55, 0.35, 0.1)
    weights: LossWeights = field(default_factory=LossWeights)


_WIDE = SampleSettings(
    size=384,
    objects=5,
    generated=0.4,
    largest=1024,
    enlarged=0.7,
    spread=0.5,
    balance=0.75,
    seed=10,
)
"""Objects of up to several hundred pixels."""

_PIXELS = Recipe(
    steps=1300,
    batch=48,
    samples=SampleSettings(
        size=192,
        objects=6,
        generated=0.25,
        largest=1024,
        enlarged=0.0,
        spread=0.45,
        balance=1.0,
        smallest=12,
        coarse=1,
        seed=13,
    ),
    wide=Wide(
        replace(_WIDE, coarse=1, seed=14),
        share=0.12,
        batch=16,
    ),
    rate=8e-4,
    final_rate=1e-6,
    warmup=100,
    rounds=(0.4, 0.22, 0.15, 0.13, 0.1),
    first=(0.45, 0.45, 0.1),
    weights=LossWeights(score=3.0, mean_scores=True),
)

_BOXES = replace(
    _PIXELS,
    steps=900,
    batch=8,
    samples=replace(_PIXELS.samples, generated=0.15, spread=0.3, balance=1.1, tight=0.5, seed=15),
    wide=Wide(replace(_WIDE, coarse=1, tight=0.5, seed=16), share=0.1, batch=2),
    rate=1.5e-4,
    warmup=30,
    first=(0.35, 0.55, 0.1),
)

STAGES = {
    "patches": Recipe(
        steps=1000,
        batch=8,
        samples=SampleSettings(size=128, objects=4, seed=1),
        final_rate=5e-4,
    ),
    "crops": Recipe(
        steps=750,
        batch=4,
        samples=SampleSettings(size=256, seed=2),
        rate=3e-4,
        final_rate=1e-4,
        warmup=50,
    ),
    "last": Recipe(
        steps=1400,
        batch=6,
        samples=SampleSettings(size=192, objects=6, generated=0.35, seed=3),
        rate=3e-4,
        final_rate=1e-6,
        warmup=50,
    ),
    "refine": Recipe(
        steps=560,
        batch=6,
        samples=SampleSettings(size=192, objects=6, generated=0.35, seed=4),
        rate=1.2e-4,
        final_rate=1e-6,
        warmup=30,
        rounds=(0.15, 0.4, 0.25, 0.2),
    ),
    "scores": Recipe(
        steps=370,
        batch=4,
        samples=SampleSettings(size=256, generated=0.3, seed=5),
        rate=1.2e-4,
        final_rate=1e-6,
        warmup=30,
        rounds=(0.4, 0.3, 0.2, 0.1),
        weights=LossWeights(score=1.0),
    ),
    "long": Recipe(
        steps=1000,
        batch=6,
        samples=SampleSettings(size=192, objects=6, generated=0.35, seed=6),
        rate=3e-4,
        final_rate=1e-6,
        warmup=60,
        rounds=(0.45, 0.25, 0.18, 0.12),
        weights=LossWeights(score=0.7),
    ),
    "reach": Recipe(
        steps=1800,
        batch=6,
        samples=SampleSettings(size=192, objects=6, generated=0.35, seed=7),
        rate=3.5e-4,
        final_rate=1e-6,
        warmup=30,
        rounds=(0.45, 0.25, 0.18, 0.12),
        weights=LossWeights(score=0.7),
    ),
    "windows": Recipe(
        steps=3000,
        batch=6,
        samples=SampleSettings(size=192, objects=6, generated=0.35, largest=1024, seed=8),
        rate=3.5e-4,
        final_rate=1e-6,
        warmup=50,
        rounds=(0.36, 0.22, 0.17, 0.14, 0.11),
        weights=LossWeights(score=0.7),
    ),
    "sizes": Recipe(
        steps=3000,
        batch=6,
        samples=SampleSettings(
            size=192, objects=6, generated=0.3, largest=1024, balance=0.75, seed=9
        ),
        wide=Wide(
            _WIDE,
            share=0.25,
            batch=2,
        ),
        rate=3e-4,
        final_rate=1e-6,
        warmup=50,
        rounds=(0.36, 0.22, 0.17, 0.14, 0.11),
        weights=LossWeights(score=3.0, mean_scores=True),
    ),
    "ellipses": Recipe(
        steps=3800,
        batch=6,
        samples=SampleSettings(
            size=192,
            objects=6,
            generated=0.25,
            largest=1024,
            enlarged=0.0,
            spread=0.4,
            balance=0.9,
            smallest=14,
            seed=11,
        ),
        wide=Wide(
            replace(_WIDE, seed=12),
            share=0.12,
            batch=2,
        ),
        rate=3e-4,
        final_rate=1e-6,
        warmup=50,
        rounds=(0.4, 0.22, 0.15, 0.13, 0.1),
        first=(0.45, 0.45, 0.1),
        weights=LossWeights(score=3.0, mean_scores=True),
    ),
    "pixels": _PIXELS,
    "boxes": _BOXES,
    "spots": replace(
        _BOXES,
        steps=1200,
        samples=replace(_BOXES.samples, smallest=10, tight=0.6, seed=17),
        wide=Wide(replace(_WIDE, coarse=1, tight=0.6, seed=18), share=0.1, batch=2),
        rate=3e-4,
        first=(0.3, 0.6, 0.1),
    ),
}
"""The stages, in their order.

All show objects at the scale of the full input, in windows that cost less: those of 128 pixels
leave the plateau fastest, 256 teach what is far away, 192 give the most objects for the time, and
are what the decoder sees at inference. "refine" has more corrective clicks, "scores" more weight on
the predicted IoU, "long" and "reach" all of it for longer, "windows" has large images in their own
resolution and up to four corrections, "sizes" has objects of up to several hundred pixels in every
fourth step, and masks that are judged by their looks, "ellipses" draws the ellipse in each box and
has more boxes, more small objects, and more of the rarer kinds of images, "pixels" compares masks
at the input's full size and has many more samples: it is made for a GPU,
"boxes" has more of them, half of which end exactly where the object does, and
"spots" even more, around objects from 10 pixels.
"""


def samples_of_step(recipe: Recipe, step: int, rank: int, processes: int) -> list[tuple[int, int]]:
    """Say what a process trains with in a step: 0 or 1 (the wide samples), and their numbers.

    The processes share each batch.
    """
    wide = recipe.wide
    chance = np.random.default_rng((recipe.samples.seed, 3, step)).random()
    which, batch = (1, wide.batch) if wide and chance < wide.share else (0, recipe.batch)
    share = batch // processes
    first = step * batch + rank * share
    return [(which, number) for number in range(first, first + share)]


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine from ``rate`` to ``final_rate``."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.final_rate + (recipe.rate - recipe.final_rate) * 0.5 * (
        1 + math.cos(math.pi * min(done, 1.0))
    )
