"""Where the windows around prompts lie, and what of an image and of prompts is in them.

Not here: decoding in them, and when they grow (``window_decoding.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.point_labels import PAD

from .features import NanoFeatures

STRIDE = 16
"""Input pixels of a cell of the embedding."""
STEP = 4
"""Sides of windows are multiples of this many cells."""
ROOM = 2.0
"""Side of a window, in extents of what is prompted."""


class Window(NamedTuple):
    """A square of cells of the embedding's grid."""

    top: int
    left: int
    side: int

    def slices(self, scale: int = 1) -> tuple[slice, slice]:
        """Return its rows and columns in a map with ``scale`` x ``scale`` cells per cell."""
        top, left, side = (scale * number for number in self)
        return slice(top, top + side), slice(left, left + side)

    def twice(self, grid: int) -> Window:
        """Return a window twice as large around the same middle, as far as the grid allows."""
        half = self.side / 2
        return around(self.top + half, self.left + half, 2 * self.side, grid)

    def cut_edges(self, masks: Tensor, grid: int) -> list[Tensor]:
        """Return the edges of its masks ``(C, h, w)`` beyond which there is more of the image."""
        edges = (
            (self.top > 0, masks[:, 0]),
            (self.left > 0, masks[:, :, 0]),
            (self.top + self.side < grid, masks[:, -1]),
            (self.left + self.side < grid, masks[:, :, -1]),
        )
        return [cells for more, cells in edges if more]


def first_windows(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, least: int, grid: int
) -> Iterator[Window]:
    """Choose a window around all that each prompt says; its mask counts as said."""
    for x0, y0, x1, y1 in extents(coords, labels, mask_input):
        if x0 > x1:  # nothing is prompted at all
            yield Window(0, 0, grid)
            continue
        side = max(float(least), max(x1 - x0, y1 - y0) * ROOM / STRIDE)
        yield around((y0 + y1) / 2 / STRIDE, (x0 + x1) / 2 / STRIDE, side, grid)


def first_sides(
    coords: Tensor, labels: Tensor, mask_input: Tensor | None, grid: int
) -> Iterator[float]:
    """Side, in cells, that the first window of each prompt needs; all of the grid if unsaid."""
    for x0, y0, x1, y1 in extents(coords, labels, mask_input):
        yield max(x1 - x0, y1 - y0) * ROOM / STRIDE if x0 <= x1 else float(grid)


def extents(
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


def seen_from(windows: list[Window], coords: Tensor) -> Tensor:
    """Return points ``(P, N, 2)`` of the image in pixels of their windows."""
    corners = coords.new_tensor([(window.left, window.top) for window in windows]) * STRIDE
    return coords - corners[:, None]


def part_of_prompts(
    windows: list[Window],
    rows: list[int],
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return some prompts' coordinates, labels and masks as their windows see them."""
    masks = None
    if mask_input is not None:
        pairs = zip(rows, windows, strict=True)
        masks = torch.stack([mask_input[row][:, *window.slices(4)] for row, window in pairs])
    return seen_from(windows, coords[rows]), labels[rows], masks


def cut(features: NanoFeatures, windows: list[Window]) -> NanoFeatures:
    """Return the features of the windows, one row each."""
    grid = features.embedding.shape[-1]

    def cells(maps: Tensor) -> Tensor:
        whole = maps[0].unflatten(0, (grid, grid))
        return torch.stack([whole[window.slices()] for window in windows]).flatten(1, 2)

    return replace(
        features,
        embedding=torch.stack([features.embedding[0][:, *w.slices()] for w in windows]),
        high_res_4=cells(features.high_res_4),
        high_res_8=cells(features.high_res_8),
        descriptors=torch.stack([features.descriptors[0][:, *w.slices(4)] for w in windows]),
    )
