"""The encoding of a grid is the encoding of its cells' centres."""

from __future__ import annotations

import pytest
import torch

from napari_samv2_prompts.samv2.modeling.position import RandomFourierEncoding


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 7), (64, 64)])
def test_a_grid_is_the_encoding_of_its_centres(height: int, width: int) -> None:
    torch.manual_seed(0)
    encoding = RandomFourierEncoding(64)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centres = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], dim=-1)
    expected = encoding(centres).flatten(0, 1)
    torch.testing.assert_close(encoding.grid(height, width), expected, atol=2e-5, rtol=0)
