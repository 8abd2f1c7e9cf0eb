"""Evaluate a model as people use it: ``python -m training.evaluate --data FOLDER``.

Every object of the validation images is asked for with a box, and with one click or more, each at
the centre of the largest region that is still wrong. The predictor answers as it does in the
plugin; masks are compared at the image's own resolution. Prints a table in Markdown and writes all
single values as JSON. Large things are in ``large.py``, what needs no model in ``baselines.py``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.finetune import clicks
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import build_samv2
from training import baselines
from training.annotated import Annotated, read_all
from training.data import NUCLEI
from training.pictures import outlined, save
from training.report import CLICKS, Row, calibration, table
from training.volumes import iou

Bool = NDArray[np.bool_]
SMALLEST = 20
"""Objects of fewer pixels are not evaluated."""
PROMPTS_AT_ONCE = 16
BUNDLED = (
    Path(__file__).parents[1] / "src" / "napari_samv2_prompts" / "weights" / "nano.safetensors"
)


def load_model(weights: Path, model: str = "nano") -> SAMV2Network:
    """Build a model from a weights file, or from a training checkpoint (its moving average)."""
    if weights.suffix != ".pt":
        return build_samv2(model, checkpoint=weights)
    state = torch.load(weights, weights_only=True, map_location="cpu")
    network = build_samv2(model)
    network.load_state_dict(state.get("ema", state.get("model")))
    return network


def load_predictor(
    weights: Path, dtype: str = "float32", model: str = "nano"
) -> SAMV2ImagePredictor:
    """The predictor of a weights file or training checkpoint, on the CPU."""
    return SAMV2ImagePredictor(load_model(weights, model), device="cpu", dtype=dtype)


def crop_iou(crop: MaskCrop, mask: Bool) -> float:
    """IoU of a mask that is given as a crop; quick where the crop is small."""
    both = int((crop.mask & mask[crop.slices]).sum())
    return both / max(crop.area + int(mask.sum()) - both, 1)


class Asked:
    """An image and some of its objects, asked for round by round.

    Attributes
    ----------
    found : list of (H, W) bool
        The best scored mask of each object after the last round.
    """

    def __init__(
        self, predictor: SAMV2ImagePredictor, image: NDArray[np.uint8], masks: Sequence[Bool]
    ) -> None:
        self.predictor, self.masks = predictor, masks
        self.embedding = predictor.embed(image)
        self.shape = image.shape[:2]
        self.found: list[Bool] = []

    def ask(self, prompts: Sequence[Prompt]) -> list[ItemMasks]:
        """Decode a prompt for each object."""
        answers: list[ItemMasks] = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            batch = PromptBatch(tuple(prompts[start : start + PROMPTS_AT_ONCE]))
            answers += self.predictor.decode(self.embedding, batch)
        self.found = [one.crops[one.best].full(self.shape) for one in answers]
        return answers

    def scores(self) -> list[float]:
        """IoU of what was found."""
        return [iou(found, mask) for found, mask in zip(self.found, self.masks, strict=True)]

    def box(self) -> list[ItemMasks]:
        """Ask with each object's box."""
        boxes = [clicks.mask_box(mask) for mask in self.masks]
        return self.ask([Prompt.of(number, box=box) for number, box in enumerate(boxes, start=1)])

    def click(self, count: int) -> Iterator[list[ItemMasks]]:
        """Ask with one click, then correct that; gives the answers of each round in turn."""
        points = [[clicks.centre(mask)[:2]] for mask in self.masks]
        labels = [[1] for _ in self.masks]
        previous: list[NDArray[np.float32] | None] = [None] * len(self.masks)
        for number in range(count):
            if number:
                for p, k, found, mask in zip(points, labels, self.found, self.masks, strict=True):
                    x, y, label = clicks.corrective_click(found, mask)
                    p.append((x, y))
                    k.append(label)
            said = zip(points, labels, previous, strict=True)
            answers = self.ask([Prompt.of(n, p, k, mask=m) for n, (p, k, m) in enumerate(said, 1)])
            previous = [one.low_res_logits[one.best] for one in answers]
            yield answers


def evaluate_objects(asked: Asked, count: int = CLICKS) -> tuple[list[Row], list[Bool]]:
    """Ask for all objects in every way: a row each, and the masks after one click."""
    boxes = asked.box()
    rows: list[Row] = [
        {"box": value, "box score": float(answer.scores.max())}
        for answer, value in zip(boxes, asked.scores(), strict=True)
    ]
    first: list[Bool] = []
    for number, answers in enumerate(asked.click(count), start=1):
        for row, answer, value in zip(rows, answers, asked.scores(), strict=True):
            row |= {f"clicks {number}": value, f"score {number}": float(answer.scores.max())}
        if number == 1:
            first = asked.found
            for row, answer, mask in zip(rows, answers, asked.masks, strict=True):
                row["best of three"] = max(crop_iou(crop, mask) for crop in answer.crops)
    return rows, first


