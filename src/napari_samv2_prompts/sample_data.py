"""Pictures to try the plugin on: File > Open Sample, and the demo of the command line.

Two come with scikit-image, two are computed; nothing is downloaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LayerData = tuple[NDArray[Any], dict[str, Any], str]

# One box (x0, y0, x1, y1) in pixels around each of the 24 coins, drawn by hand, row by row.
COIN_BOXES: tuple[tuple[int, int, int, int], ...] = (
    (21, 34, 67, 74), (80, 38, 120, 74), (131, 27, 179, 74),
    (191, 29, 240, 73), (255, 33, 297, 72), (304, 15, 365, 72),
    (24, 103, 67, 145), (83, 107, 122, 145), (133, 109, 173, 145),
    (185, 104, 226, 144), (244, 94, 296, 144), (316, 105, 356, 145),
    (25, 177, 63, 217), (79, 174, 124, 217), (134, 178, 174, 217),
    (188, 169, 237, 217), (250, 171, 297, 216), (314, 155, 380, 218),
    (17, 232, 75, 288), (92, 244, 136, 287), (143, 235, 201, 288),
    (219, 239, 269, 288), (275, 238, 326, 289), (335, 247, 382, 289),
)  # fmt: skip


def coins() -> list[LayerData]:
    """Return a photograph of 24 coins, 303 x 384 pixels, grey."""
    from skimage.data import coins as read

    return [(read(), {"name": "coins"}, "image")]


def immunohistochemistry() -> list[LayerData]:
    """Return a stained tissue section, 512 x 512 pixels, RGB."""
    from skimage.data import immunohistochemistry as read

    return [(read(), {"name": "immunohistochemistry", "rgb": True}, "image")]


def cells() -> list[LayerData]:
    """Return a generated fluorescence image of nuclei, 512 x 512 pixels, 16 bit."""
    image = generate_cells()
    limits = [float(limit) for limit in np.percentile(image, (1, 99.8))]
    return [(image, {"name": "cells", "contrast_limits": limits}, "image")]


def film() -> list[LayerData]:
    """Return a generated film of nuclei that drift, 10 x 384 x 384 pixels, 16 bit."""
    field, side, rng = generate_cells(440), 384, np.random.default_rng(0)
    places = [(4 * time, 3 * time) for time in range(10)]
    frames = [rng.poisson(field[top : top + side, left : left + side]) for top, left in places]
    image = np.stack(frames).astype(np.uint16)
    limits = [float(limit) for limit in np.percentile(image, (1, 99.8))]
    about = {"name": "film", "contrast_limits": limits, "axis_labels": ("t", "y", "x")}
    return [(image, about, "image")]


def generate_cells(size: int = 512, n_cells: int = 60, seed: int = 0) -> NDArray[np.uint16]:
    """Draw bright, textured, slightly blurred ellipses on a dim uneven background.

    - `size`: side of the square image in pixels
    - `n_cells`: how many nuclei to try to place; they touch, but do not lie on one another
    - `seed`: the same seed gives the same image
    - returns an array of shape (size, size), uint16; counts of a 12-bit camera
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    light = np.zeros((size, size), dtype=np.float32)
    taken = np.zeros((size, size), dtype=bool)
    texture = 1 + 4 * gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), 3)
    for _ in range(n_cells):
        y, x = rng.uniform(0, size, 2)
        radius, stretch, angle = rng.uniform(11, 22), rng.uniform(1, 1.6), rng.uniform(0, np.pi)
        along = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        across = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        inside = (along / (radius * stretch)) ** 2 + (across / radius) ** 2 < 1
        if (inside & taken).any():
            continue
        taken |= inside
        light[inside] = rng.uniform(600, 2200) * texture[inside]
    haze = 150 + 120 * np.sin(rows / size * 2) * np.cos(columns / size * 3)
    photons = gaussian_filter(light, 1.2) + haze
    counts = rng.poisson(photons.clip(0)) + rng.normal(100, 8, (size, size))
    image: NDArray[np.uint16] = counts.clip(0, 4095).astype(np.uint16)
    return image
