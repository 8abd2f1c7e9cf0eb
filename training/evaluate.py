"""Evaluate a model as people use it: ``python -m training.evaluate --data FOLDER``.

Every object of the validation images is asked for with a box, and with one to five clicks, each at
the centre of the largest region that is still wrong. Masks are compared at the image's own
resolution. Prints a table in Markdown and writes all single values as JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from napari_samv2_prompts.samv2.inference.low_res import LOGIT_LIMIT
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling import point_labels
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, SAMV2Network
from napari_samv2_prompts.samv2.nano.network import NanoFeatures, NanoNetwork
from napari_samv2_prompts.samv2.nano.windows import decode_in_windows
from napari_samv2_prompts.samv2.weights.build import build_samv2
from training import baselines, clicks
from training.annotated import Annotated, read_folder
from training.interaction import choose
from training.losses import mask_iou
from training.pictures import outlined, save
from training.report import CLICKS, Row, calibration, table

Bool = NDArray[np.bool_]
SMALLEST = 20
"""Objects of fewer pixels are not evaluated."""
PROMPTS_AT_ONCE = 32
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


class Prompter:
    """One encoded image and a batch of its objects, prompted round by round.

    Parameters
    ----------
    network : SAMV2Network
    image : (H, W, 3) uint8
    dtype : torch.dtype
        Number type of the image encoder.
    """

    def __init__(self, network: SAMV2Network, image: NDArray[np.uint8], dtype: torch.dtype) -> None:
        self.network, self.shape = network, image.shape[:2]
        self.size = network.variant.side_for(*self.shape)
        network.encode_in(dtype)
        pixels = to_pixels(image, self.size, torch.device("cpu"))
        with torch.inference_mode():
            self.features: ImageFeatures = network.encode_image(pixels)

    def scaled(self, points: NDArray[np.float32]) -> Tensor:
        """Image pixels (..., 2) to input pixels."""
        height, width = self.shape
        return torch.from_numpy(points) * torch.tensor([self.size / width, self.size / height])

    def decode(self, coords: Tensor, labels: Tensor, mask: Tensor | None) -> Decoded:
        """All four masks of each prompt, in pixels of the input; decoded as the predictor does."""
        with torch.inference_mode():
            if not isinstance(self.network, NanoNetwork):
                decoded: Decoded = self.network.decode_prompts(self.features, coords, labels, mask)
                return decoded
            assert isinstance(self.features, NanoFeatures)
            ambiguous = [labels.shape[1] == 1] * len(labels)
            answers = decode_in_windows(
                self.network, self.features, coords, labels, mask, ambiguous
            )
        logits = torch.full((len(coords), 4, self.size // 4, self.size // 4), -LOGIT_LIMIT)
        for place, (part, window) in zip(logits, answers, strict=True):
            top, left, side = (4 * number for number in window)
            place[:, top : top + side, left : left + side] = part.logits[0]
        scores = torch.cat([answer.decoded.scores for answer in answers])
        objects = torch.cat([answer.decoded.object_logits for answer in answers])
        return Decoded(logits, scores, objects)

    def enlarged(self, logits: Tensor) -> Tensor:
        """Logits at the image's resolution."""
        return torch.nn.functional.interpolate(
            logits, size=self.shape, mode="bilinear", align_corners=False
        )


def evaluate_objects(prompter: Prompter, masks: Bool) -> tuple[list[Row], Bool]:
    """Prompt all objects (P, H, W) of one image in every way.

    Returns a row for each object, and their masks (P, H, W) after one click.
    """
    true = torch.from_numpy(masks)
    boxes = np.stack([clicks.mask_box(mask) for mask in masks])
    corners = torch.tensor([point_labels.BOX_START, point_labels.BOX_END]).repeat(len(masks), 1)
    decoded = prompter.decode(prompter.scaled(boxes.reshape(-1, 2, 2)), corners, None)
    chosen, score = choose(decoded, corners)
    iou = mask_iou(prompter.enlarged(chosen[:, None]), true.float())[:, 0]
    rows: list[Row] = [
        {"box": float(i), "box score": float(s)} for i, s in zip(iou, score, strict=True)
    ]

    points = np.array([clicks.centre(mask)[:2] for mask in masks], np.float32)[:, None]
    labels = torch.full((len(masks), 1), point_labels.POSITIVE)
    previous = None
    for number in range(1, CLICKS + 1):
        decoded = prompter.decode(prompter.scaled(points), labels, previous)
        chosen, score = choose(decoded, labels)
        fine = prompter.enlarged(chosen[:, None])
        iou = mask_iou(fine, true.float())[:, 0]
        if number == 1:
            every = mask_iou(prompter.enlarged(decoded.logits), true.float())
            after_one = (fine[:, 0] > 0).numpy()
        for place, row in enumerate(rows):
            row[f"clicks {number}"] = float(iou[place])
            row[f"score {number}"] = float(score[place])
            if number == 1:
                row["best of three"] = float(every[place, 1:].max())
                row["mask 0"] = float(every[place, 0])
        made = [
            clicks.corrective_click(f[0] > 0, m) for f, m in zip(fine.numpy(), masks, strict=True)
        ]
        points = np.concatenate([points, np.array([m[:2] for m in made], np.float32)[:, None]], 1)
        labels = torch.cat([labels, torch.tensor([[m[2]] for m in made])], 1)
        previous = chosen[:, None].clamp(-32, 32)
    return rows, after_one


