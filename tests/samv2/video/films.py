"""Films for tests, and networks whose memory matters although their weights are made up."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import numpy as np
import torch

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.modeling.memory_parts import MEMORY_PREFIXES
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.weights.variants import Variant, find_variant

LOGITS = 10.0
"""How much larger than the other weights those are that logits come from."""
READ = 0.5
"""How much smaller those are that bring memories into a map: each is rounded to bfloat16."""
MINI = Variant("mini", "2.1", 16, 1, (1, 2, 3, 1), (4,), (8, 4, 14, 7), input_size=128)
"""A published network with a small trunk: decoder and memory are as they are."""


def moving_discs(n_frames: int, side: int) -> np.ndarray:
    """Return ``(T, side, side, 3)`` uint8: two discs that move over a wavy ground."""
    y, x = np.mgrid[:side, :side] / side
    film = np.empty((n_frames, side, side, 3), np.uint8)
    discs = (((0.3, 0.4), 0.02, (230, 60, 40)), ((0.7, 0.6), -0.015, (40, 210, 90)))
    for frame in range(n_frames):
        ground = 90 + 40 * np.sin(9 * x + 0.1 * frame) * np.cos(7 * y)
        picture = np.stack([ground, ground * 0.8, ground * 1.1], axis=-1)
        for (left, top), speed, colour in discs:
            picture[np.hypot(x - left - speed * frame, y - top) < 0.12] = colour
        film[frame] = picture.clip(0, 255)
    return film


def made_up(name: str, shape: torch.Size) -> torch.Tensor:
    """Return weights that follow from their name, the same on all machines."""
    source = np.random.RandomState(crc32(f"a{name}".encode()))  # its numbers never change
    values = source.uniform(-1.0, 1.0, tuple(shape)).astype(np.float32)
    if name.endswith("positional_encoding_gaussian_matrix"):
        return torch.from_numpy(values)
    if len(shape) == 1:  # a bias, or a scale around one
        scale = ".bias" not in name
        return torch.from_numpy(values * 0.1 + scale)
    fan_in = np.prod(shape[1:])
    factor = LOGITS if "hypernetworks" in name and ".layers.2." in name else 1.0
    if "obj_score_head.layers.2" in name:
        factor = 20.0  # so that objects come and go where they are just there
    if name.startswith("memory_attention") and ".out_proj." in name:
        factor = READ
    if len(shape) == 2 and ("token" in name or "embed" in name):  # one of a kind: read as it is
        fan_in = 1
    if "pos_embed" in name:
        factor = 0.1
    if "tpos_enc" in name or "no_mem" in name:
        factor, fan_in = 0.3, 1
    return torch.from_numpy(values * np.float32(factor / np.sqrt(fan_in)))


def network_with_memory(
    model: str | Variant, side: int, *, version: str = "2.1", present: float = 3.0
) -> SAMV2Network:
    """Build a network with made-up weights whose answers depend on prompts and memories.

    ``present`` is added to object scores, so that objects are there.
    """
    variant = find_variant(model, version) if isinstance(model, str) else model
    network = build_samv2(replace(variant, version=version, input_size=side))
    state = {key: made_up(key, t.shape) for key, t in network.state_dict().items()}
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"] += present
    network.load_state_dict(state, strict=True)
    return network


def calm_network(model: str | Variant, side: int, *, version: str = "2.1") -> SAMV2Network:
    """Build a network with random weights as they are at first, but for those that do nothing.

    Rounding errors stay as small in it as they are.
    """
    variant = find_variant(model, version) if isinstance(model, str) else model
    torch.manual_seed(3)
    network = build_samv2(replace(variant, version=version, input_size=side))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(MEMORY_PREFIXES) and parameter.ndim > 1:
                parameter.mul_(1.5)
            if name.endswith("gamma"):
                parameter.fill_(0.5)
            if name.startswith(("no_obj", "maskmem_tpos", "no_mem_embed")):
                parameter.normal_(std=0.5)
        network.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.add_(3.0)
        for mlp in network.sam_mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(70.0)
            mlp.layers[-1].bias.mul_(70.0)
    return network
