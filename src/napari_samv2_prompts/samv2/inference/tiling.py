"""Work on bands of a map, one after the other: a CPU keeps what it works on in its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["in_bands", "joined"]


def in_bands(
    work: Callable[..., Tensor],
    maps: Sequence[Tensor],
    band: int,
    axis: int = 1,
    into: Tensor | None = None,
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
    axis : int
        Along which results are joined.
    into : Tensor, optional
        As of :func:`joined`.
    """
    if maps[0].device.type != "cpu" or band >= maps[0].shape[1]:
        return work(*maps)
    bands = zip(*(x.split(band, dim=1) for x in maps), strict=True)
    results = (work(*parts) for parts in bands)
    return joined(results, maps[0].shape[1], into) if axis == 1 else torch.cat(list(results), axis)


def joined(bands: Iterable[Tensor], length: int, into: Tensor | None = None) -> Tensor:
    """Join bands ``(B, n, C)`` of a map along their second axis, as they come.

    Parameters
    ----------
    bands : iterable of Tensor
    length : int
        Of the whole map.
    into : Tensor, optional
        A map of the result's shape that is not needed any more where a band has come.
    """
    rest = iter(bands)
    first = next(rest)
    if first.shape[1] == length:
        return first
    if torch.is_grad_enabled():
        return torch.cat([first, *rest], dim=1)
    result = into
    if result is None:
        result = first.new_empty((first.shape[0], length, *first.shape[2:]))
    result[:, : first.shape[1]] = first
    done = first.shape[1]
    for band in rest:
        result[:, done : done + band.shape[1]] = band
        done += band.shape[1]
    return result
