"""From low-res logits to masks at image resolution on a GPU, where both are large or many.

A CPU looks for outlines and interpolates nothing else (``enlarge``); a GPU has interpolated all
of a mask's box before it could be told where outlines are, and hands over the answer alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from napari_samv2_prompts.prompts import MaskCrop

from .enlarge import Taps, covered, taps_between


def crop_mask_on_gpu(logits: Tensor, size: tuple[int, int], threshold: float = 0.0) -> MaskCrop:
    """Enlarge and threshold one mask on its device, cut to its bounding box.

    - `logits`: Tensor of shape (h, w), float32
    - `size`: ``(height, width)`` of the image
    """
    nothing = MaskCrop(0, 0, np.zeros((0, 0), dtype=bool))
    reached = []
    for inside, target in zip(_occupied(logits > threshold), size, strict=True):
        taps = taps_between(len(inside), target)
        reached.append((taps, covered(taps, inside)))
    if any(part.start == part.stop for _, part in reached):
        return nothing
    enlarged = logits
    for axis in (1, 0):
        taps, part = reached[axis]
        enlarged = _along(enlarged, axis, taps.part(part))
    mask = enlarged > threshold
    found = [np.flatnonzero(inside) for inside in _occupied(mask)]
    if not found[0].size:
        return nothing
    (top, bottom), (left, right) = ((int(at[0]), int(at[-1]) + 1) for at in found)
    cut = mask[top:bottom, left:right].contiguous().cpu().numpy()
    return MaskCrop(reached[0][1].start + top, reached[1][1].start + left, cut)


def _occupied(mask: Tensor) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Tell which rows and which columns of a mask are not empty, waiting for the GPU once."""
    both = torch.cat([mask.any(dim=1), mask.any(dim=0)]).cpu().numpy()
    return [both[: len(mask)], both[len(mask) :]]


def _along(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """Interpolate linearly along an axis."""
    low, high = (
        x.index_select(axis, torch.from_numpy(places).to(x.device))
        for places in (taps.low, taps.high)
    )
    weight = torch.from_numpy(taps.weight).to(x.device)
    return torch.lerp(low, high, weight[:, None] if axis == 0 else weight)
