"""What is found of objects on one frame, and which of the decoder's masks it is.

Not here: finding it (``track.py``), what is kept of it (``state.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single

NO_OBJECT = -1024.0
"""The logits of a mask whose object is not on the frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """What one object looks like on one frame."""

    logits: Tensor  # shape (S/4, S/4): on the device that computed them, as they come
    score: float  # predicted IoU
    object_score: float  # positive when the object is there
    pointer: Tensor  # shape (C,)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask at a quarter of the input."""
        return np.asarray((self.logits > 0).cpu().numpy())


class Answers(NamedTuple):
    """As :class:`Tracked`, for several objects."""

    logits: Tensor
    scores: Tensor
    object_logits: Tensor
    pointers: Tensor

    def each(self) -> list[Tracked]:
        """Return them one by one."""
        scores, objects = torch.stack([self.scores, self.object_logits]).float().tolist()
        rows = zip(self.logits.float(), scores, objects, self.pointers, strict=True)
        return [Tracked(*row) for row in rows]


def best_of_three(decoded: Decoded) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, score and token of the mask that is said to be best, among 1 to 3."""
    assert decoded.tokens is not None
    best = decoded.scores[:, 1:].argmax(dim=1) + 1
    rows = torch.arange(len(best), device=best.device)
    return decoded.logits[rows, best], decoded.scores[rows, best], decoded.tokens[rows, best]


def single(decoded: Decoded) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits and score of the stable mask; the token is that of mask 0 in any case."""
    assert decoded.tokens is not None
    one = choose_single(decoded)
    return one.logits[:, 0], one.scores[:, 0], decoded.tokens[:, 0]
