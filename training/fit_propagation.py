"""Fit the weights of propagation to volumes whose objects are known, and to made films.

    python -m training.fit_propagation --data VOLUMES --out weights.json

Objects are followed with the weights as they are, from their boxes and from their true masks;
every pixel around them is a sample of `evidence`, every section one of `doubt`.  Doing that again
with the fitted weights shows them the mistakes that they make themselves (as in DAgger, Ross et
al. 2011).
Volumes that are validated on (1136, the ovule, z187) are not among them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_samv2_prompts.prompts import MaskCrop, cropped
from napari_samv2_prompts.propagation import Found
from napari_samv2_prompts.propagation.doubt import Looks
from napari_samv2_prompts.propagation.evidence import FEATURES, NEAR
from napari_samv2_prompts.propagation.weights import Weights, of
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

from .evaluate_volumes import Setting
from .films import make_film, make_tissue
from .volumes import Volume, iou, objects_of, read_volume

HIDDEN = 16
PIXELS = 200
"""Samples of a section."""
FIRST_WEIGHTS = {
    "evidence": [[[[1, 0.3, -0.2, 0.3, 0, 0.3, 0.3, 0, 0, 0, 0, 0.5, 0]], [0]]],
    "doubt": [[[[-2, -2, -3, 0, 0, 0, 0, 0]], [3]]],
    "gone": [[[[0, 0, -10, 0, 0, 0, 0, 0]], [2]]],
}
"""To start from: made by hand."""
BEYOND = 3
"""Planes beyond an object's end that are still shown."""


class Samples:
    """What was measured, with the truth beside it."""

    def __init__(self, volume: Volume, seed: int) -> None:
        self.volume, self.rng = volume, np.random.default_rng(seed)
        self.extent = {}
        for number, _, areas in objects_of(volume):
            planes = np.flatnonzero(areas)
            self.extent[number] = planes[0], planes[-1]
        self.pixels: list[NDArray[np.float32]] = []
        self.truths: list[NDArray[np.float32]] = []
        self.looks: list[tuple[int, int, NDArray[np.float64]]] = []

    def __call__(
        self, plane: int, number: int, window: Region, values: NDArray[np.float32], looks: Looks
    ) -> None:
        """Take in one object on one plane."""
        first, last = self.extent[number]
        if not first - BEYOND <= plane <= last + BEYOND:
            return
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        truth = self.volume.labels[plane, rows, columns] == number
        near = values[FEATURES.index("depth")] > NEAR
        at = np.flatnonzero(near)
        at = self.rng.choice(at, PIXELS) if len(at) else at
        self.pixels.append(values.reshape(len(values), -1)[:, at].T)
        self.truths.append(truth.ravel()[at].astype(np.float32))
        self.looks.append((plane, number, looks.values))


def collect(
    volume: Volume, predictor: SAMV2ImagePredictor, weights: Weights, seed: int, truth: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Follow a volume's objects.

    Returns
    -------
    pixels : array of shape (n, features)
    truths : array of shape (n,)
    sections : array of shape (m, looks + 2)
        The looks, the true IoU, and whether the object is there.
    """
    samples = Samples(volume, seed)
    setting = Setting(volume, predictor, weights, samples)
    anchors = setting.prompted()
    if truth:
        anchors = {n: _true_anchor(volume, n, min(planes)) for n, planes in anchors.items()}
    found = setting.fill(anchors, Found())
    sections = []
    for plane, number, looks in samples.looks:
        section = found.sections.get(number, {}).get(plane)
        real = volume.labels[plane] == number
        good = iou(section.crop.full(real.shape), real) if section is not None else 0.0
        sections.append([*looks, good, float(real.any())])
    return np.concatenate(samples.pixels), np.concatenate(samples.truths), np.array(sections)


def _true_anchor(volume: Volume, number: int, plane: int) -> dict[int, MaskCrop]:
    crop = cropped(volume.labels[plane] == number)
    assert crop is not None
    return {plane: crop}


def fit(values: NDArray[Any], targets: NDArray[Any], hidden: int, steps: int) -> list[list[Any]]:
    """Fit ``sigmoid(w2 tanh(w1 x + b1) + b2)``, or without hidden units a logistic regression."""
    torch.manual_seed(0)
    x, y = torch.tensor(values, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)
    layers: list[torch.nn.Module] = [torch.nn.Linear(x.shape[1], hidden or 1)]
    if hidden:
        layers += [torch.nn.Tanh(), torch.nn.Linear(hidden, 1)]
    net = torch.nn.Sequential(*layers)
    optimizer = torch.optim.Adam(net.parameters(), 0.01, weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, steps)
    loss = torch.tensor(0.0)
    for _ in range(steps):
        at = torch.randint(len(x), (8192,)) if len(x) > 8192 else slice(None)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(x[at])[:, 0], y[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"  {len(x)} samples, loss {loss.item():.4f}", flush=True)
    numbers = [part.detach().numpy().round(4).tolist() for part in net.parameters()]
    return [numbers[at : at + 2] for at in range(0, len(numbers), 2)]


def training_volumes(data: Path, films: int) -> list[Volume]:
    """Return the parts that are trained on."""
    volumes = [read_volume(data / "plantseg/1135_mini.tif")]
    for name, corner in (("z000", 0), ("z062", 70), ("z125", 140)):
        whole = read_volume(data / f"fibsem/medulla2_{name}.tif")
        part = slice(corner, corner + 100)
        volumes.append(whole.cut(slice(0, 24), part, part))
    volumes += [make_film(seed, speed=1.0 + seed % 3).volume for seed in range(films)]
    return volumes + [make_tissue(seed) for seed in range(films)]


def main() -> None:
    """Read the command line, fit and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--films", type=int, default=4, help="made films, and as many tissues")
    parser.add_argument("--start", type=Path, help="weights to start from, instead of made by hand")
    args = parser.parse_args()
    torch.set_num_threads(1)
    predictor = SAMV2ImagePredictor()
    volumes = training_volumes(args.data, args.films)
    weights = of(json.loads(args.start.read_text()) if args.start else FIRST_WEIGHTS)
    pixels: list[NDArray[Any]] = []
    truths: list[NDArray[Any]] = []
    for turn in range(args.rounds):
        parts = [
            collect(volume, predictor, weights, turn, truth)
            for volume in volumes
            for truth in ((False, True) if turn == 0 else (False,))
        ]
        pixels += [part[0] for part in parts]
        truths += [part[1] for part in parts]
        sections = np.concatenate([part[2] for part in parts])
        fitted = {
            "evidence": fit(np.concatenate(pixels), np.concatenate(truths), HIDDEN, 3000),
            "doubt": fit(sections[:, :-2], 1 - sections[:, -2], 6, 2000),
            "gone": fit(sections[:, :-2], 1 - sections[:, -1], 6, 2000),
        }
        args.out.write_text(json.dumps(fitted))
        weights = of(fitted)


if __name__ == "__main__":
    main()
