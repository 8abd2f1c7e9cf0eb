"""Answer a click at several scales: the picture in full, and smaller copies of it.

A window of the full picture shows small things sharply and large ones not at all; in a copy of 256
pixels a thing as large as the picture has the size that the network knows best.  A click is decoded
in its window on each level, all masks are judged by one score (:mod:`.scale_scores`), and three
that differ are offered: part, whole, group.

Here: levels, windows, which masks are offered.  Not here: how masks are judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded

from .config import COARSEST
from .windows import STRIDE, Window, around, cut, without_unprompted

if TYPE_CHECKING:
    from .network import NanoFeatures, NanoNetwork

__all__ = [
    "Candidates",
    "Offered",
    "candidates_of_clicks",
    "offer",
    "on_grid",
    "overlaps",
    "placed",
    "scaled_to",
    "smaller",
    "to_finest",
]

SAME = 0.8
"""Masks of a higher IoU than this with a better one are not offered beside it."""
_CELLS_AT_ONCE = 2**16  # low-res cells decoded at a time on a CPU, to stay in its cache
_CELLS_AT_ONCE_GPU = 2**22


def smaller(pixels: Tensor, side: int) -> Tensor:
    """Return pixels ``(B, 3, S, S)`` at a smaller side, each pixel the mean of what it covers."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(pixels, size=(side, side), mode="area")


class Candidates(NamedTuple):
    """All masks of one click, of all levels: four a level, finest level first.

    Attributes
    ----------
    logits : list of Tensor of shape (4, h, w)
        By level, those of the window.
    windows : list of Window
        By level.
    grids : list of int
        Sides of the levels' embeddings.
    scores : Tensor of shape (L, 4)
        What the network says of each in its own window.
    objects : Tensor of shape (L,)
    cover : Tensor of shape (L * 4, G, G)
        Share of each cell of the coarsest level's low-res grid that each mask covers.
    looks : list of Tensor of shape (D, h, w)
        By level, descriptors of the window's cells: three colours, then what is learnt.
    """

    logits: list[Tensor]
    windows: list[Window]
    grids: list[int]
    scores: Tensor
    objects: Tensor
    cover: Tensor
    looks: list[Tensor]


class _Decoded(NamedTuple):
    """All masks of all clicks on one level, and where they lie."""

    masks: Decoded
    windows: list[Window]
    grid: int
    looks: Tensor


def candidates_of_clicks(
    network: NanoNetwork,
    levels: Sequence[NanoFeatures],
    coords: Tensor,
    labels: Tensor,
    threshold: float,
) -> list[Candidates]:
    """Decode prompts that are clicks only, each in its window on each level.

    Parameters
    ----------
    network : NanoNetwork
    levels : sequence of NanoFeatures
        Of one image (B = 1), finest first.
    coords, labels : Tensor
        As :meth:`.NanoNetwork.decode_prompts` takes them, in pixels of the finest level's input.
    threshold : float
        Logit above which a cell is in the mask.
    """
    every = _on_all_levels(network, levels, coords, labels, threshold)
    coarsest = every[-1].grid
    covers = [_cover(d.masks.logits > threshold, d.windows, d.grid, coarsest) for d in every]
    return [
        Candidates(
            [level.masks.logits[row] for level in every],
            [level.windows[row] for level in every],
            [level.grid for level in every],
            torch.stack([level.masks.scores[row] for level in every]),
            torch.stack([level.masks.object_logits[row] for level in every]),
            torch.cat([cover[row] for cover in covers]),
            [level.looks[row] for level in every],
        )
        for row in range(len(coords))
    ]