def evaluate_baselines(image: NDArray[np.uint8], masks: Sequence[Bool]) -> list[Row]:
    """What needs no model, on the same objects."""
    grey = baselines.to_grey(image)
    regions = {bright: baselines.watershed_regions(grey, bright=bright) for bright in (True, False)}
    threshold = baselines.otsu(grey)
    rows: list[Row] = []
    for mask in masks:
        box, (x, y, _) = clicks.mask_box(mask), clicks.centre(mask)
        guesses = {
            "watershed from the click": baselines.region_at(
                regions[bool(grey[round(y), round(x)] > threshold)], x, y
            ),
            "ellipse in the box": baselines.ellipse_in_box((len(mask), mask.shape[1]), box),
            "Otsu in the box": baselines.otsu_in_box(grey, box),
        }
        rows.append({name: iou(guess, mask) for name, guess in guesses.items()})
    return rows


def chosen_masks(labels: NDArray[np.int32], limit: int | None) -> list[Bool]:
    """The objects of more than `SMALLEST` pixels, ``limit`` of them at most, evenly chosen."""
    values, sizes = np.unique(labels[labels > 0], return_counts=True)
    values = values[sizes > SMALLEST]
    if limit is not None and len(values) > limit:
        values = values[np.linspace(0, len(values) - 1, limit).astype(int)]
    return [labels == value for value in values]


def evaluate_image(
    predictor: SAMV2ImagePredictor,
    item: Annotated,
    limit: int | None = None,
    *,
    count: int = CLICKS,
    compare: bool = True,
    pictures: Path | None = None,
) -> list[Row]:
    """Evaluate an image's objects, a row each.

    Parameters
    ----------
    predictor : SAMV2ImagePredictor
    item : Annotated
    limit : int, optional
        Evaluate this many objects at most, evenly chosen.
    count : int
        Clicks an object.
    compare : bool
        Whether to try the baselines too.
    pictures : path, optional
        Folder for a picture of the masks after one click, the truth in white.
    """
    masks = chosen_masks(item.labels, limit)
    if not masks:
        return []
    rows, after_one = evaluate_objects(Asked(predictor, item.image, masks), count)
    other: list[Row] = evaluate_baselines(item.image, masks) if compare else [{} for _ in rows]
    for row, extra, mask in zip(rows, other, masks, strict=True):
        diameter = 2 * np.sqrt(mask.sum() / np.pi)
        size = "small" if diameter < 12 else "medium" if diameter < 24 else "large"
        row |= extra | {"image": item.name, "kind": item.kind, "size": size}
    if pictures is not None:
        points = [clicks.centre(mask)[:2] for mask in masks]
        enlarge = max(1, 768 // max(item.labels.shape))
        drawn = outlined(item.image, np.stack(after_one), points, np.stack(masks), enlarge)
        save(drawn, pictures / f"{item.name}.png")
    return rows


def main() -> None:
    """Read the command line, evaluate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of nuclei, open, volumes")
    parser.add_argument(
        "--weights",
        type=Path,
        default=BUNDLED,
        help="weights or training checkpoint; default the bundled",
    )
    parser.add_argument("--only", choices=["nuclei", "others"], help="a part of the kinds")
    parser.add_argument("--out", type=Path, help="file for the single values (JSON)")
    parser.add_argument("--pictures", type=Path, help="folder for pictures, outside the repository")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    parser.add_argument("--limit", type=int, help="objects an image at most")
    parser.add_argument("--clicks", type=int, default=CLICKS)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-baselines", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    predictor = load_predictor(args.weights, args.dtype)
    rows: list[Row] = []
    images = read_all(args.data, validation=True)
    if args.only:
        images = [item for item in images if (item.kind in NUCLEI) == (args.only == "nuclei")]
    for item in tqdm(images[:: args.every], unit="image", mininterval=5):
        rows += evaluate_image(
            predictor,
            item,
            args.limit,
            count=args.clicks,
            compare=not args.no_baselines,
            pictures=args.pictures,
        )
    print(table(rows))
    for name, rho in calibration(rows).items():
        print(f"Spearman rho of score and IoU, {name}: {rho:.3f}")
    if args.out:
        args.out.write_text(json.dumps(rows, indent=0))


if __name__ == "__main__":
    main()
