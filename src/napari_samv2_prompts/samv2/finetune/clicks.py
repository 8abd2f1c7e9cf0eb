"""Simulated users: boxes and clicks derived from a true mask, shared by training and evaluation.

Coordinates are (x, y) in pixels of the mask's grid, a pixel's index being its centre. Labels are
the model's: 0 negative, 1 positive, 2 and 3 the corners of a box.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.mask_crops import cropped
from napari_samv2_prompts.samv2.modeling.point_labels import NEGATIVE, POSITIVE

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]


def mask_box(mask: Bool) -> Float:
    """Return the tight box (x0, y0, x1, y1) of a mask that is not empty; corners are pixels."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([xs[0], ys[0], xs[-1], ys[-1]], np.float32)


def jitter_box(rng: np.random.Generator, box: Float, amount: float, limit: float) -> Float:
    """Move each side by a normal draw, ``amount`` of the extent wide, ``limit`` pixels at most."""
    extent = np.array([box[2] - box[0], box[3] - box[1]] * 2, np.float32) + 1
    shift = np.clip(rng.standard_normal(4) * amount * extent, -limit, limit)
    moved = (box + shift).astype(np.float32)
    low, high = np.minimum(moved[:2], moved[2:]), np.maximum(moved[:2], moved[2:])
    return np.concatenate([low, high])


def centre(mask: Bool) -> tuple[float, float, float]:
    """The pixel of a mask farthest from its outside: (x, y, distance in pixels).

    The mask's border counts as outside. Of several equal ones it is the one nearest to their mean,
    so that the centre of a symmetric mask is its middle.
    """
    crop = cropped(mask)
    distance = ndimage.distance_transform_edt(np.pad(crop.mask, 1))[1:-1, 1:-1]
    ys, xs = np.nonzero(distance >= distance.max() - 1e-6)
    nearest = np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2)
    x, y = xs[nearest] + crop.left, ys[nearest] + crop.top
    return float(x), float(y), float(distance.max())


def random_pixel(rng: np.random.Generator, mask: Bool) -> tuple[float, float]:
    """Any pixel (x, y) of a mask, all equally likely."""
    flat = np.flatnonzero(mask)
    y, x = divmod(int(flat[rng.integers(flat.size)]), mask.shape[1])
    return float(x), float(y)


def largest_region(mask: Bool) -> Bool:
    """The largest 8-connected region of a mask."""
    regions, count = ndimage.label(mask, np.ones((3, 3)))
    if count < 2:
        return mask
    return regions == 1 + int(np.argmax(np.bincount(regions.ravel())[1:]))


def corrective_click(predicted: Bool, true: Bool) -> tuple[float, float, int]:
    """The click an evaluation makes: the centre of the largest region where the two masks differ.

    - returns `x`, `y`
    - returns `label`: `POSITIVE` where the region was missed, `NEGATIVE` where it was added. Equal
      masks give a positive click at the centre of the object.
    """
    wrong = predicted ^ true
    if not wrong.any():
        return (*centre(true)[:2], POSITIVE)
    crop = cropped(wrong)
    parts = (true & ~predicted, predicted & ~true)
    missed, added = (largest_region(part[crop.slices]) for part in parts)
    region, label = (missed, POSITIVE) if missed.sum() >= added.sum() else (added, NEGATIVE)
    x, y, _distance = centre(region)
    return x + crop.left, y + crop.top, label


def training_click(
    rng: np.random.Generator, predicted: Bool, true: Bool
) -> tuple[float, float, int]:
    """The click training makes: a random pixel of the error, or now and then the error's centre.

    Sampling at random where SAM 2's paper does (section D.2.2) teaches that clicks need not be
    central.
    """
    missed, added = true & ~predicted, predicted & ~true
    n_missed, n_added = int(missed.sum()), int(added.sum())
    if n_missed + n_added == 0:
        return (
            *(random_pixel(rng, true) if true.any() else random_pixel(rng, ~true)),
            int(true.any()),
        )
    label = POSITIVE if rng.random() < n_missed / (n_missed + n_added) else NEGATIVE
    region = missed if label == POSITIVE else added
    if rng.random() < 0.6:
        return (*centre(region)[:2], label)
    return (*random_pixel(rng, region), label)
