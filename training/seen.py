"""What is seen of prompts: the masks that the model could answer with, and how good each is.

Clicks have candidates on all scales, boxes four masks at several thresholds.  Not here: what is
fitted to it (`judges.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.samv2.finetune import clicks
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_END, BOX_START
from napari_samv2_prompts.samv2.nano.box_blend import SHIFTS
from napari_samv2_prompts.samv2.nano.candidates import on_grid, placed, to_finest
from napari_samv2_prompts.samv2.nano.closer import look_closer, small_enough
from napari_samv2_prompts.samv2.nano.decode import first_levels, seen_of_boxes
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork
from napari_samv2_prompts.samv2.nano.pyramid import candidates_of_clicks, scaled_to
from napari_samv2_prompts.samv2.nano.scale_scores import measures
from napari_samv2_prompts.samv2.nano.window_decoding import decode_in_windows
from napari_samv2_prompts.samv2.nano.windows import STRIDE
from training.annotated import Annotated
from training.evaluate import crop_iou

ROUGH = 0.1
"""Deviation by which the sides of rough boxes are moved at most, in extents of the box."""
NOTHING = -32.0

Bool = NDArray[np.bool_]


class Seen(NamedTuple):
    """One prompt: its picture and the kind, measures of its masks ``(N, M)``, IoU ``(N,)``."""

    kind: str
    picture: str
    measures: Tensor
    iou: Tensor


class Shown(NamedTuple):
    """A picture, embedded on all levels, the masks of objects in it to prompt, and its pixels."""

    network: NanoNetwork
    levels: Sequence[NanoFeatures]
    picture: Annotated
    masks: Sequence[Bool]
    pixels: Tensor | None


Look = Callable[[Shown, np.random.Generator], Iterator[Seen]]


def of_clicks(shown: Shown, rng: np.random.Generator) -> Iterator[Seen]:
    """Click the objects of a picture, two thirds of them in their middle."""
    network, levels, picture, masks, _ = shown
    points = [
        clicks.centre(mask)[:2] if rng.random() < 0.65 else clicks.random_pixel(rng, mask)
        for mask in masks
    ]
    coords = torch.tensor(points)[:, None] * _scale(levels[0], masks[0])
    labels = torch.ones(len(masks), 1, dtype=torch.long)
    every = candidates_of_clicks(network, levels, coords, labels, 0.0)
    for found, mask in zip(every, masks, strict=True):
        crops = [_crop(placed(found, n, NOTHING), mask) for n in range(len(found.alike))]
        ious = torch.tensor([crop_iou(crop, mask) for crop in crops])
        yield Seen(picture.kind, picture.name, measures(found), ious)


def of_boxes(shown: Shown, rng: np.random.Generator) -> Iterator[Seen]:
    """Draw an exact and a rough box around each object of a picture."""
    network, levels, picture, masks, pixels = shown
    grids = [level.embedding.shape[-1] for level in levels]
    side = STRIDE * grids[0]
    labels = torch.tensor([[BOX_START, BOX_END]])
    for mask in masks:
        exact = clicks.mask_box(mask)
        for box in (exact, clicks.jitter_box(rng, exact, float(rng.uniform(0, ROUGH)), 20.0)):
            coords = torch.from_numpy(box).view(1, 2, 2) * _scale(levels[0], mask)
            closer = None
            if pixels is not None and small_enough(network, coords, labels, None, side):
                (closer,) = look_closer(network, pixels, coords, labels, None, torch.float32)
                level, coords, grid = (
                    closer.features,
                    closer.coords,
                    network.variant.window // STRIDE,
                )
            else:
                (number,) = first_levels(network, levels, coords, labels, None)
                level, grid = levels[number], grids[number]
                coords = scaled_to(coords, grids[0], grid)
            (found,) = decode_in_windows(network, level, coords, labels, None, [False])
            logits = on_grid(found.decoded.logits[0], found.window, grid, NOTHING)
            whole = (
                to_finest(logits, grids[0])
                if closer is None
                else closer.placed(logits, side, NOTHING)
            )
            crops = [_crop(each - shift, mask) for each in whole for shift in SHIFTS]
            ious = torch.tensor([crop_iou(crop, mask) for crop in crops])
            yield Seen(
                picture.kind,
                picture.name,
                seen_of_boxes(level, [found], coords, labels, 0.0)[0],
                ious,
            )


def _scale(level: NanoFeatures, mask: Bool) -> Tensor:
    """Pixels of the input for each pixel of the picture, along x and y."""
    side = STRIDE * level.embedding.shape[-1]
    return torch.tensor([side / mask.shape[1], side / mask.shape[0]])


def _crop(logits: Tensor, mask: Bool) -> MaskCrop:
    return crop_mask(logits.numpy(), (mask.shape[0], mask.shape[1]))
