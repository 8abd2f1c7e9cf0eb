"""Training in several processes, started by ``torchrun``: each has a share of every batch."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn


def process_rank() -> int:
    """The number of this process among those that train together; 0 when it is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def process_count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def average_gradients(network: nn.Module) -> None:
    """Make the gradients of all processes their mean.

    On a CPU two processes of one thread are faster than one process of two, and do not stall when
    the machine has other work: they wait for each other once a step and not at every operation.
    """
    if process_count() == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    shared = flat.cpu()  # the same memory on a CPU
    dist.all_reduce(shared)
    flat.copy_(shared).div_(process_count())
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
