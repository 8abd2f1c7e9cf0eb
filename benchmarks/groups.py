"""``python -m benchmarks.groups``: what it costs to follow touching objects in groups.

Objects of two groups do not leave each other's pixels alone.  Films of 170 generated nuclei, most
of which touch, are followed through six planes, all together and in groups of several sizes.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_samv2_prompts import SAMV2ImagePredictor, segment_stack
from napari_samv2_prompts.propagation import partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, OBJECTS, PLANES = 640, 170, 7
APART = 34.0  # pixels between two middles at least
SIZES = (1000, 64, 32, 16)


def film(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return planes and their labels: nuclei that a smooth field moves, up to 3 pixels a plane."""
    rng = np.random.default_rng(seed)
    middles: list[Any] = []
    while len(middles) < OBJECTS:
        place = rng.uniform(10, SIDE - 10, 2)
        if all(np.hypot(*(place - other)) > APART for other in middles):
            middles.append(place)
    grid = np.moveaxis(np.mgrid[:SIDE, :SIDE], 0, -1)
    distance, nearest = cKDTree(middles).query(grid.reshape(-1, 2))
    inside = distance < rng.uniform(15, 24, OBJECTS)[nearest]
    labels = np.where(inside, nearest + 1, 0).reshape(SIDE, SIDE).astype(np.int32)
    light = np.append(20.0, rng.uniform(60, 200, OBJECTS))[labels]
    light *= 1 + ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 2)
    border = np.diff(labels, axis=0, prepend=0).astype(bool)
    light[border | np.diff(labels, axis=1, prepend=0).astype(bool)] *= 0.6
    light = ndimage.gaussian_filter(light, 1)
    moves = [ndimage.gaussian_filter(rng.standard_normal((SIDE, SIDE)), 50) for _ in range(2)]
    moves = [3 * move / np.abs(move).max() for move in moves]
    planes, known = [], []
    for plane in range(PLANES):
        at = [grid[..., axis] + moves[axis] * plane for axis in range(2)]
        seen = ndimage.map_coordinates(light, at, order=1, mode="nearest")
        planes.append((seen + rng.normal(0, 6, seen.shape)).clip(0, 255).astype(np.uint8))
        known.append(ndimage.map_coordinates(labels, at, order=0, mode="nearest"))
    return np.stack(planes), np.stack(known)


def main() -> None:
    """Print the mean IoU for each size of a group."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__)
    parser.add_argument("--films", type=int, default=2)
    films = parser.parse_args().films
    predictor = SAMV2ImagePredictor("nano", device="cpu")
    for seed in range(films):
        planes, known = film(seed)
        boxes = {
            number: (0, columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5)
            for number, (rows, columns) in enumerate(ndimage.find_objects(known[0]), 1)
        }
        for size in SIZES:
            partitions.GROUP = size
            own = time.process_time()
            found = segment_stack(planes, boxes=boxes, predictor=predictor)
            own = time.process_time() - own
            ious = [
                ((found[p] == n) & (known[p] == n)).sum()
                / ((found[p] == n) | (known[p] == n)).sum()
                for n in boxes
                for p in range(1, PLANES)
                if (known[p] == n).sum() > 20
            ]
            print(
                f"film {seed}, groups of {size}: IoU {np.mean(ious):.4f}, {own:.1f} s", flush=True
            )


if __name__ == "__main__":
    main()