def evaluate_baselines(image: NDArray[np.uint8], masks: Bool) -> list[Row]:
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
            "ellipse in the box": baselines.ellipse_in_box(mask.shape, box),
            "Otsu in the box": baselines.otsu_in_box(grey, box),
        }
        rows.append(
            {name: float((g & mask).sum() / (g | mask).sum()) for name, g in guesses.items()}
        )
    return rows


def evaluate_image(
    network: SAMV2Network,
    item: Annotated,
    dtype: torch.dtype,
    limit: int | None = None,
    *,
    compare: bool = True,
    pictures: Path | None = None,
) -> list[Row]:
    """Evaluate an image's objects, a row each.

    Parameters
    ----------
    network : SAMV2Network
    item : Annotated
    dtype : torch.dtype
        Number type of the image encoder.
    limit : int, optional
        Evaluate this many objects at most, evenly chosen.
    compare : bool
        Whether to try the baselines too.
    pictures : path, optional
        Folder for a picture of the masks after one click, the truth in white.
    """
    values, sizes = np.unique(item.labels[item.labels > 0], return_counts=True)
    values = values[sizes > SMALLEST]
    if limit is not None and len(values) > limit:
        values = values[np.linspace(0, len(values) - 1, limit).astype(int)]
    prompter, rows, seen = Prompter(network, item.image, dtype), [], []
    for start in range(0, len(values), PROMPTS_AT_ONCE):
        masks = item.labels[None] == values[start : start + PROMPTS_AT_ONCE, None, None]
        found, after_one = evaluate_objects(prompter, masks)
        seen.append((after_one, masks))
        other: list[Row] = evaluate_baselines(item.image, masks) if compare else [{} for _ in found]
        for row, extra, mask in zip(found, other, masks, strict=True):
            diameter = 2 * np.sqrt(mask.sum() / np.pi)
            size = "small" if diameter < 12 else "medium" if diameter < 24 else "large"
            rows.append(row | extra | {"image": item.name, "kind": item.kind, "size": size})
    if pictures is not None and seen:
        guessed, true = (np.concatenate(part) for part in zip(*seen, strict=True))
        points = [clicks.centre(mask)[:2] for mask in true]
        enlarge = max(1, 768 // max(item.labels.shape))
        save(outlined(item.image, guessed, points, true, enlarge), pictures / f"{item.name}.png")
    return rows


def main() -> None:
    """Read the command line, evaluate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of NAME.png with NAME.labels.png"
    )
    parser.add_argument(
        "--weights",
        type=Path,
        default=BUNDLED,
        help="weights or training checkpoint; default the bundled",
    )
    parser.add_argument("--out", type=Path, help="file for the single values (JSON)")
    parser.add_argument("--pictures", type=Path, help="folder for pictures, outside the repository")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    parser.add_argument("--limit", type=int, help="objects an image at most")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-baselines", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    network, dtype = load_model(args.weights), getattr(torch, args.dtype)
    rows: list[Row] = []
    images = read_folder(args.data, validation=True)[:: args.every]
    for item in tqdm(images, unit="image", mininterval=5):
        rows += evaluate_image(
            network, item, dtype, args.limit, compare=not args.no_baselines, pictures=args.pictures
        )
    print(table(rows))
    for name, rho in calibration(rows).items():
        print(f"Spearman rho of score and IoU, {name}: {rho:.3f}")
    if args.out:
        args.out.write_text(json.dumps(rows, indent=0))


if __name__ == "__main__":
    main()
