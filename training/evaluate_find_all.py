"""Evaluate finding all objects: ``python -m training.evaluate_find_all --data FOLDER``.

F1 at IoU 0.5 and the mean of precision over IoU 0.5 to 0.9 on annotated images, for the search that
the plugin uses, the plain grid of the published generator, and Otsu with watershed.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from napari_samv2_prompts.candidates import Candidates, Selection
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.samv2.automatic_masks import SAMV2AutomaticMaskGenerator
from napari_samv2_prompts.samv2.find_all import Search, find_all
from napari_samv2_prompts.samv2.image_predictor import SAMV2ImagePredictor
from training import baselines
from training.annotated import Annotated, read_folder

THRESHOLDS = np.arange(0.5, 0.91, 0.05)
SMALLEST = 20
"""True objects of fewer pixels do not count, and what is found on them neither."""


def matched(labels: NDArray[np.int32], masks: list[MaskCrop]) -> NDArray[np.float64]:
    """Return the IoU of each true object (rows) with each mask (columns)."""
    values = np.unique(labels[labels > 0])
    areas = np.bincount(labels.ravel(), minlength=int(values.max(initial=0)) + 1)
    iou = np.zeros((len(values), len(masks)))
    for column, crop in enumerate(masks):
        under = np.bincount(labels[crop.slices][crop.mask], minlength=len(areas))
        common = under[values]
        iou[:, column] = common / np.maximum(areas[values] + crop.area - common, 1)
    return iou[areas[values] > SMALLEST]


def counts(iou: NDArray[np.float64]) -> dict[str, list[int]]:
    """Return true positives, false positives and misses at each threshold."""
    result: dict[str, list[int]] = {"tp": [], "fp": [], "fn": []}
    for threshold in THRESHOLDS:
        rows, columns = linear_sum_assignment(-(iou >= threshold).astype(float) - iou / 1e3)
        true = int((iou[rows, columns] >= threshold).sum())
        result["tp"].append(true)
        result["fp"].append(iou.shape[1] - true)
        result["fn"].append(iou.shape[0] - true)
    return result


def searched(predictor: SAMV2ImagePredictor, search: Search) -> Callable[..., list[MaskCrop]]:
    """Find with the plugin's search."""

    def find(image: NDArray[np.uint8]) -> list[MaskCrop]:
        embedding = predictor.embed(image)
        candidates = Candidates()
        for chunk in find_all(predictor, embedding, search):
            candidates.extend(chunk)
        return [candidates[i].crop for i in candidates.select(search.selection)]

    return find


def gridded(predictor: SAMV2ImagePredictor, selection: Selection) -> Callable[..., list[MaskCrop]]:
    """Find with the published generator, its masks chosen like ours."""
    generator = SAMV2AutomaticMaskGenerator(
        predictor,
        pred_iou_thresh=selection.min_score,
        stability_score_thresh=selection.min_stability,
    )

    def find(image: NDArray[np.uint8]) -> list[MaskCrop]:
        masks = [cropped(record["segmentation"]) for record in generator.generate(image)]
        return [mask for mask in masks if mask.area]

    return find


def by_watershed(image: NDArray[np.uint8]) -> list[MaskCrop]:
    """Find with Otsu's threshold and a watershed, bright on dark or the other way round."""
    grey = baselines.to_grey(image)
    bright = float((grey > baselines.otsu(grey)).mean()) < 0.5
    regions = baselines.watershed_regions(grey, bright=bright)
    masks = [cropped(regions == value) for value in np.unique(regions[regions > 0])]
    return [mask for mask in masks if mask.area > SMALLEST]


def summary(rows: list[dict[str, Any]], name: str) -> str:
    """Format F1 at 0.5 and mean precision over thresholds, per kind and over all."""
    parts = []
    for kind in [*sorted({str(row["kind"]) for row in rows}), "all"]:
        some = [row[name] for row in rows if kind in (row["kind"], "all")]
        tp, fp, fn = (np.sum([one[key] for one in some], axis=0) for key in ("tp", "fp", "fn"))
        f1 = 2 * tp[0] / max(2 * tp[0] + fp[0] + fn[0], 1)
        parts.append(f"{kind} F1 {f1:.3f} mAP {np.mean(tp / np.maximum(tp + fp + fn, 1)):.3f}")
    seconds = np.mean([row[f"{name} s"] for row in rows])
    return f"{name}: " + "; ".join(parts) + f"; {seconds:.2f} s an image"


def evaluate(item: Annotated, ways: dict[str, Callable[..., list[MaskCrop]]]) -> dict[str, Any]:
    """Try all ways on an image."""
    row: dict[str, Any] = {"image": item.name, "kind": item.kind}
    for name, find in ways.items():
        start = time.process_time()
        masks = find(item.image)
        row[f"{name} s"] = time.process_time() - start
        row[name] = counts(matched(item.labels, masks))
    return row


def main() -> None:
    """Read the command line, evaluate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    parser.add_argument("--training", action="store_true", help="the training split instead")
    parser.add_argument("--grid", action="store_true", help="the plain grid of 32 x 32, too")
    parser.add_argument("--min-score", type=float, default=Selection().min_score)
    parser.add_argument("--min-stability", type=float, default=Selection().min_stability)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    predictor = SAMV2ImagePredictor(args.model)
    selection = Selection(min_score=args.min_score, min_stability=args.min_stability)
    ways: dict[str, Callable[..., list[MaskCrop]]] = {
        "search": searched(predictor, Search(selection)),
        "watershed": by_watershed,
    }
    if args.grid:
        ways["grid"] = gridded(predictor, selection)
    rows = [
        evaluate(item, ways)
        for item in tqdm(read_folder(args.data, validation=not args.training)[:: args.every])
    ]
    for name in ways:
        print(summary(rows, name))
    if args.out:
        args.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
