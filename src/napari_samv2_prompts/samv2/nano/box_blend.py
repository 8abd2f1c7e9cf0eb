"""Make one mask of the four that a box has: the better each fits the box, the more it counts.

A box says how far its object goes.  A mask that ends short of it is drawn with too high a threshold
or means a part; one that goes beyond it has too low a one.  Each mask is judged at several
thresholds, and the mean of their logits is taken, those that are likely to be right before others.

Not here: what judges the masks of clicks (``scale_scores.py``).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .looks import contrast, steepness
from .mask_scores import ious
from .refinement import judging

SHIFTS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Logits above the threshold at which masks are judged."""
SHARPNESS = 0.05
"""Difference of scores that makes one mask count e times as much as another."""
FINER = 4
"""Parts of a cell in which the extent of a mask is measured."""
STEADY = 2.0
"""How many times larger or smaller a mask may become by another threshold."""
PER_SIZE = 8.0
"""What logarithms of areas are divided by."""
MEASURES = 22
SIZE = 14
"""Which of them is a mask's size."""


def measures(
    logits: Tensor, scores: Tensor, boxes: Tensor, looks: Tensor, threshold: float = 0.0
) -> Tensor:
    """What the masks of boxes are judged by, ``(P, M * T, MEASURES)`` at `SHIFTS` in turn.

    The network's score and how it compares to the best; agreement with all others; how far the
    threshold was moved; how the mask's extent fits the box, on its sides and in all; how much of
    the box and of the ellipse in it is covered; size, steepness and sureness; how far colours and
    learnt descriptors differ across the outline.

    - `logits`: Tensor of shape (P, M, h, w)
    - `scores`: Tensor of shape (P, M)
    - `boxes`: Tensor of shape (P, 4); ``x0, y0, x1, y1`` in cells of the logits, from their corner
    - `looks`: Tensor of shape (P, D, h, w); descriptors: three colours, then what is learnt
    """
    shifts = logits.new_tensor(SHIFTS)
    above = logits.float() - threshold
    moved = (above[:, :, None] - shifts[:, None, None]).flatten(1, 2)
    inside = moved > 0
    flat = inside.flatten(2).float()
    area = flat.sum(2)
    own = scores.float().repeat_interleave(len(shifts), 1)
    shift = shifts.repeat(logits.shape[1]).expand_as(own)
    first = torch.arange(own.shape[1], device=own.device) < len(shifts)
    sure = (moved.clamp(-16, 16) * inside).sum((2, 3)) / (area + 1) / 10
    columns = [
        own,
        own - own.amax(1, keepdim=True),
        ious(flat, flat).mean(2),
        shift / 2,
        shift.abs() / 2,
        first.expand_as(own).float(),
        *_fit(_extents(above, shifts), boxes),
        *_filling(flat, boxes, (inside.shape[2], inside.shape[3])),
        (area + 1).log() / PER_SIZE,
        ((boxes[:, 2:] - boxes[:, :2]).prod(1, keepdim=True) + 1).log().expand_as(area) / PER_SIZE,
        steepness(moved),
        sure,
    ]
    return torch.cat([torch.stack(columns, 2), contrast(inside, looks)], 2)


def _extents(above: Tensor, shifts: Tensor) -> Tensor:
    """Boxes ``(P, M * T, 4)`` in cells of masks ``(P, M, h, w)`` by threshold; zeros if empty."""
    sides = []
    for axis in (2, 3):  # the highest logit of each column, then of each row
        profile = above.amax(axis)
        finer = F.interpolate(profile, scale_factor=FINER, mode="linear", align_corners=False)
        inside = finer[:, :, None] > shifts[:, None]
        low = inside.float().argmax(3)
        high = inside.shape[3] - inside.flip(3).float().argmax(3)
        some = inside.any(3)
        sides.append((low * some / FINER, high * some / FINER))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], -1).flatten(1, 2)


def _fit(extents: Tensor, boxes: Tensor) -> list[Tensor]:
    """How extents ``(P, N, 4)`` fit boxes: IoU, then by how much sides lie beyond those of the box.

    Mean, largest, smallest and mean distance of the four sides, in extents of the box.
    """
    start, end = boxes[:, None, :2], boxes[:, None, 2:]
    size = (end - start).clamp_min(1 / FINER)
    low, high = extents[..., :2], extents[..., 2:]
    both = (torch.minimum(high, end) - torch.maximum(low, start)).clamp_min(0).prod(2)
    union = (size.prod(2) + (high - low).prod(2) - both).clamp_min(1e-3)
    beyond = torch.cat([(start - low) / size, (high - end) / size], 2).clamp(-1, 1)
    return [both / union, beyond.mean(2), beyond.amax(2), beyond.amin(2), beyond.abs().mean(2)]


def _filling(flat: Tensor, boxes: Tensor, shape: tuple[int, int]) -> list[Tensor]:
    """Of flat masks: area in boxes, IoU with the box's ellipse, and their share in the box."""
    rows, columns = (torch.arange(n, device=flat.device) + 0.5 for n in shape)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1 / FINER) / 2
    across = ((columns - middle[:, :1]) / half[:, :1]).abs()[:, None]
    down = ((rows - middle[:, 1:]) / half[:, 1:]).abs()[:, :, None]
    ellipse = (across.square() + down.square() <= 1).flatten(1)[:, None].float()
    whole = (torch.maximum(across, down) <= 1).flatten(1)[:, :, None].float()
    area = flat.sum(2)
    return [
        (area / (4 * half.prod(1, keepdim=True))).clamp_max(2),
        ious(flat, ellipse)[..., 0],
        (flat @ whole)[..., 0] / (area + 1e-3),
    ]


class BoxBlend(nn.Module):
    """The IoU that is to be expected of each mask of a box, and their mean by that.

    - `hidden`: width of the two hidden layers
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.head = judging(MEASURES, hidden)

    def forward(self, seen: Tensor) -> Tensor:
        """Map measures ``(P, M * T, MEASURES)`` to scores ``(P, M * T)`` in [0, 1].

        A threshold by which a mask becomes far larger or smaller is not that of its outline: 0.
        """
        scores: Tensor = (self.own(seen) + self.head(seen)[..., 0]).sigmoid()
        sizes = seen[..., SIZE].unflatten(-1, (-1, len(SHIFTS)))
        unmoved = sizes[..., SHIFTS.index(0.0), None]
        steady = ((sizes - unmoved).abs() <= math.log(STEADY) / PER_SIZE).flatten(-2)
        return scores * steady

    @staticmethod
    def own(seen: Tensor) -> Tensor:
        """Logits of the scores before anything is learnt: the network's."""
        return seen[..., 0].clamp(0.01, 0.99).logit()


def blend(logits: Tensor, scores: Tensor) -> Tensor:
    """Return the mean ``(..., h, w)`` of masks' logits by scores.

    - `logits`: Tensor of shape (..., M, h, w)
    - `scores`: Tensor of shape (..., M * T); expected IoU of each mask at each of `SHIFTS`
    """
    shares = _shares(scores).unflatten(-1, (-1, len(SHIFTS)))
    shift = (shares * shares.new_tensor(SHIFTS)).sum((-1, -2))
    mean = (shares.sum(-1)[..., None, None] * logits.float()).sum(-3)
    return mean - shift[..., None, None]


def expected(scores: Tensor) -> Tensor:
    """Return the score ``(..., 1)`` of what is blended by scores ``(..., M * T)``."""
    return (_shares(scores) * scores).sum(-1, keepdim=True)


def _shares(scores: Tensor) -> Tensor:
    return (scores / SHARPNESS).softmax(-1)
