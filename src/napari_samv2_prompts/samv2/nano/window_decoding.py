"""Decode in a window around each prompt: a small model's answer is near what was prompted.

A window costs the same however large the image is, so large images can be given
whole, and many boxes take little time.  A mask of a click that reaches the window's edge may go on
beyond it: the click is decoded again in a window twice as large, until the mask has room.

Not here: where windows lie (``windows.py``), what is decoded (``network.py``), which candidate is
wanted (``inference``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_START, POSITIVE

from .components import drop_unprompted
from .features import NanoFeatures
from .mask_scores import with_agreement
from .network import PromptDecoder
from .windows import STRIDE, Window, cut, first_windows, part_of_prompts

NEARLY_BEST = 0.1
"""A candidate whose score is this close to the best one's is worth a larger window."""
_CELLS_AT_ONCE = 2**16  # low-res cells decoded at a time on a CPU, to stay in its cache
_CELLS_AT_ONCE_GPU = 2**22


class WindowMasks(NamedTuple):
    """All four masks of one prompt, and where they lie.

    - `.decoded`: with one row; its logits are those of the window
    """

    decoded: Decoded
    window: Window


def decode_in_windows(
    network: PromptDecoder,
    features: NanoFeatures,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
    multimask: Sequence[bool],
    threshold: float = 0.0,
) -> list[WindowMasks]:
    """Predict the masks of prompts with the same number of points, each in its window.

    - `features`: one image (B = 1)
    - `coords`, `labels`, `mask_input`: as :meth:`.NanoNetwork.decode_prompts` takes them
    - `multimask`: per prompt: whether masks 1 to 3 are wanted, and not the single best
    - `threshold`: logit above which a cell is in the mask
    """
    grid = features.embedding.shape[-1]
    least = network.variant.window // STRIDE
    pending = dict(enumerate(first_windows(coords, labels, mask_input, least, grid)))
    has_box = (labels == BOX_START).any(1).tolist()
    results: dict[int, WindowMasks] = {}
    while pending:
        grown: dict[int, Window] = {}
        for rows in alike(pending, coords.device):
            windows = [pending[row] for row in rows]
            part = part_of_prompts(windows, rows, coords, labels, mask_input)
            decoded = network.decode_prompts(cut(features, windows), *part)
            logits = without_unprompted(decoded.logits, *part, threshold)
            scores = with_agreement(decoded.scores, logits > threshold)
            decoded = decoded._replace(logits=logits, scores=scores)
            touched = _touched(decoded, windows, [multimask[row] for row in rows], grid, threshold)
            for place, (row, window) in enumerate(zip(rows, windows, strict=True)):
                if touched[place] and not has_box[row]:
                    grown[row] = window.twice(grid)
                else:
                    own = (part[place : place + 1] for part in decoded[:3])
                    results[row] = WindowMasks(Decoded(*own), window)
        pending = grown
    return [results[row] for row in range(len(coords))]


def at_once(side: int, device: torch.device) -> int:
    """How many windows of a side, in cells, are decoded together."""
    cells = _CELLS_AT_ONCE if device.type == "cpu" else _CELLS_AT_ONCE_GPU
    return max(1, cells // (4 * side) ** 2)


def alike(pending: dict[int, Window], device: torch.device) -> Iterator[list[int]]:
    """Go through rows whose windows have the same side, as many as are decoded at a time."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, window in pending.items():
        groups[window.side].append(row)
    for side, rows in groups.items():
        chunk = at_once(side, device)
        yield from (rows[start : start + chunk] for start in range(0, len(rows), chunk))


def without_unprompted(
    logits: Tensor, coords: Tensor, labels: Tensor, masks: Tensor | None, threshold: float
) -> Tensor:
    """Drop the unprompted components of all masks ``(P, 4, h, w)``."""
    cells = ((coords + 0.5) / 4 - 0.5).cpu().numpy()
    kinds, results = labels.cpu().numpy(), logits.float().cpu().numpy().copy()
    for row, masks_of_one in enumerate(results):
        before = None if masks is None else masks[row, 0].cpu().numpy()
        clicks, box = cells[row][kinds[row] == POSITIVE], bool((kinds[row] == BOX_START).any())
        for one in masks_of_one:
            one[:] = drop_unprompted(one, clicks, before, largest=box, threshold=threshold)
    return torch.from_numpy(results).to(logits.device)


def _touched(
    decoded: Decoded, windows: list[Window], multimask: Sequence[bool], grid: int, threshold: float
) -> list[bool]:
    """Tell whose masks reach an edge of their window beyond which there is more of the image."""
    single = decoded if all(multimask) else choose_single(decoded)
    found = []
    for row, (window, multi) in enumerate(zip(windows, multimask, strict=True)):
        if multi:
            scores = decoded.scores[row, 1:]
            inside = decoded.logits[row, 1:][scores >= scores.max() - NEARLY_BEST] > threshold
        else:
            inside = single.logits[row] > threshold
        found.append(any(bool(cells.any()) for cells in window.cut_edges(inside, grid)))
    return found
