"""Cells' parts come to their places, however many channels they have."""

from __future__ import annotations

import pytest
import torch

from napari_samv2_prompts.samv2.modeling.cells import from_cells, logits_from_cells, to_cells


@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (4, 2)])
def test_logits_of_cells_come_to_where_they_were(grid: tuple[int, int], halvings: int) -> None:
    side = 2**halvings
    maps = torch.randn(2, 3, grid[0] * side, grid[1] * side)
    cells = to_cells(maps.flatten(0, 1)[..., None], halvings)
    assert torch.equal(from_cells(cells, grid, halvings)[..., 0].unflatten(0, (2, 3)), maps)
    assert torch.equal(logits_from_cells(cells.reshape(2, 3, -1), grid, halvings), maps)
