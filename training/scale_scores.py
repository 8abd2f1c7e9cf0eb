"""Fit what judges masks across scales: ``python -m training.scale_scores --data FOLDER``.

Clicks objects of the training split and of generated scenes in whole pictures, notes what each
candidate looks like and its true IoU, and fits a small network to that. The last step of making
weights, after any training; takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from napari_samv2_prompts.samv2.finetune import clicks
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.nano.candidates import placed
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.pyramid import candidates_of_clicks, smaller
from napari_samv2_prompts.samv2.nano.scale_scores import MEASURES, ScaleScores, measures
from training.annotated import Annotated, read_all
from training.appearance import alter
from training.checkpoint import recipe_before, weights_before
from training.evaluate import BUNDLED, chosen_masks, crop_iou, load_model
from training.export import write
from training.scenes import SCENES

PICTURES = {"dark": 60, "colour": 20, "bright": 14, "others": 9, "scenes": 5}
"""Pictures of each kind that are clicked."""
OBJECTS = 6
STEPS = 1200
WEIGHTS = {"dark": 4.0, "colour": 1.5, "bright": 1.5}
NOISE = 0.3
"""Noise on what is measured, in its deviations: there are few clicks to learn from."""
SHARPNESS = 0.05
"""Difference of scores that makes a choice."""


class Seen(NamedTuple):
    """One click's candidates: the kind of picture, their measures ``(N, M)`` and IoU ``(N,)``."""

    kind: str
    measures: Tensor
    iou: Tensor


def pictures(data: Path, seed: int, factor: float = 1.0) -> Iterator[Annotated]:
    """Pictures of the training split, evenly by kind, and scenes of 512 to 1024 pixels."""
    rng = np.random.default_rng((seed, 0))
    images = read_all(data, validation=False)
    for kind in sorted({item.kind for item in images}):
        of_kind = [item for item in images if item.kind == kind]
        count = round(factor * PICTURES.get(kind, PICTURES["others"]))
        for place in rng.permutation(len(of_kind))[:count]:
            yield of_kind[place]
    for kind, draw in SCENES.items():
        for number in range(round(factor * PICTURES["scenes"] * (4 if kind == "large" else 1))):
            side = int(rng.choice([512, 640, 1024], p=[0.5, 0.3, 0.2]))
            scene = draw(np.random.default_rng((seed, 1, number, side)), side)
            labels = scene.parts if scene.parts.any() and number % 3 == 0 else scene.wholes
            yield Annotated(f"{kind} {number}", alter(rng, scene.image), labels, kind)


def look(network: NanoNetwork, item: Annotated, rng: np.random.Generator) -> Iterator[Seen]:
    """Click some objects of a picture, two thirds of them in their middle."""
    masks = chosen_masks(item.labels, OBJECTS)
    if not masks:
        return
    height, width = item.labels.shape
    side = network.variant.side_for(height, width)
    pixels = to_pixels(item.image, side, torch.device("cpu"))
    copies = [pixels, *(smaller(pixels, each) for each in network.variant.pyramid(side))]
    points = [
        clicks.centre(mask)[:2] if rng.random() < 0.65 else clicks.random_pixel(rng, mask)
        for mask in masks
    ]
    coords = torch.tensor(points)[:, None] * torch.tensor([side / width, side / height])
    labels = torch.ones(len(masks), 1, dtype=torch.long)
    with torch.inference_mode():
        levels = [network.encode_image(copy) for copy in copies]
        every = candidates_of_clicks(network, levels, coords, labels, 0.0)
        for found, mask in zip(every, masks, strict=True):
            crops = [
                crop_mask(placed(found, number, -32.0).numpy(), (height, width))
                for number in range(len(found.cover))
            ]
            yield Seen(
                item.kind,
                measures(found),
                torch.tensor([crop_iou(crop, mask) for crop in crops]),
            )


def fit(seen: list[Seen], hidden: int, seed: int = 0) -> ScaleScores:
    """Fit scores to IoU, and so that the best scored mask of a click is a good one.

    All kinds count alike, and dark nuclei, the most frequent by far in practice, as four of them.
    """
    torch.manual_seed(seed)
    kinds = [one.kind for one in seen]
    chances = torch.tensor([WEIGHTS.get(kind, 1.0) / kinds.count(kind) for kind in kinds])
    most = max(len(one.iou) for one in seen)
    known, true, there = (torch.zeros(len(seen), most, *size) for size in ((MEASURES,), (), ()))
    for row, one in enumerate(seen):
        count = len(one.iou)
        known[row, :count], true[row, :count], there[row, :count] = one.measures, one.iou, 1
    spread = known[there > 0].std(0)
    scores = ScaleScores(hidden)
    optimizer = torch.optim.AdamW(scores.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.multinomial(chances, 96, replacement=True, generator=generator)
        mask = there[some]
        noise = NOISE * spread * torch.randn(known[some].shape, generator=generator)
        found = scores((known[some] + noise).flatten(0, 1)).view(mask.shape)
        error = ((found - true[some]).square() * mask).sum() / mask.sum()
        chosen = (found / SHARPNESS).masked_fill(mask == 0, -torch.inf).softmax(1)
        loss = error + 1 - (chosen * true[some]).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return scores.eval()


def told(scores: ScaleScores, seen: list[Seen]) -> str:
    """How good the best scored masks are, by kind, beside the best of all."""
    lines = [
        "| one click | best by score | best of all | finest level alone |",
        "|---|---|---|---|",
    ]
    rows: dict[str, list[tuple[float, float, float]]] = {}
    with torch.no_grad():
        for kind, known, true in seen:
            alone = true[int(known[:4, 0].argmax())]
            best = true[int(scores(known).argmax())]
            rows.setdefault(kind, []).append((float(best), float(true.max()), float(alone)))
    means = {kind: np.mean(values, 0) for kind, values in rows.items()}
    means["mean of kinds"] = np.mean(list(means.values()), 0)
    return "\n".join(
        lines + [f"| {k} | {a:.3f} | {b:.3f} | {c:.3f} |" for k, (a, b, c) in means.items()]
    )


def main() -> None:
    """Read the command line, look, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of nuclei, open, volumes")
    parser.add_argument("--weights", type=Path, default=BUNDLED, help="weights or checkpoint")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="the same weights, scores fitted")
    parser.add_argument("--seen", type=Path, help="file for what was seen; used if it is there")
    parser.add_argument("--factor", type=float, default=1.0, help="more pictures, or fewer")
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = load_model(args.weights)
    assert isinstance(network, NanoNetwork)
    if args.seen and args.seen.exists():
        seen = [Seen(*one) for one in torch.load(args.seen, weights_only=True)]
    else:
        rng, seen = np.random.default_rng(5), []
        for item in tqdm(list(pictures(args.data, 1, args.factor)), mininterval=10):
            seen += look(network, item, rng)
        if args.seen:
            torch.save([tuple(one) for one in seen], args.seen)
    apart = np.random.default_rng(0).random(len(seen)) < 0.2
    kept = [one for one, out in zip(seen, apart, strict=True) if not out]
    others = [one for one, out in zip(seen, apart, strict=True) if out]
    hidden = network.variant.scale_scores
    print("A fifth of the clicks, not fitted to:", told(fit(kept, hidden), others), sep="\n\n")
    weights = weights_before(args.weights)
    weights |= {f"scale_scores.{name}": t for name, t in fit(seen, hidden).state_dict().items()}
    before = recipe_before(args.weights)
    write(weights, before | {"scale_scores": len(seen)}, int(before["stopped_at"]), args.out)


if __name__ == "__main__":
    main()
