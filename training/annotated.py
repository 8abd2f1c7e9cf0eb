"""Real annotated images, and which of them are never trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

VALIDATION_SHARE = 0.15
HELD_OUT = frozenset({"4dbbb275960a"})
"""In neither split: StarDist's packaged test image is a part of it."""


@dataclass(frozen=True)
class Annotated:
    """A real image with its instances.

    Attributes
    ----------
    name : str
        File name without suffix.
    image : (H, W, 3) uint8
    labels : (H, W) int32
        Instances numbered from 1; 0 is background.
    kind : str
        ``dark`` or ``bright`` for grey images by their background, ``colour`` for the others.
    """

    name: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    kind: str


def in_validation(name: str) -> bool:
    """Whether an image belongs to the validation split: decided by the hash of its name alone."""
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < VALIDATION_SHARE


def read_folder(folder: Path, *, validation: bool) -> list[Annotated]:
    """Read the images ``NAME.png`` with ``NAME.labels.png`` of one split, in order of their names.

    Raises
    ------
    FileNotFoundError
        If the folder holds no such pair.
    """
    found = []
    for path in sorted(folder.glob("*.labels.png")):
        name = path.name.removesuffix(".labels.png")
        if in_validation(name) == validation and name not in HELD_OUT:
            found.append(_read(folder / f"{name}.png", path, name))
    if not found:
        raise FileNotFoundError(f"No pairs NAME.png, NAME.labels.png of this split in {folder}.")
    return found


def _read(image_path: Path, labels_path: Path, name: str) -> Annotated:
    with Image.open(image_path) as opened:
        colour = opened.mode not in ("L", "I;16", "I")
        image = np.asarray(opened.convert("RGB"))
    with Image.open(labels_path) as opened:
        labels = np.asarray(opened).astype(np.int32)
    bright = image[labels == 0].mean() > image[labels > 0].mean() if (labels > 0).any() else False
    return Annotated(name, image, labels, "colour" if colour else "bright" if bright else "dark")
