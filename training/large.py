"""One click on large things: ``python -m training.large``.

Discs and textured blobs of 100 to 2400 pixels in pictures of 512 to 4096, and scikit-image's coins
enlarged up to six times. None of it is trained on. Prints the mean IoU of the best scored mask, and
of the best of three.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data

from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from training.evaluate import BUNDLED, Asked, crop_iou, load_predictor
from training.unseen import GOOD, as_rgb, coin_labels

Bool = NDArray[np.bool_]
Case = tuple[str, NDArray[np.uint8], list[Bool]]
SIZES = (
    *((512, 100), (512, 300), (1024, 100), (1024, 300), (1024, 600)),
    *((2048, 300), (2048, 1200), (4096, 600), (4096, 1200), (4096, 2400)),
)
"""Sides of pictures and diameters of the things in them."""
ENLARGED = (1, 2, 4, 6)


def disc(side: int, diameter: int) -> tuple[NDArray[np.uint8], Bool]:
    """An even bright disc a little off the middle, on a dark ground, with noise."""
    rng = np.random.default_rng((side, diameter))
    y, x = np.mgrid[0:side, 0:side]
    mask = np.hypot(y - side * 0.48, x - side * 0.51) <= diameter / 2
    grey = np.where(mask, 190.0, 60.0) + rng.normal(0, 4, (side, side))
    return as_rgb(np.clip(grey, 0, 255).astype(np.uint8)), mask


def textured(side: int, diameter: int) -> tuple[NDArray[np.uint8], Bool]:
    """An uneven shape with coarse and fine texture and shading, on a ground with its own."""
    rng = np.random.default_rng((side, diameter, 1))

    def noise(cell: float) -> NDArray[np.float64]:
        count = max(4, int(side / cell) + 2)
        field = rng.standard_normal((count, count)).astype(np.float32)
        resized = Image.fromarray(field).resize((side, side), Image.Resampling.BICUBIC)
        return np.asarray(resized, np.float64)

    y, x = np.mgrid[0:side, 0:side].astype(float)
    angle = np.arctan2(y - side * 0.5, x - side * 0.49)
    edge = 1 + 0.12 * np.cos(2 * angle + 1) + 0.08 * np.cos(3 * angle + 2)
    mask = np.hypot(y - side * 0.5, x - side * 0.49) <= diameter / 2 * edge
    inside = 150 + 22 * noise(diameter / 9) + 10 * noise(4) + 30 * (x / side - 0.5)
    ground = 85 + 12 * noise(diameter / 5) + 8 * noise(3)
    grey = ndimage.gaussian_filter(np.where(mask, inside, ground), 1.0)
    return as_rgb(np.clip(grey, 0, 255).astype(np.uint8)), mask


def enlarged_coins(factor: int) -> tuple[NDArray[np.uint8], list[Bool]]:
    """The coins, enlarged bicubically."""
    image, labels = Image.fromarray(data.coins()), coin_labels()
    size = (image.width * factor, image.height * factor)
    grown = as_rgb(np.asarray(image.resize(size, Image.Resampling.BICUBIC)))
    labels = np.repeat(np.repeat(labels, factor, 0), factor, 1)
    return grown, [labels == value for value in range(1, labels.max() + 1)]


def cases(largest: int) -> Iterator[Case]:
    """All pictures up to a side, with their objects."""
    for side, diameter in SIZES:
        if side <= largest:
            for name, draw in (("disc", disc), ("textured blob", textured)):
                image, mask = draw(side, diameter)
                yield f"{name} of {diameter} in {side}", image, [mask]
    for factor in ENLARGED:
        image, masks = enlarged_coins(factor)
        yield f"coins x {factor}", image, masks


def one_click(
    predictor: SAMV2ImagePredictor, image: NDArray[np.uint8], masks: list[Bool]
) -> tuple[list[float], list[float]]:
    """IoU of the best scored mask for a click on each object, and of the best of three."""
    asked = Asked(predictor, image, masks)
    (answers,) = asked.click(1)
    three = [
        max(crop_iou(crop, mask) for crop in answer.crops)
        for answer, mask in zip(answers, masks, strict=True)
    ]
    return asked.scores(), three


def main() -> None:
    """Read the command line, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=BUNDLED)
    parser.add_argument("--largest", type=int, default=4096, help="side of the largest picture")
    args = parser.parse_args()
    torch.set_num_threads(1)
    predictor = load_predictor(args.weights)
    print("| one click | best by score | best of three | found |", "|---|---|---|---|", sep="\n")
    every: list[float] = []
    for name, image, masks in cases(args.largest):
        found, three = one_click(predictor, image, masks)
        every.append(float(np.mean(found)))
        good = f"{sum(value >= GOOD for value in found)} of {len(found)}"
        print(f"| {name} | {every[-1]:.3f} | {np.mean(three):.3f} | {good} |", flush=True)
    print(f"| mean | {np.mean(every):.3f} | | |")


if __name__ == "__main__":
    main()
