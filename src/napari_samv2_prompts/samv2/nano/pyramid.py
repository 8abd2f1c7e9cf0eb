"""Answer a click at several scales: the picture in full, and smaller copies of it.

A window of the full picture shows small things sharply and large ones not at all; in a copy of 256
pixels a thing as large as the picture has the size that the network knows best.  A click is decoded
in its window on each level, all masks are judged by one score (:mod:`.scale_scores`), and three
that differ are offered (:mod:`.candidates`): part, whole, group.

Here: levels, and decoding on them.  Not here: which level a prompt begins with (``decode.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded

from .candidates import Candidates, cover, overlaps
from .config import COARSEST
from .features import NanoFeatures
from .network import PromptDecoder
from .window_decoding import at_once, without_unprompted
from .windows import STRIDE, Window, around, cut


def smaller(pixels: Tensor, side: int) -> Tensor:
    """Return pixels ``(B, 3, S, S)`` at a smaller side, each pixel the mean of what it covers."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(pixels, size=(side, side), mode="area")


class _Decoded(NamedTuple):
    """All masks of all clicks on one level, and where they lie."""

    masks: Decoded
    windows: list[Window]
    grid: int
    looks: Tensor


def candidates_of_clicks(
    network: PromptDecoder,
    levels: Sequence[NanoFeatures],
    coords: Tensor,
    labels: Tensor,
    threshold: float,
) -> list[Candidates]:
    """Decode prompts that are clicks only, each in its window on each level.

    - `levels`: of one image (B = 1), finest first
    - `coords`, `labels`: as :meth:`.NanoNetwork.decode_prompts` takes them, in pixels of the finest
      level's input
    - `threshold`: logit above which a cell is in the mask
    """
    every = _on_all_levels(network, levels, coords, labels, threshold)
    coarsest = every[-1].grid
    covers = [cover(d.masks.logits > threshold, d.windows, d.grid, coarsest) for d in every]
    return [
        Candidates(
            [level.masks.logits[row] for level in every],
            [level.windows[row] for level in every],
            [level.grid for level in every],
            torch.stack([level.masks.scores[row] for level in every]),
            torch.stack([level.masks.object_logits[row] for level in every]),
            overlaps(torch.cat([shares[row] for shares in covers])),
            [level.looks[row] for level in every],
        )
        for row in range(len(coords))
    ]


def _on_all_levels(
    network: PromptDecoder,
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
        step = max(1, at_once(side, coords.device) // len(numbers))
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
