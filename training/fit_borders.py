"""Fit the network that finds borders between objects in electron micrographs.

    python -m training.fit_borders --data VOLUMES --out RUNS/borders
    python -m training.fit_borders --out RUNS/borders --export borders.npz

It learns from the FIB-SEM blocks that are not validated on, seen along all three axes: they are
isotropic.  A run that was killed goes on from its last state.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from napari_samv2_prompts.propagation.borders import AROUND, FLAT

from .annotated import VALIDATION_GROUPS
from .volumes import Volume, read_volume

WIDTHS = 24, 48, 96
BORDERS = 3
"""Outputs that are borders: within the plane, to the next plane and to the one before."""
SIZES = {0: (96, 96), 1: (60, 152), 2: (60, 152)}
"""Size of the samples by the axis that is looked along."""
STEPS, BATCH, RATE, LAST_RATE, WARM_UP = 1000, 12, 3e-3, 3e-5, 100
FAR = 5.0
"""Pixels from the nearest border that are about as good as any more."""
EVERY = 100
"""Steps between two states on disk."""


class Borders(nn.Module):
    """The network of :func:`.borders`, with a fourth output: how far the nearest border is."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        sizes = [(2 * AROUND + 1, fine), (fine, middle), (middle, coarse)]
        sizes += [(middle + coarse, middle), (fine + middle, fine)]
        self.blocks = nn.ModuleList(_block(*size) for size in sizes)
        self.last = nn.Conv2d(fine, BORDERS + 1, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """Map ``(B, 5, h, w)`` to ``(B, 4, h, w)``; sides are multiples of four."""
        fine = self.blocks[0](planes)
        middle = self.blocks[1](F.max_pool2d(fine, 2))
        coarse = self.blocks[2](F.max_pool2d(middle, 2))
        middle = self.blocks[3](torch.cat([middle, _enlarged(coarse)], 1))
        return self.last(self.blocks[4](torch.cat([fine, _enlarged(middle)], 1)))

    def numbers(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights as the package keeps them.

        What normalises batches is part of kernels and biases; borders are the mean of three.
        """
        layers = []
        for block in self.blocks:
            for conv, norm in _pairs(block):
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                bias = (conv.bias - norm.running_mean) * scale + norm.bias
                layers.append((conv.weight * scale[:, None, None, None], bias))
        weight, bias = (part[:BORDERS].mean(0, keepdim=True) for part in self.last.parameters())
        layers.append((weight, bias))
        return {
            f"{name} {n}": part.detach().numpy()
            for n, layer in enumerate(layers)
            for name, part in zip(("weight", "bias"), layer, strict=True)
        }


def _pairs(block: nn.Module) -> list[tuple[Any, Any]]:
    """Return the convolutions of a block, each with what normalises its batches."""
    layers = list(block.children())
    return [(layers[0], layers[1]), (layers[3], layers[4])]


def _block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (inputs, outputs):
        layers += [nn.Conv2d(size, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


def _enlarged(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A stack along one of its axes.

    - `image`: (planes, h, w) float32, mirrored by two planes at either end
    - `targets`: (4, planes, h, w) float32, as the outputs of the network
    - `axis`: which of the stack's axes
    """

    image: NDArray[np.float32]
    targets: NDArray[np.float32]
    axis: int

    @classmethod
    def of(cls, volume: Volume, axis: int) -> Seen:
        """Look along an axis."""
        grey = volume.image.astype(np.float32)
        grey = (grey - grey.mean()) / (grey.std() + FLAT)
        around = (AROUND, AROUND), (0, 0), (0, 0)
        image = np.pad(np.moveaxis(grey, axis, 0), around, mode="reflect")
        return cls(image, targets_of(np.moveaxis(volume.labels, axis, 0)), axis)


def targets_of(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return where labels change, and how far that is, ``(4, planes, h, w)``."""
    within, after, before = (np.zeros(labels.shape, bool) for _ in range(BORDERS))
    for axis in (1, 2):
        change = np.diff(labels, axis=axis) != 0
        for start, stop in ((1, None), (None, -1)):
            within[(slice(None),) * axis + (slice(start, stop),)] |= change
    after[:-1] = before[1:] = np.diff(labels, axis=0) != 0
    away = np.tanh(ndimage.distance_transform_edt(~(within | after | before)) / FAR)
    return np.stack([within, after, before, away]).astype(np.float32)


def read(folder: Path) -> list[Seen]:
    """Return the blocks along each axis."""
    return [
        Seen.of(volume, axis)
        for path in sorted((folder / "fibsem").glob("*.tif"))
        if not path.stem.endswith(".labels") and path.stem not in VALIDATION_GROUPS["fibsem"]
        for volume in [read_volume(path)]
        for axis in range(3)
    ]


def sample(seen: Seen, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut five planes from a stack, changed as pictures differ, and the middle one's targets."""
    size, shape = SIZES[seen.axis], seen.targets.shape[1:]
    plane, top, left = (rng.integers(n) for n in (shape[0], *np.subtract(shape[1:], size) + 1))
    part = slice(top, top + size[0]), slice(left, left + size[1])
    planes, truth = seen.image[plane : plane + 2 * AROUND + 1, *part], seen.targets[:, plane, *part]
    return _changed(*_turned(planes, truth, rng), rng)


def _turned(
    planes: NDArray[np.float32], truth: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if rng.random() < 0.5:
        planes, truth = planes[::-1], truth[[0, 2, 1, 3]]
    for axis in (1, 2):
        if rng.random() < 0.5:
            planes, truth = np.flip(planes, axis), np.flip(truth, axis)
    if planes.shape[1] == planes.shape[2] and rng.random() < 0.5:
        planes, truth = planes.transpose(0, 2, 1), truth.transpose(0, 2, 1)
    return planes, truth


def _changed(
    planes: NDArray[np.float32], truth: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    planes = planes * np.float32(np.exp(rng.normal() * 0.2)) + np.float32(rng.normal() * 0.2)
    if rng.random() < 0.3:
        blur = rng.uniform(0, 1)
        planes = ndimage.gaussian_filter(planes, (0, blur, blur))
    noise = rng.normal(size=planes.shape) * rng.uniform(0, 0.4)
    return (planes + noise).astype(np.float32), np.ascontiguousarray(truth)


def train(folder: Path, data: Path, steps: int, seed: int) -> None:
    """Train, from the last state if there is one; samples depend on the seed and the step alone."""
    torch.manual_seed(seed)
    net, state = Borders(), folder / "state.pt"
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
    first, mean = 0, 0.0
    if state.is_file():
        stored = torch.load(state, weights_only=True)
        net.load_state_dict(stored["net"])
        optimizer.load_state_dict(stored["optimizer"])
        first = stored["step"]
    seen = read(data)
    for step in range(first, steps):
        rng = np.random.default_rng((seed, step))
        # In turn along z and along another axis: samples of a batch have one size.
        chosen = [one for one in seen if (one.axis == 0) == (step % 2 == 0)]
        pairs = [sample(chosen[rng.integers(len(chosen))], rng) for _ in range(BATCH)]
        planes, truth = (torch.tensor(np.stack(each)) for each in zip(*pairs, strict=True))
        chance = 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = LAST_RATE + (RATE - LAST_RATE) * chance * min(1, (step + 1) / WARM_UP)
        loss = _loss(net(planes), truth)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        mean += (loss.item() - mean) / min(step - first + 1, EVERY)
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            print(f"step {step + 1}: loss {mean:.4f}", flush=True)
            now = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(now, folder / "state.part")
            (folder / "state.part").replace(state)


def _loss(outputs: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy, borders counting twice, and the squared error of the distance."""
    borders = F.binary_cross_entropy_with_logits(
        outputs[:, :BORDERS], truth[:, :BORDERS], pos_weight=torch.tensor(2.0)
    )
    return borders + 2 * F.mse_loss(outputs[:, BORDERS], truth[:, BORDERS])


def export(folder: Path, path: Path) -> None:
    """Write the weights as the package keeps them, in half precision."""
    net = Borders()
    net.load_state_dict(torch.load(folder / "state.pt", weights_only=True)["net"])
    parts: dict[str, Any] = {n: part.astype(np.float16) for n, part in net.numbers().items()}
    np.savez_compressed(path, **parts)


def main() -> None:
    """Train, or export what was trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--export", type=Path, metavar="FILE.npz")
    args = parser.parse_args()
    if args.export:
        export(args.out, args.export)
    elif args.data is None:
        parser.error("--data is needed to train.")
    else:
        args.out.mkdir(parents=True, exist_ok=True)
        train(args.out, args.data, args.steps, args.seed)


if __name__ == "__main__":
    main()
