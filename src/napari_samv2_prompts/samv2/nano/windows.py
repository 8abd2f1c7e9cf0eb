"""Decode in a window around each prompt: a small model's answer is near what was prompted.

A window costs the same however large the image is, so large images can be given
whole, and many boxes take little time.  A mask of a click that reaches the window's edge may go on
beyond it: the click is decoded again in a window twice as large, until the mask has room.

Here: where windows lie, what is cut out for them, when they grow.  Not here: what is decoded
(``network.py``), which candidate is wanted (``inference``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_START, PAD, POSITIVE

from .components import drop_unprompted
from .mask_scores import with_agreement

if TYPE_CHECKING:
    from .network import NanoFeatures, NanoNetwork

__all__ = [
    "STRIDE",
    "Window",
    "WindowMasks",
    "around",
    "cut",
    "decode_in_windows",
    "first_sides",
    "without_unprompted",
]

STRIDE = 16
"""Input pixels of a cell of the embedding."""
STEP = 4
"""Sides of windows are multiples of this many cells."""
ROOM = 2.0
"""Side of a window, in extents of what is prompted."""
NEARLY_BEST = 0.1
"""A candidate whose score is this close to the best one's is worth a larger window."""
_CELLS_AT_ONCE = 2**16  # low-res cells decoded at a time on a CPU, to stay in its cache
_CELLS_AT_ONCE_GPU = 2**22


class Window(NamedTuple):
    """A square of cells of the embedding's grid."""

    top: int
    left: int
    side: int


class WindowMasks(NamedTuple):
    """All four masks of one prompt, and where they lie.

    Attributes
    ----------
    decoded : Decoded
        With one row; its logits are those of the window.
    window : Window
    """

    decoded: Decoded
    window: Window


def decode_in_windows(
    network: NanoNetwork,
    features: NanoFeatures,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
    multimask: Sequence[bool],
    threshold: float = 0.0,
) -> list[WindowMasks]:
    """Predict the masks of prompts with the same number of points, each in its window.

    Parameters
    ----------
    network : NanoNetwork
    features : NanoFeatures
        One image (B = 1).
    coords, labels, mask_input : Tensor
        As :meth:`.NanoNetwork.decode_prompts` takes them.
    multimask : sequence of bool
        Per prompt: whether masks 1 to 3 are wanted, and not the single best.
    threshold : float
        Logit above which a cell is in the mask.
    """
    grid = features.embedding.shape[-1]
    least = network.variant.window // STRIDE
    pending = dict(enumerate(_first_windows(coords, labels, mask_input, least, grid)))
    has_box = (labels == BOX_START).any(1).tolist()
    results: dict[int, WindowMasks] = {}
    while pending:
        grown: dict[int, Window] = {}
        for rows in _alike(pending, coords.device):
            windows = [pending[row] for row in rows]
            part = _part_of_prompts(windows, rows, coords, labels, mask_input)
            decoded = network.decode_prompts(cut(features, windows), *part)
            logits = without_unprompted(decoded.logits, *part, threshold)
            scores = with_agreement(decoded.scores, logits > threshold)
            decoded = decoded._replace(logits=logits, scores=scores)
            touched = _touched(decoded, windows, [multimask[row] for row in rows], grid, threshold)
            for place, (row, window) in enumerate(zip(rows, windows, strict=True)):
                if touched[place] and not has_box[row]:
                    grown[row] = around(
                        window.top + window.side / 2,
                        window.left + window.side / 2,
                        2 * window.side,
                        grid,
                    )
                else:
                    one = slice(place, place + 1)
                    results[row] = WindowMasks(
                        Decoded(*(part[one] for part in decoded[:3])), window
                    )
        pending = grown
    return [results[row] for row in range(len(coords))]


def _first_windows(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, least: int, grid: int
) -> Iterator[Window]:
    """Choose a window around all that each prompt says; its mask counts as said."""
    for x0, y0, x1, y1 in _extents(coords, labels, mask_input):
        if x0 > x1:  # nothing is prompted at all
            yield Window(0, 0, grid)
            continue
        side = max(float(least), max(x1 - x0, y1 - y0) * ROOM / STRIDE)
        yield around((y0 + y1) / 2 / STRIDE, (x0 + x1) / 2 / STRIDE, side, grid)


