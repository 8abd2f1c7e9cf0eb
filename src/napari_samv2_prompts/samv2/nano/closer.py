"""Look closer at small things: what a small box holds is embedded anew, from the picture enlarged.

A cell of the masks is four pixels of the input wide, so that a thing of twenty pixels is told by
five cells.  Around a small box the picture is enlarged, embedded and decoded in a window of the
usual size.

Here: what is kept of a picture for that, which prompts are small, and their windows.  Not here:
decoding (``decode.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.pixels import colour_statistics, to_unit

from .contrast import stretch_contrast
from .features import NanoFeatures
from .network import PromptDecoder
from .windows import STRIDE, extents, first_sides

TIMES = 2
"""How much larger."""
CELL = 4
"""Pixels of the input of a cell of the low-res logits."""
_AT_ONCE = 8  # windows embedded together


class Closer(NamedTuple):
    """The window of a prompt in the picture enlarged, embedded alone.

    - `.features`: of the window (B = 1)
    - `.coords`: Tensor of shape (1, N, 2); the prompt's, in pixels of the window
    - `.mask`: Tensor of shape (1, 1, h, w); the prompt's, if there is one, as the window sees it
    - `.top`, `.left`: where the window begins, in pixels of the input
    """

    features: NanoFeatures
    coords: Tensor
    mask: Tensor | None
    top: int
    left: int

    def placed(self, logits: Tensor, side: int, nothing: float) -> Tensor:
        """Put logits ``(C, h, w)`` of the window on the fine grid of an input of a side.

        It has `TIMES` as many cells along each axis as the low-res logits.
        """
        cells = TIMES * side // CELL
        whole = logits.new_full((len(logits), cells, cells), nothing)
        top, left = (TIMES * start // CELL for start in (self.top, self.left))
        whole[:, top : top + logits.shape[1], left : left + logits.shape[2]] = logits
        return whole


def kept(pixels: Tensor) -> Tensor:
    """Return what is kept of pixels ``(1, 3, S, S)``: stretched, uint8, one channel of grey ones.

    - `pixels`: normalised with ImageNet's mean and deviation
    """
    unit = to_unit(stretch_contrast(pixels)).mul_(255).round_()
    grey = float((unit[:, 1:] - unit[:, :1]).abs().amax()) <= 1  # normalising costs as much
    return (unit[:, :1] if grey else unit).to(torch.uint8)


def pooled(logits: Tensor) -> Tensor:
    """Bring logits ``(C, h, w)`` of the fine grid to the low-res one: the mean of the two highest.

    So a cell of which half is in the mask is in it, and what is thin is not lost.
    """
    cells = F.pixel_unshuffle(logits[:, None], TIMES)
    return cells.topk(2, dim=1).values.mean(1)


def small_enough(
    network: PromptDecoder,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
    side: int,
) -> list[int]:
    """Which prompts need no more than an enlarged window, if that fits in an input of a side."""
    needed = [STRIDE * each for each in first_sides(coords, labels, mask_input, side // STRIDE)]
    return [row for row, each in enumerate(needed) if each <= _part(network) <= side]


def look_closer(
    network: PromptDecoder,
    pixels: Tensor,
    coords: Tensor,
    labels: Tensor,
    mask_input: Tensor | None,
    dtype: torch.dtype,
) -> Iterator[Closer]:
    """Enlarge and embed the window around each of some prompts that fit.

    - `pixels`: Tensor of shape (1, 1 or 3, S, S); as :func:`kept` gives them
    - `coords`, `labels`, `mask_input`: as :meth:`.NanoNetwork.decode_prompts` takes them
    - `dtype`: of the features
    """
    side = _part(network)
    windows = [
        _window((x0 + x1) / 2, (y0 + y1) / 2, side, pixels.shape[-1])
        for x0, y0, x1, y1 in extents(coords, labels, mask_input)
    ]
    for first in range(0, len(windows), _AT_ONCE):
        some = windows[first : first + _AT_ONCE]
        features = network.encode_stretched(_enlarged(pixels, some, side)).to(dtype=dtype)
        for row, (top, left) in enumerate(some):
            within = coords[first + row, None] - coords.new_tensor([left, top])
            mask = None
            if mask_input is not None:
                mask = _seen_closer(mask_input[first + row, None], top, left, side)
            own = features.select(slice(row, row + 1))
            yield Closer(own, (within + 0.5) * TIMES - 0.5, mask, top, left)


def _part(network: PromptDecoder) -> int:
    """Side of what is enlarged to a window, in pixels of the input."""
    return network.variant.window // TIMES


def _window(x: float, y: float, side: int, whole: int) -> tuple[int, int]:
    """Where the window around a place begins: with a cell of the low-res logits, in the input."""
    top, left = (min(max(CELL * round((at - side / 2) / CELL), 0), whole - side) for at in (y, x))
    return top, left


def _enlarged(pixels: Tensor, windows: Sequence[tuple[int, int]], side: int) -> Tensor:
    parts = [pixels[0, :, top : top + side, left : left + side] for top, left in windows]
    unit = torch.stack(parts).float().div_(255).expand(-1, 3, -1, -1)
    larger = F.interpolate(unit, scale_factor=TIMES, mode="bilinear", align_corners=False)
    mean, deviation = colour_statistics(larger)
    return (larger - mean) / deviation


def _seen_closer(mask: Tensor, top: int, left: int, side: int) -> Tensor:
    """Low-res logits ``(1, 1, S/4, S/4)`` in the cells of a window."""
    rows, columns = (slice(start // CELL, (start + side) // CELL) for start in (top, left))
    part = mask[:, :, rows, columns]
    return F.interpolate(part, scale_factor=TIMES, mode="bilinear", align_corners=False)
