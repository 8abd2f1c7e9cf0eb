"""A model on images like none it was trained on: ``python -m training.unseen --pictures FOLDER``.

scikit-image's coins, cell and immunohistochemistry; with ``--nuclei IMAGE MASK`` also an image of
nuclei with its labels, such as the one that StarDist's package carries. Prints the numbers, writes
one picture each.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data, filters, segmentation

from napari_samv2_prompts.prompts import Prompt
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.finetune import clicks
from training.annotated import Annotated
from training.evaluate import BUNDLED, Asked, evaluate_image, load_predictor
from training.pictures import Point, outlined, save
from training.report import calibration, table

Bool = NDArray[np.bool_]

GOOD = 0.8
"""IoU from which a coin counts as segmented."""
CELL_CLICKS: tuple[Point, ...] = ((428, 372),)
STAIN_CLICKS: tuple[Point, ...] = ((318, 400), (345, 130), (443, 317), (20, 300), (279, 244))


def as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """8-bit RGB of a grey or RGB image; other number types are stretched."""
    if image.dtype != np.uint8:
        low, high = np.percentile(image, (0.1, 99.9))
        image = (np.clip((image.astype(float) - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)
    return np.asarray(rgb, np.uint8)


def coin_labels() -> NDArray[np.int32]:
    """Label the 24 coins as scikit-image's own example does: markers, edges, watershed."""
    image = data.coins()
    markers = np.where(image < 30, 1, np.where(image > 150, 2, 0))
    inside = segmentation.watershed(filters.sobel(image), markers) == 2
    labels, _ = ndimage.label(ndimage.binary_fill_holes(inside))
    kept = np.flatnonzero(np.bincount(labels.ravel()) >= 100)[1:]
    return (np.searchsorted(kept, labels) + 1).astype(np.int32) * np.isin(labels, kept)


def coins(predictor: SAMV2ImagePredictor, folder: Path) -> list[float]:
    """IoU of each coin from one click at its centre; writes ``nano-coins.png``."""
    image, labels = as_rgb(data.coins()), coin_labels()
    masks = [labels == value for value in range(1, labels.max() + 1)]
    asked = Asked(predictor, image, masks)
    list(asked.click(1))
    points = [clicks.centre(mask)[:2] for mask in masks]
    save(outlined(image, np.stack(asked.found), points), folder / "nano-coins.png")
    return asked.scores()


def clicked(
    predictor: SAMV2ImagePredictor, image: NDArray[np.uint8], points: Sequence[Point]
) -> Bool:
    """One mask (P, H, W) for each click (x, y): the best scored of three."""
    asked = Asked(predictor, image, [])
    asked.ask([Prompt.of(n, [point], [1]) for n, point in enumerate(points, start=1)])
    return np.stack(asked.found)


def main() -> None:
    """Read the command line, evaluate, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=BUNDLED)
    parser.add_argument("--pictures", type=Path, required=True, help="folder for the pictures")
    parser.add_argument(
        "--nuclei", type=Path, nargs=2, metavar=("IMAGE", "MASK"), help="TIFF files"
    )
    args = parser.parse_args()
    predictor = load_predictor(args.weights)
    iou = np.array(coins(predictor, args.pictures))
    print(
        f"coins: {(iou >= GOOD).sum()} of {len(iou)} at IoU >= {GOOD} from one click, "
        f"mean {iou.mean():.3f}"
    )
    examples = {
        "cell": (data.cell(), CELL_CLICKS),
        "stain": (data.immunohistochemistry(), STAIN_CLICKS),
    }
    for name, (source, points) in examples.items():
        image = as_rgb(source)
        masks = clicked(predictor, image, points)
        save(outlined(image, masks, points), args.pictures / f"nano-{name}.jpg")
    if args.nuclei:
        from tifffile import imread

        image, labels = as_rgb(imread(args.nuclei[0])), imread(args.nuclei[1]).astype(np.int32)
        rows = evaluate_image(predictor, Annotated("nuclei", image, labels, "dark"))
        print(table(rows), calibration(rows), sep="\n")


if __name__ == "__main__":
    main()
