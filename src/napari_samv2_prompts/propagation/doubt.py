"""How far a section is to be trusted, from what can be measured without knowing the truth.

Here: :class:`Measures`, :func:`judge` (their weighing into a doubt, and into whether the object is
still there), and :func:`doubts_of_planes`, by which planes are looked at.  The weights were fitted
by ``training/fit_propagation.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from .carrying import Carried
from .values import Section
from .weights import Weights, apply

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a section.

    - `.score`: the IoU that the model predicts
    - `.agreement`: IoU of the section and the model's own mask
    - `.kept`: IoU of the section and the last mask, carried here
    - `.sure`: mean distance of the evidence from undecided, near the outline and inside
    - `.growth`: logarithm of the area over that of the last mask
    - `.sharp`: how well the last mask's pixels were found again: mean of ``|2 soft - 1|`` around it
    - `.level`: change of the mean grey inside, in standard deviations
    - `.size`: logarithm of the last mask's area
    - `.share`: logarithm of the area over that of the anchor behind
    - `.trend`: logarithm of the last mask's area over that of the one before: its growth so far
    - `.distance`: planes from the anchor, over 24
    """

    score: float
    agreement: float
    kept: float
    sure: float
    growth: float
    sharp: float
    level: float
    size: float
    share: float
    trend: float
    distance: float

    @classmethod
    def of(
        cls,
        one: Carried,
        mask: NDArray[np.bool_],
        evidence: NDArray[np.float32],
        logits: NDArray[np.float32],
        score: float,
    ) -> Measures:
        """Measure a section.

        All arrays are of the object's window.

        - `mask`: the section
        - `evidence`: what it was made of, see :func:`.evidence`
        - `logits`, `score`: the model's, and the IoU that it predicts
        """
        soft, last = one.soft, one.mask
        carried = soft > 0.5
        near = mask | carried | last
        values = one.before[last]
        level = 3.0
        if mask.any() and len(values):
            level = abs(float(one.now[mask].mean() - values.mean())) / (float(values.std()) + 6.0)
        older, newer = one.areas
        return cls(
            score,
            _iou(mask, logits > 0),
            _iou(mask, carried),
            float(np.tanh(np.abs(evidence[near]) / 2).mean()) if near.any() else 0.0,
            float(np.log((mask.sum() + 1) / (last.sum() + 1))),
            float(np.abs(2 * soft[near] - 1).mean()) if near.any() else 0.0,
            min(level, 3.0),
            float(np.log(last.sum() + 1)) / 8,
            float(np.log((mask.sum() + 1) / (one.anchor.sum() + 1))),
            float(np.log((newer + 1) / (older + 1))),
            min(one.distance, 24) / 24,
        )

    @property
    def values(self) -> NDArray[np.float64]:
        """The measures as an array, in the order of the attributes."""
        return np.array(astuple(self))


def _iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    union = int((a | b).sum())
    return float((a & b).sum() / union) if union else 1.0


def judge(measures: Measures, weights: Weights) -> tuple[float, float]:
    """Return the doubt of a section and how sure it is that the object is gone, both 0 to 1."""
    values = measures.values.astype(np.float32)
    doubt, gone = (1 / (1 + np.exp(-float(apply(weights[n], values)))) for n in ("doubt", "gone"))
    return float(doubt), float(gone)


def doubts_of_planes(sections: Mapping[int, Section]) -> dict[int, float]:
    """Return the doubt of each plane on which an object was found, 0 to 1.

    It is the mean of the section's own and that of the more doubtful one beside it: what is wrong
    on two planes in turn is more often wrong, and one correction mends both.  Beside what the user
    said, and where the object ends, there is none.

    - `sections`: of one object, by their plane
    """
    own = {plane: section.doubt for plane, section in sections.items()}
    return {
        plane: (doubt + max(own.get(plane - 1, 0.0), own.get(plane + 1, 0.0))) / 2
        for plane, doubt in own.items()
    }
