"""Prompts are drawn where they were given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.draw import ellipse

from napari_samv2_prompts.samv2.nano.prompt_maps import draw_ellipse, draw_prompts


def test_drawn_prompts_lie_where_they_were_given() -> None:
    coords = torch.tensor([[[16.0, 32.0], [47.0, 63.0], [81.5, 9.5], [21.5, 101.5]]])
    drawn = draw_prompts(coords, torch.tensor([[2, 3, 1, 0]]), None, (32, 32))[0]
    positive, negative, box, logits = drawn
    assert (
        positive.argmax() == 2 * 32 + 20
    )  # row (9.5 + 0.5) / 4 - 0.5, column (81.5 + 0.5) / 4 - 0.5
    assert positive.max() == 1
    assert negative.argmax() == 25 * 32 + 5
    expected = torch.zeros(32, 32)
    expected[8:16, 4:12] = 1
    area = float(box.sum()) * 16
    assert abs(area - 31 * 31) < 1e-3  # from the centre of pixel 16 to that of pixel 47
    assert torch.equal(box > 0.5, expected > 0.5)
    assert not logits.any()


@pytest.mark.parametrize("box", [(9.0, 21.0, 48.0, 40.0), (12.0, 12.0, 14.0, 15.0)])
def test_the_ellipse_in_a_box_is_drawn_as_shares_of_cells(box: tuple[float, ...]) -> None:
    coords = torch.tensor(box).reshape(1, 2, 2)
    drawn = draw_ellipse(coords, torch.tensor([[2, 3]]), (16, 16))[0, 0].numpy()
    x0, y0, x1, y1 = box
    middle, radii = ((y0 + y1) / 2, (x0 + x1) / 2), ((y1 - y0 + 1) / 2, (x1 - x0 + 1) / 2)
    pixels = np.zeros((64, 64))
    pixels[ellipse(*middle, *radii, shape=pixels.shape)] = 1
    shares = pixels.reshape(16, 4, 16, 4).mean((1, 3))
    # Pixels whose centres lie on the ellipse may count or not.
    assert np.abs(drawn - shares).max() <= 4 / 16
    assert abs(drawn.sum() * 16 - np.pi * radii[0] * radii[1]) < max(3, 0.05 * pixels.sum())


def test_no_ellipse_is_drawn_without_a_box() -> None:
    coords = torch.rand(2, 2, 2) * 60
    assert not draw_ellipse(coords, torch.tensor([[1, 0], [1, -1]]), (16, 16)).any()
    mixed = draw_ellipse(coords.sort(dim=1).values, torch.tensor([[2, 3], [1, 0]]), (16, 16))
    assert mixed[0].any()
    assert not mixed[1].any()
