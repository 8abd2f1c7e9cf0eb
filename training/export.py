"""Write a run's averaged weights as the wheel's file: ``python -m training.export RUN_FOLDER``.

float16 safetensors, keyed as ``network.state_dict()``; the metadata hold the recipe of all stages
and its hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from training.evaluate import BUNDLED

LIMIT = 12_000_000
"""Bytes that the wheel can spare for the weights."""


def export(run: Path, path: Path) -> dict[str, str]:
    """Write the weights file of a run's folder and return its metadata; see :func:`write`."""
    state = torch.load(run / "checkpoint.pt", weights_only=True, map_location="cpu")
    recipe = json.loads((run / "recipe.json").read_text())
    return write(state["ema"], recipe, state["step"], path)


def write(
    weights: dict[str, Tensor], recipe: dict[str, Any], step: int, path: Path
) -> dict[str, str]:
    """Write a weights file and return its metadata.

    Raises
    ------
    ValueError
        If a weight does not fit into float16, or the file is larger than `LIMIT`.
    """
    told = json.dumps(recipe, sort_keys=True)
    metadata = {
        "format": "pt",
        "model": "nano",
        "step": str(step),
        "recipe": told,
        "recipe_sha256": hashlib.sha256(told.encode()).hexdigest(),
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
    args = parser.parse_args()
    metadata = export(args.run, args.to)
    print(
        f"{args.to}: {args.to.stat().st_size:,} bytes, step {metadata['step']}, "
        f"recipe {metadata['recipe_sha256'][:12]}"
    )


if __name__ == "__main__":
    main()
