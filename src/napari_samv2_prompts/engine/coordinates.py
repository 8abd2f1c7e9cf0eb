"""Between the plane and the part of it that was embedded: prompts go in, masks come out.

Everywhere else in this package prompts and masks are in pixels of the plane; only the predictor
counts from the corner of its picture.  Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.mask_crops import Crops, MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks, Prompt, PromptBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.images import ImageView
    from napari_samv2_prompts.regions import Extent


# Logit of what a mask prompt does not cover: surely no object.
OUTSIDE = -10.0
# Each cell of a mask that is fitted to another grid is the mean of this many samples a side.
SAMPLES = 4


def extent_of(prompt: Prompt) -> Extent | None:
    """Return what a prompt reaches over on the plane; None if it says nothing of places."""
    corners = [prompt.points]
    corners += [np.reshape(box, (2, 2)) for box in (prompt.box, prompt.mask_box) if box]
    every = np.concatenate(corners)
    if not len(every):
        return None
    (x0, y0), (x1, y1) = every.min(axis=0), every.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def held_by(view: ImageView, prompts: Iterable[Prompt]) -> list[Prompt]:
    """Return the prompts that can be answered in a view."""
    extents = ((prompt, extent_of(prompt)) for prompt in prompts)
    return [prompt for prompt, extent in extents if extent is None or view.holds(extent)]


def view_holding(view: ImageView, prompt: Prompt) -> ImageView:
    """Return a view of the same picture in which a prompt can be answered."""
    extent = extent_of(prompt)
    return view if extent is None else view.holding(extent)


def in_view(prompt: Prompt, view: ImageView, side: int) -> Prompt:
    """Return a prompt of the plane in pixels of a view, its mask fitted to the model's logits.

    - `view`: it holds the prompt
    - `side`: of the model's low-res logits
    """
    left, top = view.region.left, view.region.top
    box = prompt.box
    if box is not None:
        box = box[0] - left, box[1] - top, box[2] - left, box[3] - top
    mask = prompt.mask
    if mask is not None:
        covered = prompt.mask_box or _edges_of(view.shape)
        mask = _fitted(mask, covered, view.region.extent, side)
    points = prompt.points - (left, top)
    return replace(prompt, points=points, box=box, mask=mask, mask_box=None)


def on_whole_plane(batch: PromptBatch, shape: tuple[int, int], side: int) -> PromptBatch:
    """Return prompts as a predictor takes them that embedded all of a plane: so do their masks.

    - `shape`: height and width of the plane
    - `side`: of the model's low-res logits
    """
    edges = _edges_of(shape)
    return PromptBatch(
        tuple(
            prompt
            if prompt.mask is None
            else replace(
                prompt,
                mask=_fitted(prompt.mask, prompt.mask_box or edges, edges, side),
                mask_box=None,
            )
            for prompt in batch
        )
    )


def _edges_of(shape: tuple[int, int]) -> Extent:
    return -0.5, -0.5, shape[1] - 0.5, shape[0] - 0.5


def _fitted(
    mask: NDArray[np.float32], source: Extent, target: Extent, side: int
) -> NDArray[np.float32] | None:
    """Bring logits that cover one extent to a square that covers another, by means of cells.

    Returns None where all of the object got lost: it is smaller than a cell, or elsewhere.
    """
    if source == target and mask.shape == (side, side):
        return mask
    n = side * SAMPLES
    spots, inside = [], []
    for axis, length in ((1, mask.shape[0]), (0, mask.shape[1])):
        place = target[axis] + (np.arange(n) + 0.5) / n * (target[axis + 2] - target[axis])
        scale = length / (source[axis + 2] - source[axis])
        index = np.floor((place - source[axis]) * scale).astype(np.intp)
        inside.append((index >= 0) & (index < length))
        spots.append(index.clip(0, length - 1))
    samples = np.where(np.logical_and.outer(*inside), mask[np.ix_(*spots)], OUTSIDE)
    fitted = samples.reshape(side, SAMPLES, side, SAMPLES).mean(axis=(1, 3))
    lost = bool((mask > 0).any()) and not bool((fitted > 0).any())
    return None if lost else fitted.astype(np.float32)


def on_plane(masks: Masks, view: ImageView) -> Masks:
    """Return masks of a view in pixels of the plane."""
    return Masks(tuple(_moved(item, view) for item in masks), view.shape)


def _moved(item: ItemMasks, view: ImageView) -> ItemMasks:
    top, left = view.region.top, view.region.left

    def moved(candidate: int) -> MaskCrop:
        crop = item.crops[candidate]
        return crop.moved(top, left) if crop.mask.size else crop

    return replace(item, crops=Crops(partial(moved, n) for n in range(len(item.crops))))


def is_cut(crop: MaskCrop, view: ImageView) -> bool:
    """Tell whether a mask on the plane ends where its view does, though the plane goes on."""
    return crop.mask.size > 0 and view.region.cuts(crop.box, view.shape)
