"""Fit the weights of propagation to volumes whose objects are known, and to made ones.

    python -m training.fit_propagation --data VOLUMES --out weights.json

First `evidence` learns from single steps; then objects are followed with it, and it learns from
its own mistakes, too (``following.py``).  `doubt` and `gone` are fitted to what the final evidence
does.  Volumes that are validated on (1136, the ovule, z187) are not among them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from napari_samv2_prompts.propagation.evidence import FEATURES, NEAR
from napari_samv2_prompts.propagation.weights import of
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

from .evaluate_volumes import Setting, evaluate
from .films import make_film, make_tissue
from .following import Samples, followed, shown
from .volumes import Volume, read_volume

CHANNELS, LAYERS, BATCH = 16, 4, 12
TRUST = 2 / 3
"""Share of the fitted evidence in what is used, the rest being the moved mask: it is fitted to few
volumes.  Best of 1, 2/3 and 1/2 on parts that were not fitted to, made ones among them."""
STRICTER = (0.0, 0.3, 0.6, 0.9)
"""What is tried as the evidence that a pixel must have more than even chances ask for."""
STILL_THERE = [[np.zeros((1, 11)).tolist(), [-9.0]]]
"""Weights of `gone` that lose nothing; those of `doubt` to begin with are the same."""
GREY = [FEATURES.index(name) for name in ("now", "before", "ridge")]
"""Features that change sign where bright and dark are exchanged."""


class Evidence(nn.Module):
    """The same as :func:`.convolve`, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [len(FEATURES)] + [CHANNELS] * LAYERS
        self.layers = nn.ModuleList(
            nn.Conv2d(sizes[place], CHANNELS, 3, padding=2**place, dilation=2**place)
            for place in range(LAYERS)
        )
        self.last = nn.Conv2d(CHANNELS + len(FEATURES), 1, 1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.weight[0, CHANNELS + FEATURES.index("moved")] = 1

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, h, w)`` of maps ``(n, features, h, w)``."""
        hidden = maps
        for layer in self.layers:
            hidden = torch.relu(layer(hidden))
        return self.last(torch.cat([hidden, maps], 1))[:, 0]

    def numbers(self, trust: float = 1.0, stricter: float = 0.0) -> list[list[Any]]:
        """Return the weights, layer by layer, as the package keeps them.

        A share of ``1 - trust`` of the logits is that of the moved mask alone; `stricter` is taken
        from all of them.
        """
        parts = [
            [np.round(p.detach().numpy(), 4).tolist() for p in layer.parameters()]
            for layer in (*self.layers, self.last)
        ]
        weight = np.array(parts[-1][0])[:, :, 0, 0] * trust
        weight[0, CHANNELS + FEATURES.index("moved")] += 2 * (1 - trust)
        bias = np.array(parts[-1][1]) * trust - stricter
        parts[-1] = [weight.round(4).tolist(), bias.round(4).tolist()]
        return parts


def fit_evidence(net: Evidence, samples: list[Samples], steps: int, rate: float, seed: int) -> None:
    """Train on parts of all volumes.

    The loss is the cross-entropy near the object, by which a small object counts as much as a large
    one, and a soft Jaccard distance (Rahman and Wang, ISVC 2016): without it what is uncertain is
    left out, and objects shrink from plane to plane.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps)
    mean = 0.0
    sizes = np.sqrt([len(one.maps) for one in samples])
    for step in range(steps):
        picked = []
        for index in rng.choice(len(samples), BATCH, p=sizes / sizes.sum()):
            at = rng.integers(len(samples[index].maps))
            picked.append(_turned(samples[index].maps[at], samples[index].truths[at], rng))
        maps = torch.tensor(np.stack([maps for maps, _ in picked]), dtype=torch.float32)
        truth = torch.tensor(np.stack([truth for _, truth in picked]), dtype=torch.float32)
        near = (maps[:, FEATURES.index("depth")] > NEAR).float()
        loss = _loss(net(maps), truth, near)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean += (loss.item() - mean) / min(step + 1, 100)
        if step % 200 == 199:
            print(f"  step {step + 1}: loss {mean:.4f}", flush=True)


def _loss(logits: torch.Tensor, truth: torch.Tensor, near: torch.Tensor) -> torch.Tensor:
    off = binary_cross_entropy_with_logits(logits, truth, reduction="none") * near
    chance = logits.sigmoid() * near
    both = (chance * truth).sum((1, 2))
    either = (chance + truth - chance * truth).sum((1, 2))
    entropy = off.sum((1, 2)) / near.sum((1, 2)).clamp(min=50)
    return (entropy + 1 - (both + 1) / (either + 1)).mean()


