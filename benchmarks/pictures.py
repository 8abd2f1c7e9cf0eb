"""What is segmented: a picture and boxes in it.  Imports no torch, as a window does not."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["N_BOXES", "SIZE", "boxes", "picture"]

SIZE = (1200, 1800)
N_BOXES = 64


def picture() -> np.ndarray:
    """Return a colour picture of the size of the published example."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize(SIZE[::-1], Image.Resampling.BICUBIC))


def boxes() -> np.ndarray:
    """Return an 8 x 8 grid of boxes, each 150 x 100 pixels."""
    columns, rows = np.meshgrid(np.arange(8) * 220 + 20, np.arange(8) * 145 + 20)
    corners = np.stack([columns, rows], axis=-1).reshape(-1, 2)
    return np.hstack([corners, corners + np.array([150, 100])]).astype(float)
