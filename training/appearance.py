"""Changes of an image's looks that leave its geometry alone: what training images differ by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def alter(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Change an image's looks but not its geometry: contrast, colour, exposure, blur, noise."""
    x: NDArray[np.floating[Any]] = image.astype(np.float32) / 255
    if rng.random() < 0.4:
        low, high = np.percentile(x[::4, ::4], [rng.uniform(0, 2), rng.uniform(98, 100)])
        x = np.clip((x - low) / max(high - low, 0.02), 0, 1)
    grey = bool((image[..., 0] == image[..., 2]).all())
    if grey and rng.random() < 0.1:
        ends = rng.uniform(0, 1, (2, 3)).astype(np.float32)
        x = ends[0] + x * (ends[1] - ends[0])
    elif not grey:
        x = _recoloured(rng, x)
    if rng.random() < 0.12:
        x = 1 - x
    if rng.random() < 0.35:
        x = np.clip(
            x * np.float32(np.exp(rng.normal(0, 0.3))) + np.float32(rng.normal(0, 0.05)), 0, 1
        )
    if rng.random() < 0.2:
        x = x ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.1:
        sigma = rng.uniform(0.4, 1.5)
        x = ndimage.gaussian_filter(x, (sigma, sigma, 0))
    if rng.random() < 0.15:
        x = x + np.float32(rng.uniform(0.005, 0.05)) * rng.standard_normal(
            (*x.shape[:2], 1), np.float32
        )
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def _recoloured(
    rng: np.random.Generator, x: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Mix the channels a little, exchange them, or make the image grey."""
    choice = rng.random()
    if choice < 0.2:
        grey = x @ np.array([0.3, 0.59, 0.11], np.float32)
        return np.repeat(grey[..., None], 3, 2)
    if choice < 0.35:
        return x[..., rng.permutation(3)]
    mix = np.eye(3) + rng.normal(0, 0.12, (3, 3))
    return np.clip(x @ mix.astype(np.float32), 0, 1)
