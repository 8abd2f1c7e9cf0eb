"""What a user could begin with, or a neighbouring section hand over: clicks, a box, a mask.

Not here: which objects are asked for (``data.py``), what is said after the first answer (the
package's ``samv2/finetune/``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samv2_prompts.samv2.finetune import clicks

N_CLICKS = 3
MASK_PROMPT_LOGIT = 8.0
"""What a rough mask is fed in with: sure, but not beyond correction."""


@dataclass(frozen=True)
class Picked:
    """An object to ask for: its mask, pixels of it beyond the edges, and its mask a section before.

    An empty mask stands for a click on background, or for an object that is gone.
    """

    mask: NDArray[np.bool_]
    hidden: float
    before: NDArray[np.bool_] | None


def neighbouring(
    rng: np.random.Generator,
    picked: Picked,
    others: NDArray[np.bool_],
    place: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """The object's mask in a neighbouring section: the true one, or the object moved and changed.

    For what is gone, the mask of another of the objects is moved to the place (x, y).
    """
    if picked.before is not None and picked.before.sum() > 8:
        return picked.before
    mask = picked.mask
    if not mask.any():
        filled = [other for other in others if other.any()]
        if not filled:
            mask = np.zeros_like(mask)
            mask[tuple(np.round(place[::-1]).astype(int))] = True
            return ndimage.binary_dilation(mask, iterations=5)
        other = filled[int(rng.integers(len(filled)))]
        shift = place[::-1] - np.array(ndimage.center_of_mass(other))
        moved = np.asarray(ndimage.shift(other.astype(np.uint8), shift, order=0)) > 0
        return moved if moved.sum() > 8 else other
    ys, xs = np.nonzero(mask)
    middle = np.array([ys.mean(), xs.mean()])
    radius = np.sqrt(mask.sum() / np.pi)
    angle, grown = rng.normal(0, 0.15), np.exp(rng.normal(0, 0.12, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn / grown
    shift = rng.normal(0, 0.18, 2) * radius
    offset = middle - matrix @ (middle + shift)
    moved = ndimage.affine_transform(mask.astype(np.uint8), matrix, offset, order=0) > 0
    return np.asarray(moved) if moved.sum() > 8 else mask


def prompts_of_section(
    rng: np.random.Generator, mask: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """What a neighbouring section hands over: its logits, its box, a click in its middle."""
    quarter = mask.reshape(mask.shape[0] // 4, 4, mask.shape[1] // 4, 4).mean((1, 3))
    smooth = ndimage.gaussian_filter(quarter, rng.uniform(0.2, 0.8))
    logits = (2 * smooth - 1) * rng.uniform(6, 16)
    return {
        "before": logits[None].astype(np.float32),
        "before_box": clicks.mask_box(mask).reshape(2, 2),
        "before_click": np.array([clicks.centre(mask)[:2]], np.float32),
    }


def first_prompts(
    rng: np.random.Generator,
    mask: NDArray[np.bool_],
    background: NDArray[np.bool_],
    tight: float = 0.0,
) -> dict[str, NDArray[np.float32]]:
    """What a user could begin with: clicks (the first of them is enough), a box, a rough mask.

    Returns
    -------
    dict
        ``clicks`` (3, 2) and ``box`` (2, 2) float32 in pixels of the mask; ``mask`` (1, S/4, S/4)
        float32 logits. Of an empty mask: clicks on the background, a box around one of them, zeros.
    """
    size = mask.shape[0]
    if not mask.any():
        points = [clicks.random_pixel(rng, background) for _ in range(N_CLICKS)]
        half = rng.uniform(4, size / 8, 2)
        box = np.array([points[0] - half, points[0] + half], np.float32)
        rough = np.zeros((size // 4, size // 4), np.float32)
    else:
        points = [clicks.random_pixel(rng, mask) for _ in range(N_CLICKS)]
        if rng.random() < 0.65:
            points[0] = clicks.centre(mask)[:2]
        loose = rng.uniform(0, 0.1) if not tight or rng.random() >= tight else 0.0
        box = clicks.jitter_box(rng, clicks.mask_box(mask), loose, 20.0).reshape(2, 2)
        rough = rough_logits(rng, mask)
    return {"clicks": np.array(points, np.float32), "box": box, "mask": rough[None]}


def rough_logits(rng: np.random.Generator, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Logits of a roughly drawn outline (shifted, grown, shrunk) at a quarter of the size."""
    quarter = mask.reshape(mask.shape[0] // 4, 4, mask.shape[1] // 4, 4).mean((1, 3))
    shifted = np.roll(quarter, rng.integers(-1, 2, 2), (0, 1))
    rough = ndimage.gaussian_filter(shifted, rng.uniform(0.3, 1.0)) > rng.uniform(0.3, 0.7)
    return np.where(rough, MASK_PROMPT_LOGIT, -MASK_PROMPT_LOGIT).astype(np.float32)
