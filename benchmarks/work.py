"""``python -m benchmarks.work``: what runs for a while: finding all, and through a stack.

Both with ``nano`` on pictures of discs; in processor time of one thread.  Finding all is compared
with the published grid of 32 x 32 clicks, asked of the same model.  Units of a cluster are in
``benchmarks/cluster.py``.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import machine, seconds
from napari_samv2_prompts import segment_all, segment_stack
from napari_samv2_prompts.samv2 import SAMV2AutomaticMaskGenerator, SAMV2ImagePredictor

SIDE, SPACING, RADIUS = 512, 56, 18


def discs(shift: float = 0.0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return a picture of bright discs on a grid with some noise, and which disc each pixel is."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    x -= shift
    count = SIDE // SPACING
    row, column = (np.clip(axis // SPACING, 0, count - 1).astype(int) for axis in (y, x))
    inside = np.hypot(y - (row + 0.5) * SPACING, x - (column + 0.5) * SPACING) < RADIUS
    noise = np.random.default_rng(0).normal(0, 6, (SIDE, SIDE))
    picture = np.where(inside, 170, 60) + noise
    return picture.clip(0, 255).astype(np.uint8), np.where(inside, row * count + column + 1, 0)


def find_all(predictor: SAMV2ImagePredictor) -> list[str]:
    """Find all discs, and do the same with the published grid of clicks."""
    picture, truth = discs()
    found: list[NDArray[np.integer]] = []
    _, ours = seconds(lambda: found.append(segment_all(picture, predictor=predictor)))
    records: list[object] = []
    generator = SAMV2AutomaticMaskGenerator(predictor)
    _, grid = seconds(lambda: records.extend(generator.generate(picture)))
    hits = 0
    for number in range(1, truth.max() + 1):
        mask = truth == number
        label = np.bincount(found[0][mask]).argmax()
        other = found[0] == label
        hits += bool(label) and (mask & other).sum() / (mask | other).sum() > 0.5
    return [
        f"find all, {truth.max()} discs: {ours:.1f} s, {hits} found, {found[0].max()} objects",
        f"the published clicks: {grid:.1f} s, {len(records)} masks; {grid / ours:.2f} times",
    ]


def propagation(predictor: SAMV2ImagePredictor, planes: int, objects: int) -> str:
    """Follow discs that move through a stack, from boxes on its first plane."""
    stack = np.stack([discs(1.5 * plane)[0] for plane in range(planes)])
    truth = discs()[1]
    boxes = {}
    for number in range(11, 11 + objects):
        rows, columns = (np.flatnonzero((truth == number).any(axis)) for axis in (1, 0))
        boxes[number] = (0, columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    found: list[NDArray[np.integer]] = []
    _, took = seconds(lambda: found.append(segment_stack(stack, boxes=boxes, predictor=predictor)))
    _, embedding = seconds(lambda: predictor.embed(stack[0]))
    last = discs(1.5 * (planes - 1))[1]
    ious = []
    for number in boxes:
        mine, one = found[0][-1] == number, last == number
        ious.append((mine & one).sum() / (mine | one).sum())
    return (
        f"through {planes} planes, {objects} objects: {took / (planes - 1):.2f} s a plane, of "
        f"which embedding {embedding:.2f}; IoU on the last plane {min(ious):.2f} at least"
    )


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work", description=__doc__)
    parser.add_argument("--planes", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    predictor = SAMV2ImagePredictor("nano", device="cpu")
    lines = [f"{key}: {value}" for key, value in machine("cpu").items()]
    lines += find_all(predictor)
    lines += [propagation(predictor, given.planes, objects) for objects in (1, 8)]
    print("\n".join(f"- {line}" for line in lines))


if __name__ == "__main__":
    main()
