"""Write a run's averaged weights as the wheel's file: ``python -m training.export RUN_FOLDER``.

float16 safetensors, keyed as ``network.state_dict()``; the metadata hold the recipe of all stages
and its hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.checkpoint import weights_before
from training.evaluate import BUNDLED

LIMIT = 12_000_000
"""Bytes that the wheel can spare for the weights."""


def export(run: Path, path: Path, mean_with: Sequence[Path] = ()) -> dict[str, str]:
    """Write the weights file of a run's folder and return its metadata; see :func:`write`.

    ``mean_with`` are runs that this one goes back to: the mean of all their weights is written, and
    the recipe names theirs by their hashes.
    """
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    recipe, weights = json.loads((run / "recipe.json").read_text()), state["ema"]
    if mean_with:
        others = [weights_before(other / "checkpoint.pt") for other in mean_with]
        weights = {n: _mean([w, *(o[n] for o in others if n in o)]) for n, w in weights.items()}
        before = [json.loads((other / "recipe.json").read_text()) for other in mean_with]
        recipe["mean_with"] = [_hash(_told(each)) for each in before]
    return write(weights, recipe, state["step"], path)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([tensor.float() for tensor in tensors]).mean(0)


def _told(recipe: dict[str, Any]) -> str:
    return json.dumps(recipe, sort_keys=True)


def _hash(told: str) -> str:
    return hashlib.sha256(told.encode()).hexdigest()


def write(
    weights: dict[str, Tensor], recipe: dict[str, Any], step: int, path: Path
) -> dict[str, str]:
    """Write a weights file and return its metadata.

    Raises
    ------
    ValueError
        If a weight does not fit into float16, or the file is larger than `LIMIT`.
    """
    told = _told(recipe)
    metadata = {
        "format": "pt",
        "model": "nano",
        "step": str(step),
        "recipe": told,
        "recipe_sha256": _hash(told),
    }
    tensors = {name: tensor.half().contiguous() for name, tensor in weights.items()}
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ValueError(f"These weights do not fit into float16: {', '.join(broken)}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata)
    if path.stat().st_size > LIMIT:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes, more than the wheel's share of {LIMIT}."
        )
    return metadata


def main() -> None:
    """Read the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a training run")
    parser.add_argument("--to", type=Path, default=BUNDLED)
    parser.add_argument(
        "--mean-with", type=Path, nargs="+", default=[], help="folders of runs that it goes back to"
    )
    args = parser.parse_args()
    metadata = export(args.run, args.to, args.mean_with)
    print(
        f"{args.to}: {args.to.stat().st_size:,} bytes, step {metadata['step']}, "
        f"recipe {metadata['recipe_sha256'][:12]}"
    )


if __name__ == "__main__":
    main()
