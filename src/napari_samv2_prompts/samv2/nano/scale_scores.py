"""Judge the masks of one click that were found at several scales: one score for all of them.

In its own window a mask may look right and yet be a piece of something larger: then it reaches the
window's edges, or a coarser level sees more.  What agrees across levels is seldom wrong.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .candidates import Candidates
from .looks import contrast, steepness
from .refinement import judging
from .windows import Window

MEASURES = 18
TOUCHED = 10
"""Which of them is the share of the outline on edges of the window."""
CUT = 0.2
"""Share, of the square root of the area, from which on a mask is cut off by its window,"""
PIECE = 0.6
"""and what its score is multiplied by then."""


def measures(found: Candidates, threshold: float = 0.0) -> Tensor:
    """What masks are judged by, ``(L * 4, MEASURES)``.

    The network's score and how it compares to the level's best; agreement within the level, with
    finer levels, with coarser ones, and with all others; the share of the outline on edges of the
    window beyond which there is more; size, steepness and sureness; how far colours and learnt
    descriptors differ across the outline, in all and against their spread inside; which level and
    mask it is.
    """
    levels = len(found.logits)
    alike = found.alike
    level = torch.arange(levels, device=alike.device).repeat_interleave(4)
    same = level[:, None] == level
    finer, coarser = level[None] < level[:, None], level[None] > level[:, None]
    scores = found.scores.flatten()
    own = torch.stack(
        [
            torch.cat(
                [
                    _shape(logits - threshold, window, grid),
                    contrast(logits[None] > threshold, look[None])[0],
                ],
                1,
            )
            for logits, window, grid, look in zip(
                found.logits, found.windows, found.grids, found.looks, strict=True
            )
        ]
    ).flatten(0, 1)
    one = torch.ones_like(scores)
    columns = [
        scores,
        scores - found.scores.amax(1).repeat_interleave(4),
        (alike * same).sum(1) / 4,
        (alike * finer).amax(1),
        (alike * coarser).amax(1),
        (alike * ~same).sum(1) / max(1, 4 * (levels - 1)),
        (alike * ~same * scores).sum(1) / max(1, 4 * (levels - 1)),
        (level == 0) * one,
        (level == levels - 1) * one,
        (torch.arange(len(scores), device=alike.device) % 4 == 0) * one,
    ]
    return torch.cat([torch.stack(columns, 1), own], 1)


def _shape(logits: Tensor, window: Window, grid: int) -> Tensor:
    """Of masks ``(4, h, w)``: touched edge, size, steepness and sureness, ``(4, 4)``."""
    inside = (logits > 0).float()
    area = inside.sum((1, 2))
    edges = window.cut_edges(inside, grid)
    touched = sum((cells.sum(1) for cells in edges), torch.zeros_like(area))
    sure = (logits.clamp(-16, 16) * inside).sum((1, 2)) / (area + 1) / 10
    return torch.stack(
        [touched / (area.sqrt() + 1), (area + 1).log() / 8, steepness(logits), sure], 1
    )


class ScaleScores(nn.Module):
    """A score of each mask: the IoU that is to be expected with what was meant.

    - `hidden`: width of the two hidden layers
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.head = judging(MEASURES, hidden)

    def forward(self, seen: Tensor) -> Tensor:
        """Map measures ``(N, MEASURES)`` to scores ``(N,)`` in [0, 1].

        What its window cuts off along a straight line is a piece, however sure it is.
        """
        scores: Tensor = (self.own(seen) + self.head(seen)[:, 0]).sigmoid()
        return scores * torch.where(seen[:, TOUCHED] > CUT, PIECE, 1.0)

    @staticmethod
    def own(seen: Tensor) -> Tensor:
        """Logits of the scores before anything is learnt.

        Half the network's score and half the agreement within the level, as on one level alone
        (:func:`.mask_scores.with_agreement`).
        """
        return ((seen[:, 0] + seen[:, 2]) / 2).clamp(0.01, 0.99).logit()
