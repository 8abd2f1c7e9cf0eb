"""How similar to the prompted places every cell of the image looks: two more maps to draw.

A click says "this, and what looks like it near here".  A large network finds out by attention; a
small one learns it far sooner when it is shown the similarity itself.  Masked-pooling methods of
few-shot segmentation do the same with deep features (SG-One, Zhang et al. 2020).

What similarity is measured in (descriptors) is the network's business; here are places and
distances only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.point_labels import BOX_START, NEGATIVE, POSITIVE
from napari_samv2_prompts.samv2.ops.resampling import sample_bilinear

FAR = 1e4
"""Squared distance that stands for "nothing to compare with": its similarity is 0."""

_INSIDE = ((0.0, 0.0), (-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
"""Places that a box's object most likely covers, in extents from the box's middle."""
_OUTSIDE = ((-0.6, -0.6), (0.6, -0.6), (-0.6, 0.6), (0.6, 0.6))
"""Places that it most likely does not: just beyond the corners."""


def draw_similarity(descriptors: Tensor, coords: Tensor, labels: Tensor) -> Tensor:
    """Draw ``exp(-d^2)``, d being the distance to the most alike of the prompted places.

    - `descriptors`: Tensor of shape (B, D, H, W); what every cell looks like; one image for all
      prompts (B = 1) or one each (B = P)
    - `coords`: Tensor of shape (P, N, 2); ``(x, y)`` in cells, box corners first
    - `labels`: Tensor of shape (P, N); -1 padding, 0 negative, 1 positive, 2 and 3 box corners
    - returns Tensor of shape (P, 2, H, W); similarity to positive clicks and the middle of the box,
      and to negative clicks and what lies around the box; 0 where a prompt has none of them
    """
    inside, outside = _box_places(coords, labels, _INSIDE), _box_places(coords, labels, _OUTSIDE)
    maps = [
        _nearest(descriptors, torch.cat([coords, places], 1), torch.cat([labels == kind, has], 1))
        for kind, (places, has) in ((POSITIVE, inside), (NEGATIVE, outside))
    ]
    return (-torch.stack(maps, dim=1)).exp()


def _box_places(
    coords: Tensor, labels: Tensor, offsets: tuple[tuple[float, float], ...]
) -> tuple[Tensor, Tensor]:
    """Places ``(P, R, 2)`` relative to each box, and which of them there are, ``(P, R)``."""
    table = coords.new_tensor(offsets)
    if coords.shape[1] < 2:
        return coords.new_zeros((len(coords), 0, 2)), labels.new_zeros((len(coords), 0)).bool()
    middle, extent = coords[:, :2].mean(1, keepdim=True), coords[:, 1:2] - coords[:, :1]
    has_box = (labels[:, :1] == BOX_START).expand(-1, len(table))
    return middle + table * extent, has_box


def _nearest(descriptors: Tensor, places: Tensor, chosen: Tensor) -> Tensor:
    """Squared distance of every cell to the most alike of the chosen places, ``(P, H, W)``."""
    size = descriptors.shape[2:]
    if not chosen.any():
        return places.new_full((len(places), *size), FAR)
    shared = len(descriptors) == 1
    sampled = sample_bilinear(descriptors, places.reshape(1, -1, 2) if shared else places)
    found = sampled.transpose(1, 2).reshape(*places.shape[:2], -1)
    cells = descriptors.flatten(2)
    # |a - b|^2 as a matrix product: no (places, cells, D) array is ever made.
    squares = found.square().sum(2)[..., None] + cells.square().sum(1)[:, None]
    distance = (squares - 2 * (found @ cells)).clamp_min(0)
    distance = distance.masked_fill(~chosen[..., None], FAR)
    return distance.amin(1).unflatten(1, size)
