"""Likeness is high where the image looks like the prompted places, whatever its contrast was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling.pixels import to_unit
from napari_samv2_prompts.samv2.nano.contrast import stretch_contrast
from napari_samv2_prompts.samv2.nano.similarity import draw_similarity
from napari_samv2_prompts.samv2.weights.variants import find_variant

CPU = torch.device("cpu")


def slowly(descriptors: Tensor, places: list[tuple[float, float]]) -> np.ndarray:
    """Compare each cell with each place by scipy's interpolation, one at a time."""
    channels = descriptors.numpy().astype(float)
    best = np.full(channels.shape[1:], np.inf)
    for x, y in places:
        found = [
            ndimage.map_coordinates(c, [[y], [x]], order=1, mode="nearest")[0] for c in channels
        ]
        distance = sum((c - f) ** 2 for c, f in zip(channels, found, strict=True))
        best = np.minimum(best, distance)
    return np.exp(-best)


def test_clicks_are_compared_at_their_places() -> None:
    descriptors = torch.rand(3, 12, 16)
    coords = torch.tensor([[[3.25, 4.5], [10.0, 2.0], [7.0, 7.0], [1.0, 1.0]]])
    drawn = draw_similarity(descriptors[None], coords, torch.tensor([[1, 1, 0, -1]]))[0].numpy()
    np.testing.assert_allclose(
        drawn[0], slowly(descriptors, [(3.25, 4.5), (10, 2)]), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(drawn[1], slowly(descriptors, [(7, 7)]), rtol=1e-4, atol=1e-6)


def test_a_box_is_its_middle_against_what_lies_beyond_its_corners() -> None:
    image = torch.zeros(1, 1, 24, 24)
    image[..., 8:16, 6:18] = 3.0
    labels = torch.tensor([[2, 3]])
    inside, outside = draw_similarity(image, torch.tensor([[[5.5, 7.5], [17.5, 15.5]]]), labels)[0]
    assert torch.equal(inside > 0.9, image[0, 0] > 0)
    assert torch.equal(outside > 0.9, image[0, 0] == 0)


def test_without_a_prompt_of_a_kind_nothing_is_alike() -> None:
    descriptors = torch.rand(1, 2, 8, 8)
    drawn = draw_similarity(descriptors, torch.tensor([[[4.0, 4.0]]]), torch.tensor([[1]]))
    assert drawn[0, 0].max() > 0.9
    assert not drawn[0, 1].any()


def test_prompts_on_one_image_get_what_each_would_get_with_a_copy() -> None:
    descriptors = torch.rand(1, 4, 8, 8)
    coords, labels = torch.rand(3, 2, 2) * 8, torch.tensor([[2, 3], [1, 0], [1, -1]])
    shared = draw_similarity(descriptors, coords, labels)
    copied = draw_similarity(descriptors.expand(3, -1, -1, -1), coords, labels)
    torch.testing.assert_close(shared, copied, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (0.3, 0.6), (1.0, -0.0)])
def test_stretching_undoes_a_change_of_contrast(gain: float, offset: float) -> None:
    # Smooth, so that 8 bits of a third of the range still hold it.
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((64, 64)), 6)
    image = (image - image.min()) / np.ptp(image)
    reference, other = (
        to_unit(stretch_contrast(to_pixels(np.uint8(255 * x), 64, CPU)))
        for x in (image, image * gain + offset)
    )
    assert (reference - other).abs().max() < 3 / (255 * gain)
    assert float(reference.min()) < 1e-6
    assert float(reference.max()) > 1 - 1e-6


def test_an_image_of_noise_is_not_stretched_to_full_contrast() -> None:
    noise = np.random.default_rng(0).integers(100, 103, (64, 64), dtype=np.uint8)
    unit = to_unit(stretch_contrast(to_pixels(noise, 64, CPU)))
    assert float(unit.std()) < 0.1


def test_a_hot_pixel_does_not_darken_the_rest() -> None:
    image = np.full((256, 256), 20, np.uint8)
    image[64:128, 64:128] = 60
    hot = image.copy()
    hot[10, 10] = 255
    plain, other = (to_unit(stretch_contrast(to_pixels(x, 256, CPU))) for x in (image, hot))
    assert float((plain - other)[..., 64:128, 64:128].abs().max()) < 0.01


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
