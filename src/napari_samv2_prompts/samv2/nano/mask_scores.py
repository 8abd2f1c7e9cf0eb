"""Score masks by how they look: what lies inside, along and around each.

The published score is read from one token, before there are any masks.  A small model judges its
masks better by looking at them, as Mask Scoring R-CNN does (Huang et al. 2019): by the mean of the
last features inside a mask, along its outline and just outside, by how sure it is, and by how far
its candidates agree with each other.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .looks import grown, steepness
from .refinement import judging

_MEASURES = 5


class MaskScores(nn.Module):
    """What is added to the scores' logits; begins with nothing.

    - `channels`: of the features and the drawn prompts together
    - `masks`, `hidden`: how many masks a prompt has; width of the two hidden layers
    """

    def __init__(self, channels: int, masks: int, hidden: int) -> None:
        super().__init__()
        self.head = judging(3 * channels + _MEASURES + 3 * masks, hidden)

    def forward(self, logits: Tensor, scores: Tensor, features: Tensor) -> Tensor:
        """Return better logits of the scores.

        Nothing is learnt through the masks: they are judged, not changed.

        - `logits`: Tensor of shape (P, M, h, w); low-res logits of the masks
        - `scores`: Tensor of shape (P, M); logits of the scores as the token has them
        - `features`: Tensor of shape (P, C, h, w)
        """
        masks = logits.detach().flatten(2).float()
        inside = masks.sigmoid()
        outline = 4 * inside * (1 - inside)
        ring = grown(inside.view_as(logits)).flatten(2) - inside
        area, edge, around = (part.sum(2) + 1 for part in (inside, outline, ring))
        cells = features.detach().flatten(2).transpose(1, 2).float()
        means = torch.cat([inside, outline, ring], 1) @ cells
        means = means.unflatten(1, (3, -1)) / torch.stack([area, edge, around], 1)[..., None]
        measures = [
            area.log() / 10,
            edge / area,
            around / area,
            steepness(logits.detach()),
            (inside * masks.clamp(-32, 32)).sum(2) / area / 10,
        ]
        count = masks.shape[1]
        which = torch.eye(count, device=masks.device).expand(len(masks), -1, -1)
        others = scores.detach()[:, None].expand(-1, count, -1)
        alike = ious(inside, inside)
        looks = [means.transpose(1, 2).flatten(2), torch.stack(measures, 2), alike]
        added: Tensor = self.head(torch.cat([*looks, others, which], 2))
        return scores + added[..., 0]


def with_agreement(scores: Tensor, masks: Tensor) -> Tensor:
    """Return scores that go half by how far a prompt's masks agree, ``(P, M)``.

    Which of several meanings a click has is a guess: a mask that is like the others is less wrong
    if the guess is.

    - `scores`: Tensor of shape (P, M); IoU as each mask has it by itself
    - `masks`: Tensor of shape (P, M, h, w), bool
    """
    flat = masks.flatten(2).to(scores.dtype)
    return (scores + ious(flat, flat).mean(2)) / 2


def ious(some: Tensor, others: Tensor) -> Tensor:
    """IoU ``(P, N, K)`` of masks ``(P, N, C)`` and ``(P, K, C)``, soft ones too. 0 where empty."""
    both = some @ others.transpose(1, 2)
    return both / (some.sum(2)[:, :, None] + others.sum(2)[:, None] - both).clamp_min(1)
