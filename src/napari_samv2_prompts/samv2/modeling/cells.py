"""Finer maps grouped by the cells of the embedding's grid, the order in which upscaling makes them.

In this layout both upscaling steps of the mask decoder are plain matrix products, and nothing is
moved between them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_cells(x: Tensor, halvings: int) -> Tensor:
    """Regroup ``(P, H, W, C)`` by the cells of a coarser grid: ``(P, cells, parts, C)``.

    A cell's parts are in the order in which upscaling makes them: the four quarters of the cell,
    then the four quarters of each quarter.
    """
    side = 2**halvings
    rows, columns = x.shape[1] // side, x.shape[2] // side
    quarters = [2] * halvings
    x = x.reshape(x.shape[0], rows, *quarters, columns, *quarters, x.shape[3])
    fine_rows, fine_columns = range(2, 2 + halvings), range(3 + halvings, 3 + 2 * halvings)
    parts = [axis for pair in zip(fine_rows, fine_columns, strict=True) for axis in pair]
    x = x.permute(0, 1, 2 + halvings, *parts, x.ndim - 1)
    return x.reshape(x.shape[0], rows * columns, side * side, -1)


def from_cells(x: Tensor, grid: tuple[int, int], halvings: int) -> Tensor:
    """Undo :func:`to_cells` for a grid of ``(height, width)`` cells: ``(P, H, W, C)``."""
    height, width = grid
    x = x.reshape(x.shape[0], height, width, *[2] * (2 * halvings), x.shape[-1])
    rows, columns = range(3, 3 + 2 * halvings, 2), range(4, 4 + 2 * halvings, 2)
    x = x.permute(0, 1, *rows, 2, *columns, x.ndim - 1)
    side = 2**halvings
    return x.reshape(x.shape[0], side * height, side * width, -1)


def logits_from_cells(logits: Tensor, grid: tuple[int, int], halvings: int) -> Tensor:
    """Bring logits ``(P, K, cells * parts)`` of cells' parts to their places, ``(P, K, H, W)``.

    The same as :func:`from_cells`, which copies one channel ten times as slowly.
    """
    (height, width), side = grid, 2**halvings
    numbers = torch.arange(width * side**2, device=logits.device)
    order = from_cells(numbers.view(1, width, side**2, 1), (1, width), halvings).flatten()
    rows = logits.reshape(-1, len(order)).index_select(1, order)
    return rows.view(*logits.shape[:2], height * side, width * side)


def as_product(conv: nn.Module, dtype: torch.dtype) -> Tensor:
    """Return a 2 x 2 transposed convolution with stride 2 as matrix ``(4 * out, in)``, no bias."""
    assert isinstance(conv, nn.ConvTranspose2d)
    return conv.weight.permute(2, 3, 1, 0).reshape(4 * conv.out_channels, -1).to(dtype)


def split_cells(x: Tensor, conv: Tensor) -> Tensor:
    """Bring cells ``(P, M, parts, C)`` to their quarters, ``(P, M, 4 * parts, C')``, float32."""
    # As one product: of a tile of several prompts' cells, torch would make one for each cell.
    split = F.linear(x.reshape(-1, x.shape[-1]).to(conv.dtype), conv).float()
    return split.reshape(x.shape[0], x.shape[1], -1, split.shape[-1] // 4)
