"""Fit what judges masks: ``python -m training.judges --data FOLDER``.

Prompts objects of the training split and of generated scenes in whole pictures, and fits two small
networks to what is seen of their masks: what compares those of a click across scales, and what
makes those of a box one.  The last step of making weights, after any training; takes some minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.nano.box_blend import BoxBlend
from napari_samv2_prompts.samv2.nano.closer import kept
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.pyramid import smaller
from napari_samv2_prompts.samv2.nano.scale_scores import ScaleScores
from training.annotated import Annotated, read_all
from training.appearance import alter
from training.checkpoint import recipe_before, weights_before
from training.evaluate import BUNDLED, chosen_masks, load_model
from training.export import write
from training.scenes import SCENES
from training.seen import Look, Seen, Shown, of_boxes, of_clicks

PICTURES = {"dark": 150, "colour": 40, "bright": 20, "others": 12, "scenes": 5}
"""Pictures of each kind that are looked at."""
OBJECTS = 8
STEPS = 1200
WEIGHTS = {"dark": 4.0, "colour": 1.5, "bright": 1.5}
"""All kinds count alike, but dark nuclei, the most frequent by far in practice, as four of them."""
NOISE = {"scale_scores": 0.6, "box_blend": 0.3}
"""Noise on what is measured, in its deviations: there are few prompts to learn from. With more
of it a judge keeps more to what the network says of its masks."""
SHARPNESS = 0.05
"""Difference of scores that makes a choice."""

Judge = ScaleScores | BoxBlend
LOOKS: dict[str, tuple[type[Judge], Look]] = {
    "scale_scores": (ScaleScores, of_clicks),
    "box_blend": (BoxBlend, of_boxes),
}
"""By the name that a judge has in the network: what it is, and what shows it prompts."""


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


def levels_of(network: NanoNetwork, item: Annotated) -> tuple[list[NanoFeatures], Tensor | None]:
    """Embed a picture at all scales; what is kept of its pixels, if anything, goes along."""
    side = network.variant.side_for(*item.labels.shape)
    pixels = to_pixels(item.image, side, torch.device("cpu"))
    copies = [pixels, *(smaller(pixels, each) for each in network.variant.pyramid(side))]
    closer = network.variant.looks_closer(*item.labels.shape)
    return [network.encode_image(copy) for copy in copies], kept(pixels) if closer else None


def look(network: NanoNetwork, items: Sequence[Annotated]) -> dict[str, list[Seen]]:
    """What each judge sees of some objects of each picture."""
    seen: dict[str, list[Seen]] = {name: [] for name in LOOKS}
    rngs = {name: np.random.default_rng(5) for name in LOOKS}
    for item in tqdm(items, mininterval=10):
        masks = chosen_masks(item.labels, OBJECTS)
        if not masks:
            continue
        with torch.inference_mode():
            levels, pixels = levels_of(network, item)
            for name, (_, prompted) in LOOKS.items():
                seen[name] += prompted(Shown(network, levels, item, masks, pixels), rngs[name])
    return seen


def fit(make: type[Judge], hidden: int, seen: Sequence[Seen], noise: float, seed: int = 0) -> Judge:
    """Fit scores to IoU, and so that the best scored mask of a prompt is a good one."""
    torch.manual_seed(seed)
    kinds = [one.kind for one in seen]
    chances = torch.tensor([WEIGHTS.get(kind, 1.0) / kinds.count(kind) for kind in kinds])
    known = pad_sequence([one.measures for one in seen], batch_first=True)
    true = pad_sequence([one.iou for one in seen], batch_first=True)
    there = pad_sequence([torch.ones(len(one.iou)) for one in seen], batch_first=True)
    mean, spread = known[there > 0].mean(0), known[there > 0].std(0) + 1e-3
    judge = make(hidden)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(STEPS):
        some = torch.multinomial(chances, 96, replacement=True, generator=generator)
        mask = there[some]
        now = known[some].flatten(0, 1)
        shaken = (now - mean) / spread + noise * torch.randn(now.shape, generator=generator)
        added = judge.head(shaken)[:, 0]
        found = (judge.own(now) + added).sigmoid().view(mask.shape)
        error = ((found - true[some]).square() * mask).sum() / mask.sum()
        chosen = (found / SHARPNESS).masked_fill(mask == 0, -torch.inf).softmax(1)
        loss = error + 1 - (chosen * true[some]).sum(1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    first = judge.head.layers[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():  # from here on it takes measures as they are
        first.weight.div_(spread)
        first.bias.sub_(first.weight @ mean)
    return judge.eval()


def told(judge: Judge, seen: Sequence[Seen]) -> str:
    """How good the best scored masks are, by kind, beside the best of all."""
    rows: dict[str, list[tuple[float, float, float]]] = {}
    with torch.no_grad():
        for kind, _, known, true in seen:
            own = true[int(known[:, 0].argmax())]
            best = true[int(judge(known).argmax())]
            rows.setdefault(kind, []).append((float(best), float(true.max()), float(own)))
    means = {kind: np.mean(values, 0) for kind, values in rows.items()}
    means["mean of kinds"] = np.mean(list(means.values()), 0)
    lines = ["| | best by score | best of all | by the network's own |", "|---|---|---|---|"]
    lines += [f"| {kind} | {a:.3f} | {b:.3f} | {c:.3f} |" for kind, (a, b, c) in means.items()]
    return "\n".join(lines)


def main() -> None:
    """Read the command line, look, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of nuclei, open, volumes")
    parser.add_argument("--weights", type=Path, default=BUNDLED, help="weights or checkpoint")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="the same weights, judges fitted")
    parser.add_argument("--seen", type=Path, help="file for what was seen; used if it is there")
    parser.add_argument("--factor", type=float, default=1.0, help="more pictures, or fewer")
    args = parser.parse_args()
    torch.set_num_threads(1)
    network = load_model(args.weights)
    assert isinstance(network, NanoNetwork)
    if args.seen and args.seen.exists():
        kept_before = torch.load(args.seen, weights_only=True)
        seen = {name: [Seen(*one) for one in prompts] for name, prompts in kept_before.items()}
    else:
        seen = look(network, list(pictures(args.data, 1, args.factor)))
        if args.seen:
            torch.save({n: [tuple(one) for one in each] for n, each in seen.items()}, args.seen)
    weights = weights_before(args.weights)
    named = sorted({one.picture for prompts in seen.values() for one in prompts})
    apart = {name for name in named if np.random.default_rng([0, *name.encode()]).random() < 0.2}
    for name, prompts in seen.items():
        make, hidden = LOOKS[name][0], getattr(network.variant, name)
        kept = [one for one in prompts if one.picture not in apart]
        others = [one for one in prompts if one.picture in apart]
        print(f"\n{name}, {len(others)} of {len(prompts)} prompts, in pictures not fitted to:\n")
        print(told(fit(make, hidden, kept, NOISE[name]), others))
        state = fit(make, hidden, prompts, NOISE[name]).state_dict()
        weights |= {f"{name}.{key}": tensor for key, tensor in state.items()}
    before = recipe_before(args.weights)
    counts = {name: len(prompts) for name, prompts in seen.items()}
    write(weights, before | counts, int(before["stopped_at"]), args.out)


if __name__ == "__main__":
    main()
