"""What all examples share: the command line and the demonstration image."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data


def parse(description: str, *, images: int = 1) -> argparse.Namespace:
    """Read image paths, model and output from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        help=f"path of an image, up to {images} times; without it, a sample is used",
    )
    parser.add_argument("--model", default="nano", help="name of the model (default: nano)")
    parser.add_argument("--out", type=Path, default=Path("output.png"), help="picture to write")
    arguments = parser.parse_args()
    if len(arguments.image) > images:
        parser.error(f"this example takes {images} image(s)")
    return arguments


def load(paths: list[Path], index: int = 0) -> np.ndarray:
    """Return an image of the command line as RGB; coins, then their negative, without one."""
    if index < len(paths):
        return np.asarray(Image.open(paths[index]).convert("RGB"))
    coins = data.coins() if index == 0 else 255 - data.coins()
    return np.stack([coins] * 3, axis=-1)


def place(image: np.ndarray, *shares: float) -> np.ndarray:
    """Turn shares of width and height, ``x, y, x, y ...`` in [0, 1], into pixels."""
    height, width = image.shape[:2]
    return np.array(shares).reshape(-1, 2) * (width, height)
