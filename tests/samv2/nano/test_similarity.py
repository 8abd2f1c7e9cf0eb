"""Similarity is high where the image looks like the prompted places."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from napari_samv2_prompts.samv2.nano.similarity import draw_similarity


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
