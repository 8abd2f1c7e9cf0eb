"""How well objects are followed through volumes: 3-D IoU from one box on the largest section.

    python -m training.evaluate_volumes --data VOLUMES [NAME ...] [--quick] [--corrections 2]

Every object of a volume that is large enough (``volumes.py``) gets its tight box on its largest
section, and all of them are followed together, in both directions over all planes.  The baseline is
the largest *true* section copied over the object's *true* extent.  A correction gives an object its
true mask on the most doubtful plane, or says that it is not there; then only what lies beside it is
done again.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.propagation import (
    Embeddings,
    Follower,
    Found,
    HandOver,
    Section,
    Wanted,
    current,
    doubts_of_planes,
    painted,
    propagate,
)
from napari_samv2_prompts.propagation.weights import of
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

from .volumes import Volume, box_of, copied, iou, objects_of, read_volume

Anchors = dict[int, dict[int, MaskCrop]]


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """An object that was followed.

    Attributes
    ----------
    number : int
    truth : array of shape (Z, Y, X), bool
    baseline : float
        3-D IoU of the copied section.
    first : float
        IoU of the mask on the prompted plane.
    ious : list of float
        3-D IoU without corrections, after one, after two ...
    planes : list of (float, float)
        Doubt and true IoU of each plane on which it was found, before any correction.
    """

    number: int
    baseline: float
    first: float
    ious: list[float]
    planes: list[tuple[float, float]]


class Setting:
    """A volume with its predictor, embeddings and method."""

    def __init__(
        self, volume: Volume, predictor: SAMV2ImagePredictor, weights: Any = None, watch: Any = None
    ) -> None:
        self.volume, self.predictor = volume, predictor
        stack = StackPicture.of(volume.image)
        variant = predictor.variant
        sides = InputSides(variant.input_size, variant.largest_side)
        self.embed = Embeddings.of_stack(stack, predictor.embed, sides)
        self.follower: Follower = HandOver(stack, self.embed, predictor.decode, weights, watch)
        self.wanted = Wanted(0, len(volume.image) - 1)

    def prompted(self) -> Anchors:
        """Return the masks that boxes on the largest sections give."""
        anchors: Anchors = {}
        by_plane: dict[int, list[int]] = {}
        for number, plane, _ in objects_of(self.volume):
            by_plane.setdefault(plane, []).append(number)
        for plane, numbers in by_plane.items():
            labels = self.volume.labels[plane]
            embedding, _ = self.embed(plane, Region.whole(labels.shape))
            boxes = [Prompt.of(n, box=box_of(labels == n)) for n in numbers]
            for item in self.predictor.decode(embedding, PromptBatch(tuple(boxes))):
                anchors[item.object] = {plane: item.crops[item.best]}
        return {n: planes for n, planes in anchors.items() if all(c.area for c in planes.values())}

    def fill(self, anchors: Anchors, found: Found) -> Found:
        """Propagate to the end."""
        for filled in propagate(self.follower, anchors, found, self.wanted):
            found.add(filled)
        return found


def evaluate(setting: Setting, corrections: int = 0) -> list[Tracked]:
    """Follow all objects of a volume, correct them, and compare with the truth."""
    volume, anchors = setting.volume, setting.prompted()
    found = setting.fill(anchors, Found())
    sections = current(anchors, found)
    labels = painted(volume.image.shape, anchors, sections)
    results: dict[int, Tracked] = {}
    for number, plane, areas in objects_of(volume):
        if number not in anchors:
            continue
        truth = volume.labels == number
        mine = sections.get(number, {})
        planes = [
            (doubt, iou(mine[at].crop.full(truth.shape[1:]), truth[at]))
            for at, doubt in doubts_of_planes(mine).items()
        ]
        first = iou(anchors[number][plane].full(truth.shape[1:]), truth[plane])
        results[number] = Tracked(
            number, copied(truth, areas), first, [iou(labels == number, truth)], planes
        )
    for _ in range(corrections):
        for number in results:
            anchors[number] |= _correction(volume, number, current(anchors, found))
        setting.fill(anchors, found)
        labels = painted(volume.image.shape, anchors, current(anchors, found))
        for number, result in results.items():
            result.ious.append(iou(labels == number, volume.labels == number))
    return list(results.values())


def _correction(
    volume: Volume, number: int, sections: dict[int, dict[int, Section]]
) -> dict[int, MaskCrop]:
    """Return the true mask on the most doubtful plane."""
    doubts = doubts_of_planes(sections.get(number, {}))
    if not doubts:
        return {}
    plane = max(doubts, key=doubts.__getitem__)
    return {plane: cropped(volume.labels[plane] == number)}


def summary(name: str, results: list[Tracked]) -> str:
    """Return the figures of a volume in one line."""
    doubts = np.array([plane for result in results for plane in result.planes])
    rho = spearmanr(1 - doubts[:, 0], doubts[:, 1]).statistic if len(doubts) > 2 else np.nan
    caught = [_catches(result.planes) for result in results if len(result.planes) > 3]
    mean = np.mean([result.ious for result in results], axis=0)
    first = np.mean([result.first for result in results])
    return (
        f"{name}: {len(results)} objects; prompted plane {first:.3f}; "
        f"copy {np.mean([r.baseline for r in results]):.3f}; 3-D IoU "
        + ", ".join(f"{value:.3f}" for value in mean)
        + f"; doubt rho {rho:.2f}, worst among three most doubtful {np.mean(caught):.2f}"
    )


def _catches(planes: list[tuple[float, float]]) -> bool:
    worst = min(value for _, value in planes)
    ranked = sorted(planes, key=lambda plane: -plane[0])[:3]
    return any(value == worst for _, value in ranked)


def part(volume: Volume) -> Volume:
    """Return a quarter of a large volume, or all of a small one: for choosing between ways."""
    _, height, width = volume.image.shape
    return volume.cut(slice(0, 32), slice(0, min(height, 128)), slice(0, min(width, 128)))


def main() -> None:
    """Read the command line, evaluate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of file names; all volumes by default")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--quick", action="store_true", help="a small part of large volumes")
    parser.add_argument("--corrections", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="fitted weights, instead of the bundled")
    parser.add_argument("--out", type=Path, help="file for the single values (JSON)")
    args = parser.parse_args()
    predictor = SAMV2ImagePredictor(args.model)
    fitted = args.weights and of(json.loads(args.weights.read_text()))
    rows: list[dict[str, Any]] = []
    for path in sorted(args.data.rglob("*.tif")):
        if path.stem.endswith(".labels") or not (
            not args.names or any(name in path.stem for name in args.names)
        ):
            continue
        volume = read_volume(path)
        started = time.perf_counter()
        setting = Setting(part(volume) if args.quick else volume, predictor, fitted)
        results = evaluate(setting, args.corrections)
        print(summary(volume.name, results), f"({time.perf_counter() - started:.0f} s)", flush=True)
        rows += [
            {"volume": volume.name, "object": r.number, "copy": r.baseline, "first": r.first}
            | {"ious": r.ious, "planes": r.planes}
            for r in results
        ]
    if args.out:
        args.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
