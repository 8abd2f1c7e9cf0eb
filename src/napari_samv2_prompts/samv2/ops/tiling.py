"""Work on tiles of a map, one after the other: a CPU keeps what it works on in its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor


def in_tiles(
    work: Callable[..., Tensor],
    maps: Sequence[Tensor],
    tile: int,
    axis: int = 1,
    into: Tensor | None = None,
) -> Tensor:
    """Do ``work`` on tiles of maps along their second axis, and join the results.

    On a CPU, what is made of a tile stays in the cache and in memory that the process holds
    already.  A whole map can be larger than any cache, and the system hands out large memory anew
    each time, page by page.  A GPU takes the maps whole.

    - `work`: called with the same tile of each map; no position may depend on another tile
    - `maps`: of the same length along the second axis
    - `tile`: length of a tile; the last may be shorter
    - `axis`: along which results are joined
    - `into`: as of :func:`join_tiles`
    """
    if maps[0].device.type != "cpu" or tile >= maps[0].shape[1]:
        return work(*maps)
    tiles = zip(*(x.split(tile, dim=1) for x in maps), strict=True)
    results = (work(*parts) for parts in tiles)
    return (
        join_tiles(results, maps[0].shape[1], into) if axis == 1 else torch.cat(list(results), axis)
    )


def join_tiles(tiles: Iterable[Tensor], length: int, into: Tensor | None = None) -> Tensor:
    """Join tiles ``(B, n, C)`` of a map along their second axis, as they come.

    - `length`: of the whole map
    - `into`: a map of the result's shape that is not needed any more where a tile has come
    """
    rest = iter(tiles)
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
    for tile in rest:
        result[:, done : done + tile.shape[1]] = tile
        done += tile.shape[1]
    return result
