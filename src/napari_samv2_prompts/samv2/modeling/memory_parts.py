"""The parts of the video memory, under the names that they have in the published files.

Not here: what is done with them (``video_memory.py``).
"""

from __future__ import annotations

import torch
from torch import nn

from .config import Variant
from .layers import Mlp
from .memory_attention import MEMORY_WIDTH, MemoryAttention
from .memory_encoder import MemoryEncoder

MEMORY_PREFIXES = (
    "maskmem_tpos_enc",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "mask_downsample.",
    "memory_attention.",
    "memory_encoder.",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
)
"""What the names of the memory's tensors begin with."""

SLOTS = 7
"""Temporal slots: one for each of the six frames before, the last for conditioning frames."""


def add_memory(network: nn.Module, variant: Variant) -> None:
    """Give a network the parts of the video memory, under the published names."""
    width = variant.width

    def learnt(*shape: int) -> nn.Parameter:
        return nn.Parameter(nn.init.trunc_normal_(torch.zeros(shape), std=0.02))

    network.memory_attention = MemoryAttention(width)
    network.memory_encoder = MemoryEncoder(width)
    network.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
    network.obj_ptr_proj = Mlp(width, width, width, width, activation="relu")
    network.maskmem_tpos_enc = learnt(SLOTS, 1, 1, MEMORY_WIDTH)
    network.no_mem_pos_enc = learnt(1, 1, width)  # in the files, and never used
    network.no_obj_ptr = learnt(1, width)
    if variant.version != "2.0":
        network.obj_ptr_tpos_proj = nn.Linear(width, MEMORY_WIDTH)
        network.no_obj_embed_spatial = learnt(1, MEMORY_WIDTH)


def drop_memory(network: nn.Module) -> None:
    """Take the parts of the memory off: for weights that were trained for images alone."""
    for name in {prefix.rstrip(".") for prefix in MEMORY_PREFIXES}:
        if hasattr(network, name):
            delattr(network, name)
