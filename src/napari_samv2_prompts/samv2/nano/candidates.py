"""The masks of one click, of all scales, as values: how they overlap, and which are offered.

Not here: where they come from (``pyramid.py``), how they are judged (``scale_scores.py``).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .windows import Window

SAME = 0.8
"""Masks of a higher IoU than this with a better one are not offered beside it."""


class Candidates(NamedTuple):
    """All masks of one click, of all levels: four a level, finest level first.

    - `.logits`: list of Tensor of shape (4, h, w); by level, those of the window
    - `.windows`: by level
    - `.grids`: sides of the levels' embeddings
    - `.scores`: Tensor of shape (L, 4); what the network says of each in its own window
    - `.objects`: Tensor of shape (L,)
    - `.alike`: Tensor of shape (L * 4, L * 4); IoU of each mask with each, on the coarsest grid
    - `.looks`: list of Tensor of shape (D, h, w); by level, descriptors of the window's cells:
      three colours, then what is learnt
    """

    logits: list[Tensor]
    windows: list[Window]
    grids: list[int]
    scores: Tensor
    objects: Tensor
    alike: Tensor
    looks: list[Tensor]


class Offered(NamedTuple):
    """What is offered for a click.

    - `.logits`: Tensor of shape (C, S/4, S/4); on the grid of the finest level
    - `.scores`: Tensor of shape (C,)
    - `.object_logit`: Tensor of shape (); of the level that has the best mask
    - `.finer`: Tensor of shape (C, S/2, S/2); the same masks on a finer grid, if the network looked
      closer
    """

    logits: Tensor
    scores: Tensor
    object_logit: Tensor
    finer: Tensor | None = None


def cover(inside: Tensor, windows: list[Window], grid: int, coarsest: int) -> Tensor:
    """Bring masks ``(P, 4, h, w)`` of windows to the coarsest grid: ``(P, 4, G, G)`` shares."""
    side, ratio = 4 * coarsest, coarsest / grid
    masks, cells = inside.float(), torch.arange(side, device=inside.device)[:, None]

    def overlap(starts: list[int]) -> Tensor:
        first = torch.tensor(starts, device=inside.device, dtype=torch.float32)[:, None, None] * 4
        place = (first + torch.arange(masks.shape[-1], device=inside.device)) * ratio
        low, high = torch.maximum(place, cells), torch.minimum(place + ratio, cells + 1)
        return (high - low).clamp_min(0)

    rows, columns = (overlap([w[axis] for w in windows]) for axis in (0, 1))
    return rows[:, None] @ masks @ columns[:, None].transpose(2, 3)


def overlaps(cover: Tensor) -> Tensor:
    """IoU ``(M, M)`` of masks that are shares ``(M, G, G)`` of cells; 0 where both are empty."""
    flat = cover.flatten(1)
    area = flat.sum(1)
    # The sum of |a - b| is that of the larger ones less that of the smaller ones.
    apart = torch.cdist(flat, flat, p=1.0)
    total = area[:, None] + area[None]
    return (total - apart) / (total + apart).clamp_min(1e-6)


def offer(found: Candidates, scores: Tensor, count: int, nothing: float) -> Offered:
    """Choose masks that differ, best first by their scores ``(L * 4,)``.

    ``nothing`` is the logit around a window.
    """
    order = scores.argsort(descending=True).tolist()
    chosen: list[int] = []
    for one in order:
        if len(chosen) < count and all(float(found.alike[one, other]) < SAME for other in chosen):
            chosen.append(one)
    chosen += [one for one in order if one not in chosen][: count - len(chosen)]
    logits = torch.stack([placed(found, one, nothing) for one in chosen])
    return Offered(logits, scores[chosen], found.objects[chosen[0] // 4])


def placed(found: Candidates, one: int, nothing: float) -> Tensor:
    """A candidate's logits on the finest level's low-res grid."""
    level, which = divmod(one, 4)
    logits = on_grid(
        found.logits[level][which][None], found.windows[level], found.grids[level], nothing
    )
    return to_finest(logits, found.grids[0])[0]


def on_grid(logits: Tensor, window: Window, grid: int, nothing: float) -> Tensor:
    """Put logits ``(C, h, w)`` of a window in their place, nothing around them."""
    if window.side == grid:
        return logits
    top, left, side = (4 * number for number in window)
    whole = logits.new_full((len(logits), 4 * grid, 4 * grid), nothing)
    whole[:, top : top + side, left : left + side] = logits
    return whole


def to_finest(logits: Tensor, grid: int) -> Tensor:
    """Logits ``(C, h, w)`` of a level on the finest level's low-res grid."""
    size = (4 * grid, 4 * grid)
    if logits.shape[1:] == size:
        return logits
    return F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