def _turned(
    maps: NDArray[np.float16], truth: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Turn and mirror a sample, and sometimes exchange bright and dark."""
    changed = maps.astype(np.float32)
    if rng.random() < 0.3:
        changed[GREY] *= -1
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    changed, truth = np.rot90(changed, turns, (1, 2)), np.rot90(truth, turns)
    return (changed[..., ::-1], truth[..., ::-1]) if mirrored else (changed, truth)


def fit(values: NDArray[Any], targets: NDArray[Any], hidden: int, steps: int) -> list[list[Any]]:
    """Fit ``sigmoid(w2 tanh(w1 x + b1) + b2)``."""
    torch.manual_seed(0)
    x, y = torch.tensor(values, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    net = nn.Sequential(nn.Linear(x.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 1))
    optimizer = torch.optim.Adam(net.parameters(), 0.01, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, steps)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        at = torch.randint(len(x), (4096,)) if len(x) > 4096 else slice(None)
        loss = binary_cross_entropy_with_logits(net(x[at])[:, 0], y[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"  {len(x)} sections, loss {loss.item():.4f}", flush=True)
    numbers = [np.round(part.detach().numpy(), 4).tolist() for part in net.parameters()]
    return [numbers[at : at + 2] for at in range(0, len(numbers), 2)]


def training_volumes(data: Path, films: int) -> list[Volume]:
    """Return the parts that are trained on."""
    volumes = [read_volume(data / "plantseg/1135_mini.tif")]
    for name, corner in (("z000", 0), ("z062", 50), ("z125", 75)):
        whole = read_volume(data / f"fibsem/medulla2_{name}.tif")
        part = slice(corner, corner + 170)
        volumes.append(whole.cut(slice(10, 42), part, part))
    volumes += [make_film(seed, speed=1.0 + seed % 3).volume for seed in range(films)]
    return volumes + [make_tissue(seed) for seed in range(2 * films)]


def followed_all(
    fitted: dict[str, Any], volumes: list[Volume], predictor: SAMV2ImagePredictor, maps: bool
) -> tuple[list[Samples], NDArray[np.float64]]:
    """Follow all objects, from true masks and from boxes; see :func:`.followed`."""
    both = [
        followed(volume, predictor, of(fitted), seed, truth, maps)
        for seed, volume in enumerate(volumes)
        for truth in (True, False)
    ]
    return [samples for samples, _ in both], np.concatenate([rows for _, rows in both])


def fit_judges(
    fitted: dict[str, Any], volumes: list[Volume], predictor: SAMV2ImagePredictor
) -> dict[str, Any]:
    """Fit `doubt` and `gone` to what following with the evidence looks like."""
    _, rows = followed_all(fitted, volumes, predictor, maps=False)
    seen = rows[:, :-2]
    return {
        name: fit(seen, 1 - rows[:, of_row], 8, 2000)
        for name, of_row in (("doubt", -2), ("gone", -1))
    }


def followed_best(
    net: Evidence, fitted: dict[str, Any], volumes: list[Volume], predictor: SAMV2ImagePredictor
) -> list[list[Any]]:
    """Return the weights with the threshold by which whole objects are followed best, from boxes.

    A pixel too many on one plane asks for more on the next, so that what is even on single steps
    grows from plane to plane.
    """
    found = {}
    for stricter in STRICTER:
        numbers = net.numbers(TRUST, stricter)
        means = [
            np.mean([one.ious[0] for one in evaluate(Setting(volume, predictor, weights))])
            for weights in [of(fitted | {"evidence": numbers})]
            for volume in volumes
        ]
        found[float(np.mean(means))] = numbers
        print(f"  stricter by {stricter}: 3-D IoU {np.mean(means):.3f}", flush=True)
    return found[max(found)]


def main() -> None:
    """Read the command line, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--films", type=int, default=4, help="made films; two tissues for each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    predictor = SAMV2ImagePredictor()
    volumes = training_volumes(args.data, args.films)
    net = Evidence()
    fitted = {"evidence": net.numbers(), "doubt": STILL_THERE, "gone": STILL_THERE}
    samples = [shown(volume, predictor, of(fitted), n) for n, volume in enumerate(volumes)]
    fit_evidence(net, samples, 1600, 0.005, 0)
    fitted["evidence"] = net.numbers()
    samples += followed_all(fitted, volumes, predictor, maps=True)[0]
    fit_evidence(net, samples, 2600, 0.003, 1)
    fitted["evidence"] = net.numbers(TRUST)
    fitted |= fit_judges(fitted, volumes, predictor)
    fitted["evidence"] = followed_best(net, fitted, volumes, predictor)
    fitted |= fit_judges(fitted, volumes, predictor)
    args.out.write_text(json.dumps(fitted))


if __name__ == "__main__":
    main()