def _on_all_levels(
    network: NanoNetwork,
    levels: Sequence[NanoFeatures],
    coords: Tensor,
    labels: Tensor,
    threshold: float,
) -> list[_Decoded]:
    """Decode on each level; levels whose windows have the same side are decoded together."""
    grids = [level.embedding.shape[-1] for level in levels]
    scaled = [scaled_to(coords, grids[0], grid) for grid in grids]
    windows = [
        _windows(points, labels, grid, network.variant.window // STRIDE)
        for points, grid in zip(scaled, grids, strict=True)
    ]
    alike: dict[int, list[int]] = defaultdict(list)
    for number in range(len(grids)):
        alike[windows[number][0].side].append(number)
    results: dict[int, _Decoded] = {}
    for side, numbers in alike.items():
        cells = _CELLS_AT_ONCE if coords.device.type == "cpu" else _CELLS_AT_ONCE_GPU
        step = max(1, cells // (4 * side) ** 2 // len(numbers))
        parts = []
        for start in range(0, len(coords), step):
            rows = slice(start, start + step)
            features = _joined([cut(levels[k], windows[k][rows]) for k in numbers])
            places = [_within(scaled[k][rows], windows[k][rows]) for k in numbers]
            kinds = labels[rows].repeat(len(numbers), 1)
            masks = network.decode_prompts(features, torch.cat(places), kinds, None)
            kept = without_unprompted(masks.logits, torch.cat(places), kinds, None, threshold)
            together = (kept, masks.scores, masks.object_logits, features.descriptors)
            parts.append([tensor.chunk(len(numbers)) for tensor in together])
        for place, number in enumerate(numbers):
            logits, scores, objects, looks = (
                torch.cat([part[which][place] for part in parts]) for which in range(4)
            )
            masks = Decoded(logits, scores, objects)
            results[number] = _Decoded(masks, windows[number], grids[number], looks)
    return [results[number] for number in range(len(levels))]


def scaled_to(coords: Tensor, grid: int, other: int) -> Tensor:
    """Pixels of the input of a level, in pixels of another level's."""
    return (coords + 0.5) * (other / grid) - 0.5


def _windows(points: Tensor, labels: Tensor, grid: int, least: int) -> list[Window]:
    """Windows around clicks ``(P, N, 2)``; on the coarsest level it is all of it."""
    if grid <= COARSEST // STRIDE:
        return [Window(0, 0, grid)] * len(points)
    said = (labels >= 0)[..., None]
    low = points.masked_fill(~said, torch.inf).amin(1)
    high = points.masked_fill(~said, -torch.inf).amax(1)
    middles = ((low + high) / 2 / STRIDE).tolist()
    return [around(y, x, least, grid) for x, y in middles]


def _within(points: Tensor, windows: list[Window]) -> Tensor:
    """Points ``(P, N, 2)`` in pixels of their windows."""
    corners = points.new_tensor([(window.left, window.top) for window in windows]) * STRIDE
    return points - corners[:, None]


def _joined(parts: Sequence[NanoFeatures]) -> NanoFeatures:
    """Features of several batches as one."""
    tensors = [part.tensors() for part in parts]
    return type(parts[0])(**{n: torch.cat([each[n] for each in tensors]) for n in tensors[0]})


def _cover(inside: Tensor, windows: list[Window], grid: int, coarsest: int) -> Tensor:
    """Bring masks ``(P, 4, h, w)`` of windows to the coarsest grid: ``(P, 4, G, G)`` shares."""
    side, ratio = 4 * coarsest, coarsest / grid
    masks, cells = inside.float(), torch.arange(side, device=inside.device)[:, None]

    def overlap(starts: list[int]) -> Tensor:
        first = torch.tensor(starts, device=inside.device, dtype=torch.float32)[:, None, None] * 4
        place = (first + torch.arange(masks.shape[-1], device=inside.device)) * ratio
        low, high = torch.maximum(place, cells), torch.minimum(place + ratio, cells + 1)
        return (high - low).clamp_min(0)

    rows, columns = (overlap([w[axis] for w in windows]) for axis in (0, 1))
    return rows[:, None] @ masks @ columns[:, None].transpose(2, 3)


def overlaps(cover: Tensor) -> Tensor:
    """IoU ``(M, M)`` of masks that are shares ``(M, G, G)`` of cells; 0 where both are empty."""
    flat = cover.flatten(1)
    area = flat.sum(1)
    # The sum of |a - b| is that of the larger ones less that of the smaller ones.
    apart = torch.cdist(flat, flat, p=1.0)
    total = area[:, None] + area[None]
    return (total - apart) / (total + apart).clamp_min(1e-6)


class Offered(NamedTuple):
    """What is offered for a click.

    Attributes
    ----------
    logits : Tensor of shape (C, S/4, S/4)
        On the grid of the finest level.
    scores : Tensor of shape (C,)
    object_logit : Tensor of shape ()
        Of the level that has the best mask.
    """

    logits: Tensor
    scores: Tensor
    object_logit: Tensor


def offer(found: Candidates, scores: Tensor, count: int, nothing: float) -> Offered:
    """Choose masks that differ, best first by their scores ``(L * 4,)``.

    ``nothing`` is the logit around a window.
    """
    alike = overlaps(found.cover)
    order = scores.argsort(descending=True).tolist()
    chosen: list[int] = []
    for one in order:
        if len(chosen) < count and all(float(alike[one, other]) < SAME for other in chosen):
            chosen.append(one)
    chosen += [one for one in order if one not in chosen][: count - len(chosen)]
    logits = torch.stack([placed(found, one, nothing) for one in chosen])
    return Offered(logits, scores[chosen], found.objects[chosen[0] // 4])


def placed(found: Candidates, one: int, nothing: float) -> Tensor:
    """A candidate's logits on the finest level's low-res grid."""
    level, which = divmod(one, 4)
    logits = on_grid(
        found.logits[level][which][None], found.windows[level], found.grids[level], nothing
    )
    return to_finest(logits, found.grids[0])[0]


def on_grid(logits: Tensor, window: Window, grid: int, nothing: float) -> Tensor:
    """Put logits ``(C, h, w)`` of a window in their place, nothing around them."""
    if window.side == grid:
        return logits
    top, left, side = (4 * number for number in window)
    whole = logits.new_full((len(logits), 4 * grid, 4 * grid), nothing)
    whole[:, top : top + side, left : left + side] = logits
    return whole


def to_finest(logits: Tensor, grid: int) -> Tensor:
    """Logits ``(C, h, w)`` of a level on the finest level's low-res grid."""
    size = (4 * grid, 4 * grid)
    if logits.shape[1:] == size:
        return logits
    return F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)[0]
