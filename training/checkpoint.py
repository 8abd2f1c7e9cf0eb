"""The state of a training run: begin it, save it, go on with it."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.build import build_network
from training.recipe import Recipe


@dataclass
class Run:
    """The state of a training run: all that a checkpoint holds."""

    network: SAMV2Network
    ema: SAMV2Network
    optimizer: torch.optim.AdamW
    step: int = 0


def start(recipe: Recipe, variant: Variant, weights: dict[str, Tensor] | None = None) -> Run:
    """Build the network, from given weights or at random, with its optimizer and moving average."""
    torch.manual_seed(recipe.samples.seed)
    network = build_network(variant).train()
    if weights is not None:
        network.load_state_dict(widened(weights, network.state_dict()))
    decayed = [p for p in network.parameters() if p.ndim >= 2]
    plain = [p for p in network.parameters() if p.ndim < 2]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True)
    return Run(network, copy.deepcopy(network).requires_grad_(False), optimizer)


def widened(weights: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fit the weights of a narrower network into a wider one, which computes the same at first.

    What a layer reads in addition gets weights of zero; a layer that is new keeps its own.
    """
    result = dict(wanted)
    for name, tensor in weights.items():
        fitted = torch.zeros_like(wanted[name])
        fitted[tuple(slice(length) for length in tensor.shape)] = tensor
        result[name] = fitted
    return result


def save(run: Run, path: Path) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old one or the new one."""
    state = {
        "step": run.step,
        "network": run.network.state_dict(),
        "ema": run.ema.state_dict(),
        "optimizer": run.optimizer.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def resume(run: Run, path: Path) -> None:
    """Set a run to the state of a checkpoint."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    run.network.load_state_dict(state["network"])
    run.ema.load_state_dict(state["ema"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step = int(state["step"])


def weights_before(path: Path) -> dict[str, Tensor]:
    """Read what a stage begins with: the average in a checkpoint, or an exported file."""
    if path.suffix == ".safetensors":
        return {name: tensor.float() for name, tensor in load_file(path).items()}
    weights: dict[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")["ema"]
    return weights


def recipe_before(path: Path) -> dict[str, Any]:
    """Read how the weights that a stage begins with were made, all stages before them included."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        return {**json.loads(metadata["recipe"]), "stopped_at": int(metadata["step"])}
    step = torch.load(path, weights_only=True, map_location="cpu")["step"]
    return {**json.loads((path.parent / "recipe.json").read_text()), "stopped_at": step}
