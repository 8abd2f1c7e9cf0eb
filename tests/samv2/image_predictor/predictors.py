"""Predictors of small networks with random weights, and a picture for them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from tests.samv2.small_networks import MINI

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

HEIGHT, WIDTH = 60, 90


def make_network(variant: Variant = MINI) -> SAMV2Network:
    torch.manual_seed(3)
    return build_samv2(variant)


def make_image(seed: int = 0, shape: tuple[int, ...] = (HEIGHT, WIDTH, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


@cache
def made(variant: Variant) -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor(make_network(variant), device="cpu")
