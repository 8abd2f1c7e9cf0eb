"""Everything of PyTorch that is not public, each use guarded: who asks is told None or False.

PyTorch may take any of it away, or change how it is called, in any release.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def multiplies_bfloat16() -> bool:
    """Whether oneDNN multiplies bfloat16 on this CPU."""
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError, TypeError):
        return False


def fused_linear(x: Tensor, layer: nn.Linear, activation: str) -> Tensor | None:
    """Apply a linear layer and what follows it in one pass of oneDNN, or return None.

    - `x`: Tensor of shape (N, in)
    - `activation`: "none", "gelu" or "relu"
    """
    try:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, layer.weight, layer.bias, activation, [], "none"
        )
    except (AttributeError, RuntimeError, TypeError):
        return None
    return y


def gelu_in_place(x: Tensor) -> Tensor | None:
    """Write GELU over what it is taken of, or return None."""
    try:
        y: Tensor = torch.ops.aten.gelu_(x)
    except (AttributeError, RuntimeError, TypeError):
        return None
    return y


def has_bfloat16_instructions() -> bool:
    """Whether this CPU has matrix instructions for bfloat16; emulated ones are far slower."""
    try:
        capabilities = dict(torch.cpu.get_capabilities())
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return False
    return any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