def first_sides(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, grid: int
) -> Iterator[float]:
    """Side, in cells, that the first window of each prompt needs; all of the grid if unsaid."""
    for x0, y0, x1, y1 in _extents(coords, labels, mask_input):
        yield max(x1 - x0, y1 - y0) * ROOM / STRIDE if x0 <= x1 else float(grid)


def _extents(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None
) -> Iterator[tuple[float, float, float, float]]:
    """Go through ``x0, y0, x1, y1`` of all that each prompt says, in input pixels."""
    missing = (labels == PAD)[..., None]
    none = coords.new_full((len(coords), 1, 2), torch.inf)  # there may be no point at all
    low = torch.cat([coords.masked_fill(missing, torch.inf), none], 1).amin(1)
    high = torch.cat([coords.masked_fill(missing, -torch.inf), -none], 1).amax(1)
    for row, ((x0, y0), (x1, y1)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        extent = (x0, y0, x1, y1)
        yield extent if mask_input is None else _with_mask(extent, mask_input[row, 0])


def _with_mask(
    extent: tuple[float, float, float, float], logits: Tensor
) -> tuple[float, float, float, float]:
    """Enlarge ``x0, y0, x1, y1`` in input pixels by what a mask prompt covers."""
    inside = logits > 0
    rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
    if not len(rows):
        return extent
    x0, y0, x1, y1 = extent
    cell = STRIDE // 4
    return (
        min(x0, int(columns[0]) * cell),
        min(y0, int(rows[0]) * cell),
        max(x1, int(columns[-1]) * cell + cell),
        max(y1, int(rows[-1]) * cell + cell),
    )


def around(row: float, column: float, side: float, grid: int) -> Window:
    """Return the window of at least a side around a place, as far as the grid allows."""
    cells = min(-int(-side // STEP) * STEP, grid)
    top, left = (min(max(round(at - cells / 2), 0), grid - cells) for at in (row, column))
    return Window(top, left, cells)


def _alike(pending: dict[int, Window], device: torch.device) -> Iterator[list[int]]:
    """Go through rows whose windows have the same side, as many as are decoded at a time."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, window in pending.items():
        groups[window.side].append(row)
    cells = _CELLS_AT_ONCE if device.type == "cpu" else _CELLS_AT_ONCE_GPU
    for side, rows in groups.items():
        chunk = max(1, cells // (4 * side) ** 2)
        yield from (rows[start : start + chunk] for start in range(0, len(rows), chunk))


def _part_of_prompts(
    windows: list[Window],
    rows: list[int],
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return some prompts' coordinates, labels and masks as their windows see them."""
    corners = coords.new_tensor([(window.left, window.top) for window in windows]) * STRIDE
    masks = None
    if mask_input is not None:
        parts = [_part(mask_input[row], w, 4) for row, w in zip(rows, windows, strict=True)]
        masks = torch.stack(parts)
    return coords[rows] - corners[:, None], labels[rows], masks


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


def _part(maps: Tensor, window: Window, scale: int) -> Tensor:
    """The window's part of a map ``(C, H, W)`` with ``scale`` x ``scale`` cells per cell."""
    top, left, side = (scale * number for number in window)
    return maps[:, top : top + side, left : left + side]


def cut(features: NanoFeatures, windows: list[Window]) -> NanoFeatures:
    """Return the features of the windows, one row each."""
    grid = features.embedding.shape[-1]

    def cells(maps: Tensor) -> Tensor:
        whole = maps[0].unflatten(0, (grid, grid))
        parts = [whole[w.top : w.top + w.side, w.left : w.left + w.side] for w in windows]
        return torch.stack(parts).flatten(1, 2)

    return replace(
        features,
        embedding=torch.stack([_part(features.embedding[0], w, 1) for w in windows]),
        high_res_4=cells(features.high_res_4),
        high_res_8=cells(features.high_res_8),
        descriptors=torch.stack([_part(features.descriptors[0], w, 4) for w in windows]),
    )


def _touched(
    decoded: Decoded,
    windows: list[Window],
    multimask: Sequence[bool],
    grid: int,
    threshold: float,
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
        edges = (
            (window.top > 0, inside[:, 0]),
            (window.left > 0, inside[:, :, 0]),
            (window.top + window.side < grid, inside[:, -1]),
            (window.left + window.side < grid, inside[:, :, -1]),
        )
        found.append(any(more and bool(cells.any()) for more, cells in edges))
    return found
