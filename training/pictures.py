"""Pictures of masks; ``python -m training.pictures FILE`` draws a gallery of generated scenes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from skimage.segmentation import find_boundaries

from training.generator import KINDS, generate

Bool = NDArray[np.bool_]
RGB = NDArray[np.uint8]
Point = tuple[float, float]


def outlined(
    image: RGB,
    masks: Bool,
    points: Sequence[Point] = (),
    true: Bool | None = None,
    enlarge: int = 1,
) -> Image.Image:
    """Draw masks over an image.

    Parameters
    ----------
    image : (H, W, 3) uint8
    masks : (P, H, W) bool
        Tinted and outlined, each in a colour of its own.
    points : sequence of (x, y)
        Drawn as dots.
    true : (P, H, W) bool, optional
        Outlined in white below the masks.
    enlarge : int
        Whole factor the picture is enlarged by.
    """
    grown = [
        np.repeat(np.repeat(a, enlarge, -2), enlarge, -1)
        for a in (masks, masks if true is None else true)
    ]
    picture = np.repeat(np.repeat(image, enlarge, 0), enlarge, 1) / 255
    colours = np.random.default_rng(3).uniform(0.25, 1, (len(masks), 3))
    if true is not None:
        for mask in grown[1]:
            picture[find_boundaries(mask, mode="inner")] = 1
    for mask, colour in zip(grown[0], colours, strict=True):
        picture[mask] = 0.8 * picture[mask] + 0.2 * colour
        picture[find_boundaries(mask, mode="inner")] = colour
    drawn = Image.fromarray((picture * 255).astype(np.uint8))
    brush, radius = ImageDraw.Draw(drawn), max(1, enlarge)
    for x, y in points:
        middle = ((x + 0.5) * enlarge, (y + 0.5) * enlarge)
        corners = [(m - radius, m + radius) for m in middle]
        brush.ellipse(
            (corners[0][0], corners[1][0], corners[0][1], corners[1][1]),
            fill="white",
            outline="black",
        )
    return drawn


def gallery(columns: int = 4, size: int = 128, seed: int = 1) -> Image.Image:
    """Generated scenes of all kinds: picture and outlines of wholes and parts in turn."""
    sheet = Image.new("RGB", (2 * columns * size, (len(KINDS) // 2) * size))
    for place, kind in enumerate(KINDS):
        left, top = (place % 2) * columns * size, (place // 2) * size
        for column in range(0, columns, 2):
            scene = generate(np.random.default_rng((seed, place, column)), size, kind)
            levels = [scene.wholes == v for v in range(1, scene.wholes.max() + 1)]
            levels += [scene.parts == v for v in range(1, scene.parts.max() + 1)]
            masks = np.stack(levels) if levels else np.zeros((0, size, size), bool)
            sheet.paste(Image.fromarray(scene.image), (left + column * size, top))
            sheet.paste(outlined(scene.image, masks), (left + (column + 1) * size, top))
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def main() -> None:
    """Read the command line and draw the gallery."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    save(gallery(), parser.parse_args().file)


if __name__ == "__main__":
    main()
