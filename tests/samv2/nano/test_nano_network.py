"""The small model adds descriptors to the published features, and nothing else is changed by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling.pixels import to_unit
from napari_samv2_prompts.samv2.nano.contrast import stretch_contrast
from napari_samv2_prompts.samv2.weights.variants import find_variant

CPU = torch.device("cpu")


def test_published_variants_keep_no_descriptors() -> None:
    variant = replace(find_variant("tiny"), input_size=64)
    with torch.inference_mode():
        features = build_samv2(variant).encode_image(torch.zeros(1, 3, 64, 64))
    assert set(features.tensors()) == {"embedding", "high_res_4", "high_res_8"}


def test_the_bundled_model_compares_in_colours_and_in_what_it_learnt() -> None:
    network = build_samv2(find_variant("nano"))
    pixels = to_pixels(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), 128, CPU)
    with torch.inference_mode():
        descriptors = network.encode_image(pixels).descriptors
    assert descriptors.shape == (1, 8, 32, 32)
    means = torch.nn.functional.avg_pool2d(to_unit(stretch_contrast(pixels)), 4)
    torch.testing.assert_close(descriptors[:, :3], means)
