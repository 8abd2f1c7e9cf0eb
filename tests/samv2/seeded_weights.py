"""Weights that depend on names and shapes alone: the same under any version of any library."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor, nn

FACTORS = {
    ("conv_s0",): 0.05,
    ("conv_s1",): 0.4,
    ("sam_mask_decoder.transformer", "q_proj.weight"): 4.0,
    ("token_to_image", "out_proj.weight"): 4.0,
    ("image_to_token", "out_proj.weight"): 4.0,
    ("output_upscaling", "weight"): 2.0,
    ("output_hypernetworks", "layers.2.weight"): 4.0,
    ("iou_prediction_head", "weight"): 1.6,
}
"""By parts of names: masks shall differ from click to click, with logits of a trained size."""


def seeded_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """Random numbers of a size that keeps activations near one."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape, dtype=np.float32)
    if len(shape) <= 1:  # biases, and factors of norms
        values = 0.1 * values + (name.endswith("weight") or "gamma" in name)
    elif "embed" not in name and "gaussian" not in name:
        values /= np.sqrt(np.prod(shape[1:]))
    for parts, factor in FACTORS.items():
        if all(part in name for part in parts):
            values = values * factor
    return torch.from_numpy(np.asarray(values, np.float32))


def seed_weights(network: nn.Module, *, skip: tuple[str, ...] = ()) -> None:
    """Fill a network's parameters and buffers in place."""
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.startswith(skip or ("\0",)):
                tensor.copy_(seeded_tensor(name, tuple(tensor.shape)))
