from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from training.annotated import Annotated
from training.generator import generate

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.weights.variants import find_variant


@pytest.fixture(autouse=True)
def on_one_thread(one_thread: None) -> None:
    """All of it is small work."""


@pytest.fixture
def small() -> Variant:
    """The bundled model's row, made small enough to train in seconds."""
    return replace(
        find_variant("nano"),
        embed_dim=16,
        blocks=(1, 1, 2, 1),
        global_blocks=(3,),
        width=32,
        decoder_heads=2,
        decoder_mlp=64,
        score_width=32,
        input_size=64,
    )


@pytest.fixture
def images() -> list[Annotated]:
    """Three annotated images of discs."""
    scenes = [generate(np.random.default_rng(seed), 96, "discs") for seed in range(3)]
    return [Annotated(f"scene{i}", s.image, s.wholes, "dark") for i, s in enumerate(scenes)]
