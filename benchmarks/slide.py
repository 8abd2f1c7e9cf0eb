"""``python -m benchmarks.slide FOLDER --out OUT``: a slide made of known nuclei, found by tiles.

Is each found once, and is a seam seen?  `FOLDER` holds pictures ``NAME.png`` with
``NAME.labels.png``: nuclei, bright on dark.  Each nucleus is cut out and laid on a dark ground, so
that all of them are known.  A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage
from tifffile import imread, imwrite

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.tiles import Tile
from napari_samv2_prompts.units.files import AllUnit
from napari_samv2_prompts.units.slides import SlideWork, plan_slide
from napari_samv2_prompts.units.unit import ModelSettings, run_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUND, NOISE = 18.0, 3.0
SOURCES = 60  # pictures that nuclei are taken from
EDGE = 2  # pixels around a nucleus that come with it


def nuclei(folder: Path) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield whole nuclei that are bright on dark: grey values above the ground, and the mask."""
    for path in sorted(folder.glob("*.labels.png"))[: SOURCES * 4]:
        labels = np.asarray(Image.open(path))
        grey = np.asarray(Image.open(path.with_name(path.name.replace(".labels", ""))).convert("L"))
        ground = np.median(grey[labels == 0]) if (labels == 0).any() else 255.0
        if ground > 60 or labels.ndim != 2:
            continue
        for number, found in enumerate(ndimage.find_objects(labels), 1):
            if found is None:
                continue
            rows, columns = found
            whole = rows.start > 0 and columns.start > 0
            whole &= rows.stop < labels.shape[0] and columns.stop < labels.shape[1]
            mask = labels[found] == number
            if whole and 60 < mask.sum() < 3000 and grey[found][mask].mean() > ground + 30:
                padded = np.pad(mask, EDGE)
                soft = np.clip(ndimage.gaussian_filter(padded.astype(float), 0.7) * 1.6, 0, 1)
                values = np.pad(grey[found].astype(float) - ground, EDGE, mode="edge")
                yield values * soft, padded


def make(folder: Path, side: int, spacing: int) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Lay nuclei on a ground, turned and moved at random; return the picture and their labels."""
    rng = np.random.default_rng(0)
    known = list(nuclei(folder))
    picture = rng.normal(GROUND, NOISE, (side, side)).astype(np.float32)
    labels = np.zeros((side, side), np.int32)
    number = 0
    for top in range(0, side - spacing + 1, spacing):
        for left in range(0, side - spacing + 1, spacing):
            values, mask = known[rng.integers(len(known))]
            turns = int(rng.integers(4))
            values, mask = np.rot90(values, turns), np.rot90(mask, turns)
            height, width = mask.shape
            if max(height, width) >= spacing:
                continue
            row = top + int(rng.integers(spacing - height))
            column = left + int(rng.integers(spacing - width))
            place = np.s_[row : row + height, column : column + width]
            number += 1
            picture[place] += values
            labels[place][mask] = number
    return picture.clip(0, 255).astype(np.uint8), labels


def judge(found: NDArray[np.uint16], known: NDArray[np.int32], tiles: tuple[Tile, ...]) -> None:
    """Print how many nuclei were found, once and well, inside cores of tiles and across them."""
    rows = {tile.core.top for tile in tiles} - {0}
    columns = {tile.core.left for tile in tiles} - {0}
    groups: dict[str, list[tuple[float, int]]] = {"inside": [], "across a face": []}
    for number, place in enumerate(ndimage.find_objects(known), 1):
        mask = known[place] == number
        values, counts = np.unique(found[place][mask], return_counts=True)
        large = [(int(c), int(v)) for v, c in zip(values, counts, strict=True) if v and c > 20]
        iou = 0.0
        if large:
            _, best = max(large)
            around = tuple(slice(max(0, s.start - 40), s.stop + 40) for s in place)
            iou = max(large)[0] / (mask.sum() + (found[around] == best).sum() - max(large)[0])
        across = any(place[0].start < cut < place[0].stop for cut in rows) or any(
            place[1].start < cut < place[1].stop for cut in columns
        )
        groups["across a face" if across else "inside"].append((iou, len(large)))
    for name, group in groups.items():
        ious, pieces = np.array([g[0] for g in group]), np.array([g[1] for g in group])
        good = ious > 0.5
        print(
            f"{name}: {len(group)} nuclei, {good.mean():.1%} found, IoU {ious[good].mean():.3f}, "
            f"{(pieces > 1).sum()} in two pieces"
        )
    listed = set(np.unique(found)) - {0}
    wrong = len(listed - set(np.unique(found[known > 0])))
    print(f"labels: {len(listed)}; on no nucleus: {wrong}")


def main() -> None:
    """Make the slide, find, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--spacing", type=int, default=96)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    picture, known = make(options.folder, options.side, options.spacing)
    slide = options.out / "slide.tif"
    if not slide.exists():
        imwrite(slide, picture, tile=(256, 256), compression="zlib")
    settings = ModelSettings(device="cpu")
    unit = AllUnit(slide, options.out / "labels.tif", Selection(), settings=settings)
    predictor = settings.make()
    weights = settings.key()
    work = plan_slide(unit, predictor.variant.largest_side, unit.key(weights))
    assert isinstance(work, SlideWork)
    started = time.process_time()
    if not unit.labels.exists():
        run = lambda units: run_units(units, cache(lambda: predictor), weights)  # noqa: E731
        for outcome in work.find(run):
            assert not outcome.error, outcome.error
        count = work.write(run).objects
        print(f"{count} objects, {time.process_time() - started:.0f} s of processor time")
    judge(imread(unit.labels), known, work.tiles)


if __name__ == "__main__":
    main()
