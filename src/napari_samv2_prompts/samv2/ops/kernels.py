"""Linear layers and attention as the processor at hand computes them fastest.

PyTorch's own kernels are the reference, and what runs on GPUs, in float32 and while training.  On
CPUs that multiply bfloat16 two things are faster, both measured (``docs/benchmarks.md``): linear
layers by oneDNN with what follows them in the same pass, and attention written out as products,
of which PyTorch's kernel makes a third to a half of the speed.  What is done to each number of a
product's result is written over it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .torch_internals import fused_linear, gelu_in_place, multiplies_bfloat16

_SCORES_AT_ONCE = 2**21
"""Scores of an attention that are worked on at a time: 4 MB, which stay in the cache."""
_FEWEST_QUERIES = 128
"""Even so, products of fewer queries are slow."""
_BLOCK = 512, 1024
"""Queries and keys of a block of float32 scores: 2 MB."""


def add(x: Tensor, y: Tensor) -> Tensor:
    """Return the sum; without gradients it is written over ``x``, which nobody may need any more.

    What a product made of a tile is in the cache.  Results of their own would drive it out.
    """
    return x + y if torch.is_grad_enabled() else x.add_(y)


def gelu(x: Tensor) -> Tensor:
    """Return GELU (Hendrycks and Gimpel 2016), written over ``x`` where :func:`add` does so."""
    y = None if torch.is_grad_enabled() else gelu_in_place(x)
    return F.gelu(x) if y is None else y


Activation = Literal["none", "gelu", "relu"]
_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "gelu": gelu,
    "relu": F.relu,
}


def _by_onednn(x: Tensor) -> bool:
    return (
        x.dtype == torch.bfloat16
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and multiplies_bfloat16()
    )


def linear(x: Tensor, layer: nn.Linear, activation: Activation = "none") -> Tensor:
    """Return ``activation(layer(x))``.

    - `x`: Tensor of shape (..., in)
    """
    if _by_onednn(x) and layer.weight.dtype == x.dtype:
        y = fused_linear(x.reshape(-1, x.shape[-1]), layer, activation)
        if y is not None:
            return y.view(*x.shape[:-1], layer.out_features)
    return _ACTIVATIONS[activation](layer(x))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention (Vaswani et al. 2017) from ``q (B, H, N, D)`` to ``k, v``.

    Values may have fewer channels than keys; PyTorch's kernel for CPUs would then hold all scores.

    Returns a Tensor of shape (B, H, N, E); as many channels as the values have.
    """
    if not _by_onednn(q):
        if q.device.type == "cpu" and q.shape[-1] != v.shape[-1] and not torch.is_grad_enabled():
            return _attend_in_blocks(q, k, v)
        return F.scaled_dot_product_attention(q, k, v)
    batch, heads, n, _ = q.shape
    q, k, v = (t.flatten(0, 1).contiguous() for t in (q, k, v))
    keys = k.transpose(1, 2).contiguous()
    queries_at_once = max(_FEWEST_QUERIES, _SCORES_AT_ONCE // k.shape[1])
    rows_at_once = max(1, queries_at_once // n)
    result = q.new_empty((*q.shape[:2], v.shape[2]))
    for row in range(0, len(q), rows_at_once):
        rows = slice(row, row + rows_at_once)
        for start in range(0, n, queries_at_once):
            part = rows, slice(start, start + queries_at_once)
            torch.bmm(_attention_weights(q[part], keys[rows]), v[rows], out=result[part])
    return result.view(batch, heads, n, -1)


def _attend_in_blocks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend block by block of keys, with a softmax that is put right as larger scores come.

    Milakov and Gimelshein, *Online normalizer calculation for softmax* (2018).
    """
    keys, scale = k.transpose(-2, -1), q.shape[-1] ** -0.5
    results = []
    for part in q.split(_BLOCK[0], dim=-2):
        part = part * scale
        largest = part.new_full((*part.shape[:-1], 1), -torch.inf)
        total, result = torch.zeros_like(largest), torch.zeros_like(part[..., : v.shape[-1]])
        for start in range(0, k.shape[-2], _BLOCK[1]):
            block = slice(start, start + _BLOCK[1])
            scores = part @ keys[..., block]
            new = torch.maximum(largest, scores.amax(dim=-1, keepdim=True))
            shares, before = scores.sub_(new).exp_(), (largest - new).exp_()
            total = total * before + shares.sum(dim=-1, keepdim=True)
            result = torch.addcmul(shares @ v[..., block, :], result, before)
            largest = new
        results.append(result / total)
    return torch.cat(results, dim=-2)


def _attention_weights(q: Tensor, keys: Tensor) -> Tensor:
    """Softmax of the scaled products of ``q (B, N, D)`` and ``keys (B, D, M)``."""
    nothing = q.new_empty(())
    scores = torch.baddbmm(nothing, q, keys, beta=0, alpha=q.shape[-1] ** -0.5)
    return scores.softmax(dim=-1)
