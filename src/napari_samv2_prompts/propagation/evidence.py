"""How much each pixel speaks for an object, from what is seen and what was there before.

Here: :func:`features` (the measured values) and :func:`evidence` (their weighing, which looks at a
pixel's surroundings: whether there is a membrane between it and the object).  Its weights were
fitted to volumes of known objects by ``training/fit_propagation.py``.

Not here: which object gets a pixel (``handover.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from .carrying import Carried
from .patches import depth
from .weights import Weights, convolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = -1.9
"""Depth, as a feature, from which on pixels come into question."""
FEATURES = (
    "moved", "depth", "mask", "rival", "model", "score", "likelihood", "smooth_likelihood",
    "now", "before", "ridge", "size", "anchor", "distance",
)  # fmt: skip
GAUSS, BENT = (ndimage.gaussian_filter1d(np.eye(13)[6], 1.5, order=order) for order in (0, 2))
"""A Gaussian of 1.5 pixels, and its second derivative."""
RANGES = 32
"""Of grey values, in a histogram."""
BLUR = ndimage.gaussian_filter1d(np.eye(RANGES), 1.5, axis=0, mode="nearest")
"""What smooths a histogram, multiplied by it."""


def features(
    one: Carried, rival: NDArray[np.float32], logits: NDArray[np.float32], score: float
) -> NDArray[np.float32]:
    """Measure the pixels around an object.

    - `one`: the object, on its way to this plane.  The mask of its anchor keeps small errors from
      adding up from plane to plane.
    - `rival`: array of shape (h, w); how much of each pixel came from another object, the largest
      at each pixel
    - `logits`, `score`: the model's, of shape (h, w), and the IoU that it predicts
    - returns an array of shape (14, h, w), float32, in the order of :data:`FEATURES`
    """
    now, before, mask = one.now, one.before, one.mask
    around = ~mask & ndimage.binary_dilation(mask, iterations=6)
    smooth_now, smooth_before, ridge = _smooth(now, before)
    values = before[mask] if mask.any() else before.ravel()
    level, spread = float(values.mean()), float(values.std()) + 6.0
    size = float(np.log(mask.sum() + 1))
    return np.stack(
        [
            np.log((one.soft + 0.02) / (1.02 - one.soft)) / 2,
            one.inside.clip(-8, 8) / 4,
            depth(mask).clip(-8, 8) / 4,
            np.log((rival + 0.02) / (1.02 - rival)) / 2,
            logits.clip(-10, 10) / 4,
            np.full_like(now, score),
            _likelihood(now, before, mask, around),
            _likelihood(smooth_now, smooth_before, mask, around),
            ((now - level) / spread).clip(-3, 3),
            ((before - level) / spread).clip(-3, 3),
            (ridge * 4 / spread).clip(-3, 3),
            np.full_like(now, size / 2 - 3),
            depth(one.anchor).clip(-12, 12) / 4,
            np.full_like(now, min(one.distance, 24) / 8 - 1),
        ],
        dtype=np.float32,
    )


def _smooth(
    now: NDArray[np.float32], before: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return both smoothed by a Gaussian, and the Laplacian of the first of these."""
    rows = ndimage.correlate1d(np.stack([now, before]), GAUSS, axis=1)
    rows = np.concatenate([rows, ndimage.correlate1d(now, BENT, axis=0)[None]])
    smooth_now, smooth_before, bent = ndimage.correlate1d(rows, GAUSS, axis=2)
    return smooth_now, smooth_before, bent + ndimage.correlate1d(rows[0], BENT, axis=1)


def _likelihood(
    now: NDArray[np.float32],
    before: NDArray[np.float32],
    mask: NDArray[np.bool_],
    around: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the log of how much likelier grey values are in the object than around it."""
    inside = _histogram(before[mask])
    outside = _histogram(before[around])
    ratio = np.log((inside + 0.01) / (outside + 0.01))
    middles = (np.arange(RANGES) + 0.5) * (256 / RANGES)
    return np.asarray(np.interp(now, middles, ratio) / 2, np.float32)


def _histogram(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the smoothed shares of ranges of grey."""
    if not len(values):
        return np.full(RANGES, 1 / RANGES)
    place = (values * (RANGES / 256)).astype(int).clip(0, RANGES - 1)
    return np.asarray(BLUR @ np.bincount(place, minlength=RANGES) / len(values))


def evidence(values: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """Weigh the features ``(14, h, w)``: logits ``(h, w)``, positive where the object is."""
    return convolve(weights["evidence"], values)
