"""Prompts drawn as maps at a quarter of the input: clicks, the box, the ellipse in it, old logits.

Click-map methods feed a network such maps beside the image (RITM, Sofiiuk et al. 2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.point_labels import BOX_START, NEGATIVE, POSITIVE

DISC_SIGMA = 2.0
"""Radius of a drawn click, in cells of the low-res logits (a quarter of the input)."""
SUBCELLS = 4
"""Places along a side of a cell at which the ellipse in a box is looked at: a pixel each."""
LOGIT_SCALE = 8.0
"""Drawn logits are squashed by ``tanh(logits / LOGIT_SCALE)``, so all channels lie in [-1, 1]."""


def to_map_cells(coords: Tensor) -> Tensor:
    """Return pixels of the input as cells of the maps; both count from the first one's centre."""
    return (coords.float() + 0.5) / 4 - 0.5


def _disc_map(coords: Tensor, chosen: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw a Gaussian disc at each chosen point, ``(P, H, W)``, taking the largest of them.

    ``coords`` is ``(P, N, 2)`` in cells of the map, ``chosen`` ``(P, N)`` bool.
    """
    if not chosen.any():
        return coords.new_zeros((coords.shape[0], *size))
    y = torch.arange(size[0], device=coords.device, dtype=coords.dtype)
    x = torch.arange(size[1], device=coords.device, dtype=coords.dtype)
    scale = -0.5 / DISC_SIGMA**2
    # A Gaussian is separable: two short exponentials instead of one per cell and point.
    down = ((y - coords[..., 1:]).square() * scale).exp() * chosen[..., None]
    across = ((x - coords[..., :1]).square() * scale).exp()
    return (down[..., :, None] * across[..., None, :]).amax(dim=1)


def _box_map(coords: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw the share of each cell that lies in the box, ``(P, H, W)``; zeros without a box."""
    if coords.shape[1] < 2:
        return coords.new_zeros((coords.shape[0], *size))
    start, end = coords[:, 0], coords[:, 1]

    def share(low: Tensor, high: Tensor, length: int) -> Tensor:
        cell = torch.arange(length, device=coords.device, dtype=coords.dtype)
        overlap = torch.minimum(cell + 0.5, high[:, None]) - torch.maximum(cell - 0.5, low[:, None])
        return overlap.clamp(0, 1)

    down = share(start[:, 1], end[:, 1], size[0])
    across = share(start[:, 0], end[:, 0], size[1])
    has_box = (labels[:, 0] == BOX_START)[:, None, None]
    return down[:, :, None] * across[:, None, :] * has_box


def draw_ellipse(coords: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Draw the share of each cell that lies in the ellipse inscribed in the box.

    A corner is the centre of a pixel that belongs to the box.

    - `coords`: Tensor of shape (P, N, 2); ``(x, y)`` in pixels of the input, box corners first
    - `labels`: Tensor of shape (P, N); -1 padding, 0 negative, 1 positive, 2 and 3 box corners
    - `size`: ``(H, W)`` of the map, a quarter of the input
    - returns Tensor of shape (P, 1, H, W), float32; zeros without a box
    """
    if coords.shape[1] < 2 or not (labels[:, 0] == BOX_START).any():
        return coords.new_zeros((coords.shape[0], 1, *size))
    middle, extent = coords[:, :2].float().mean(1), (coords[:, 1] - coords[:, 0]).float() + 1

    def squares(axis: int, length: int) -> Tensor:
        pixel = torch.arange(length * SUBCELLS, device=coords.device, dtype=torch.float32)
        return ((pixel - middle[:, axis, None]) / (extent[:, axis, None].clamp_min(1) / 2)).square()

    down, across = squares(1, size[0]), squares(0, size[1])
    inside = (down[:, :, None] + across[:, None, :] <= 1).float()
    has_box = (labels[:, 0] == BOX_START)[:, None, None, None]
    return F.avg_pool2d(inside[:, None], SUBCELLS) * has_box


def draw_prompts(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, size: tuple[int, int]
) -> Tensor:
    """Draw prompts as four maps at a quarter of the input.

    - `coords`: Tensor of shape (P, N, 2); ``(x, y)`` in pixels of the input, box corners first
    - `labels`: Tensor of shape (P, N); -1 padding, 0 negative, 1 positive, 2 and 3 box corners
    - `mask_input`: Tensor of shape (P, 1, H, W) or None; previous low-res logits
    - `size`: ``(H, W)`` of the maps
    - returns Tensor of shape (P, 4, H, W), float32; positive clicks and negative clicks as Gaussian
      discs, the box's interior, the squashed logits
    """
    cells = to_map_cells(coords)
    if mask_input is None:
        logits = cells.new_zeros((coords.shape[0], *size))
    else:
        logits = (mask_input[:, 0].float() / LOGIT_SCALE).tanh()
    maps = (
        _disc_map(cells, labels == POSITIVE, size),
        _disc_map(cells, labels == NEGATIVE, size),
        _box_map(cells, labels, size),
        logits,
    )
    return torch.stack(maps, dim=1)
