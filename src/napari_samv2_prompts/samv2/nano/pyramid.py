"""Answer a click at several scales: the picture in full, and smaller copies of it.

A window of the full picture shows small things sharply and large ones not at all; in a copy as
large as a window a thing as large as the picture has the size that the network knows best.  A click
is decoded in its window on each level, all of them at once, all masks are judged by one score
(:mod:`.scale_scores`), and three that differ are offered (:mod:`.candidates`): part, whole, group.

Here: levels, and decoding on them.  Not here: which level a prompt begins with (``decode.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded

from .candidates import Candidates, cover, overlaps
from .features import NanoFeatures
from .network import PromptDecoder
from .window_decoding import at_once, without_unprompted
from .windows import STRIDE, Window, around, cut, seen_from


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
    """Decode on each level, in windows of the same side."""
    grids = [level.embedding.shape[-1] for level in levels]
    side = network.variant.window // STRIDE
    scaled = [scaled_to(coords, grids[0], grid) for grid in grids]
    windows = [
        _windows(points, labels, grid, side) for points, grid in zip(scaled, grids, strict=True)
    ]
    step = max(1, at_once(side, coords.device) // len(levels))
    parts = []
    for start in range(0, len(coords), step):
        rows = slice(start, start + step)
        features = _joined(
            [cut(level, own[rows]) for level, own in zip(levels, windows, strict=True)]
        )
        places = torch.cat(
            [
                seen_from(own[rows], points[rows])
                for points, own in zip(scaled, windows, strict=True)
            ]
        )
        kinds = labels[rows].repeat(len(levels), 1)
        masks = network.decode_prompts(features, places, kinds, None)
        kept = without_unprompted(masks.logits, places, kinds, None, threshold)
        together = (kept, masks.scores, masks.object_logits, features.descriptors)
        parts.append([tensor.unflatten(0, (len(levels), -1)) for tensor in together])
    logits, scores, objects, looks = (torch.cat(each, 1) for each in zip(*parts, strict=True))
    return [
        _Decoded(Decoded(logits[n], scores[n], objects[n]), windows[n], grids[n], looks[n])
        for n in range(len(levels))
    ]


def scaled_to(coords: Tensor, grid: int, other: int) -> Tensor:
    """Pixels of the input of a level, in pixels of another level's."""
    return (coords + 0.5) * (other / grid) - 0.5


def _windows(points: Tensor, labels: Tensor, grid: int, side: int) -> list[Window]:
    """Windows around clicks ``(P, N, 2)``; on the coarsest level it is all of it."""
    said = (labels >= 0)[..., None]
    low = points.masked_fill(~said, torch.inf).amin(1)
    high = points.masked_fill(~said, -torch.inf).amax(1)
    middles = ((low + high) / 2 / STRIDE).tolist()
    return [around(y, x, side, grid) for x, y in middles]


def _joined(parts: Sequence[NanoFeatures]) -> NanoFeatures:
    """Features of several batches as one."""
    tensors = [part.tensors() for part in parts]
    return type(parts[0])(**{n: torch.cat([each[n] for each in tensors]) for n in tensors[0]})
