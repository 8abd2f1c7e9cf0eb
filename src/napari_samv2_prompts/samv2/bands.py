"""Work on bands of a map, one after the other: a CPU keeps what it works on in its cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["in_bands"]


def in_bands(
    work: Callable[..., Tensor], maps: Sequence[Tensor], band: int, joined: int = 1
) -> Tensor:
    """Do ``work`` on bands of maps along their second axis, and join the results.

    On a CPU, what is made of a band stays in the cache and in memory that the process holds
    already.  A whole map can be larger than any cache, and the system hands out large memory anew
    each time, page by page.  A GPU takes the maps whole.

    Parameters
    ----------
    work : callable
        Called with the same band of each map; no position may depend on another band.
    maps : sequence of Tensor
        Of the same length along the second axis.
    band : int
        Length of a band; the last may be shorter.
    joined : int
        Axis along which results are joined.
    """
    if maps[0].device.type != "cpu" or band >= maps[0].shape[1]:
        return work(*maps)
    bands = zip(*(x.split(band, dim=1) for x in maps), strict=True)
    return torch.cat([work(*parts) for parts in bands], dim=joined)
