"""Recipes: what a stage of training depends on besides data and initial weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from napari_samv2_prompts.samv2.finetune.losses import LossWeights
from training.data import SampleSettings


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
    rate: float = 3e-4
    final_rate: float = 1e-6
    warmup: int = 30
    weight_decay: float = 0.02
    clip: float = 1.0
    ema: float = 0.995
    rounds: tuple[float, ...] = (0.5, 0.25, 0.15, 0.1)
    first: tuple[float, float, float, float] = (0.4, 0.36, 0.08, 0.16)
    weights: LossWeights = field(default_factory=lambda: LossWeights(score=3.0, mean_scores=True))


STAGES = {
    "all": Recipe(
        steps=3000,
        rate=2e-4,
        batch=8,
        first=(0.6, 0.24, 0.04, 0.12),
        rounds=(0.6, 0.22, 0.12, 0.06),
        samples=SampleSettings(
            generated=0.14,
            scenes=0.8,
            nuclei=0.55,
            neurites=4.0,
            balance=0.3,
            touching=4.0,
            seed=101,
        ),
        wide=Wide(
            SampleSettings(
                size=384,
                objects=5,
                enlarged=0.7,
                spread=0.5,
                diameters=(40.0, 380.0),
                neurites=4.0,
                seed=102,
            ),
            share=0.05,
            batch=2,
        ),
    ),
}
"""What can be trained; see `training/README.md`."""


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
