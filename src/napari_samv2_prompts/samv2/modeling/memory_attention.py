"""Memory attention: the map of a frame reads what is remembered of other frames.

Ravi et al., *SAM 2* (2024), section 4.  Four pre-norm layers with one head: self-attention of the
map, cross-attention to the memories, and an MLP.  Both attentions have rotary positions
(:mod:`.rotary`); memories are added the sine position of their cell and a learnt one of their age.

A memory holds 64 channels and a map 256, and most of the work is done at memories' cells.  So
shares are taken of the memories as they are, and projected afterwards:
``A (M W) = (A M) W``.  That leaves out three quarters of the products with the values.

Not here: which memories (``memory.py``), what they are made of (:mod:`.memory_encoder`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_samv2_prompts.samv2.ops.kernels import attend, linear
from napari_samv2_prompts.samv2.ops.tiling import in_tiles

from .rotary import halves_of_pairs, turned

MEMORY_WIDTH = 64
"""Channels of a memory."""
LAYERS = 4
MLP_WIDTH = 2048
POSITION_SHARE = 0.1
"""How much of its sine position is added to the map."""
_TOKENS_AT_ONCE = 1024  # cells in a tile of the MLP


class Remembered(NamedTuple):
    """What a map reads, for each of B objects."""

    # Shape (B, N, 64): cells of remembered maps, one map after the other, then tokens.
    memory: Tensor
    located: Tensor  # shape (B, N, 64): the same with their places and ages added
    n_tokens: int  # how many of the N are tokens, which lie nowhere on the map


class RotaryAttention(nn.Module):
    """Attention of one head whose queries and keys are turned by their positions.

    - `width`: channels of queries, and of everything inside
    - `source`: channels of what is attended to
    """

    def __init__(self, width: int, source: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(source, width)
        self.v_proj = nn.Linear(source, width)
        self.out_proj = nn.Linear(width, width)

    def _ordered(self, x: Tensor, layer: nn.Linear) -> Tensor:
        """Project ``(B, N, C)``, with the channels in the order in which they are turned."""
        order = halves_of_pairs(layer.out_features, x.device)
        return F.linear(x.to(layer.weight.dtype), layer.weight[order], layer.bias[order])

    def queries(self, x: Tensor, cos_sin: Tensor) -> Tensor:
        """Return the turned queries of a map ``(B, M, C)``."""
        return turned(self._ordered(x, self.q_proj), cos_sin)

    def keys(self, x: Tensor, cos_sin: Tensor, n_tokens: int = 0) -> Tensor:
        """Return the keys ``(B, N, width)`` of maps one after the other, and of tokens.

        The last ``n_tokens`` have no place, and are not turned.
        """
        keys = self._ordered(x, self.k_proj)
        cells = keys.shape[1] - n_tokens
        maps = keys[:, :cells].unflatten(1, (-1, cos_sin.shape[1]))
        placed = turned(maps, cos_sin).flatten(1, 2)
        return torch.cat([placed, keys[:, cells:]], dim=1) if n_tokens else placed

    def read(self, queries: Tensor, keys: Tensor, source: Tensor) -> Tensor:
        """Return what queries ``(B, M, width)`` take from a source ``(B, N, C)``, projected."""
        source = source.to(queries.dtype)
        taken = attend(queries[:, None], keys[:, None], source[:, None])[:, 0]
        # Shares add up to one, so the bias of the values comes through as it is.
        weight = self.out_proj.weight.float() @ self.v_proj.weight.float()
        bias = self.out_proj.weight.float() @ self.v_proj.bias.float() + self.out_proj.bias.float()
        return F.linear(taken, weight.to(taken.dtype), bias.to(taken.dtype))


class MemoryAttentionLayer(nn.Module):
    """Self-attention, attention to memories, MLP; each adds to the map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = RotaryAttention(width, width)
        self.cross_attn_image = RotaryAttention(width, MEMORY_WIDTH)
        self.linear1 = nn.Linear(width, MLP_WIDTH)
        self.linear2 = nn.Linear(MLP_WIDTH, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def _mlp(self, x: Tensor) -> Tensor:
        hidden = linear(self.norm3(x).to(self.linear1.weight.dtype), self.linear1, "relu")
        return x + linear(hidden, self.linear2)

    def forward(self, x: Tensor, remembered: Remembered, cos_sin: Tensor) -> Tensor:
        """Update a map ``(B or 1, M, C)``; one row as long as it is the same for all objects."""
        own = self.norm1(x)
        attention = self.self_attn
        q, k = attention.queries(own, cos_sin), attention.keys(own, cos_sin)
        x = x + attention.read(q, k, own)
        attention = self.cross_attn_image
        k = attention.keys(remembered.located, cos_sin, remembered.n_tokens)
        q = attention.queries(self.norm2(x), cos_sin).expand(len(k), -1, -1)
        x = x + attention.read(q, k, remembered.memory)
        return in_tiles(self._mlp, [x], _TOKENS_AT_ONCE)


class MemoryAttention(nn.Module):
    """The layers, and the norm after the last of them.

    - `width`: channels of the map
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)

    def compute_in(self, dtype: torch.dtype) -> None:
        """Let products be computed in a number type; sums and norms stay float32."""
        for module in self.layers.modules():
            if isinstance(module, nn.Linear):
                module.to(dtype)

    def forward(
        self, image: Tensor, position: Tensor, remembered: Remembered, cos_sin: Tensor
    ) -> Tensor:
        """Let a map read memories.

        - `image`: Tensor of shape (1, M, C); as the neck gives it, the same for all objects
        - `position`: Tensor of shape (M, C); its sine positions
        - `cos_sin`: Tensor of shape (2, M, C / 2); of :func:`.rotation`
        - returns a Tensor of shape (B, M, C), float32
        """
        x = image.float() + POSITION_SHARE * position
        for layer in self.layers:
            x = layer(x, remembered, cos_sin)
        normed: Tensor = self.norm(x)
        return normed
