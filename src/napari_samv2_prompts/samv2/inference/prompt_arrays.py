"""The published predictor's arrays: its arguments as prompts, checked, and masks in its shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.prompts import Prompt

from .enlarge import upsample
from .low_res import LOGIT_LIMIT, LowResMasks

Arrays = tuple[NDArray[np.generic], NDArray[np.float32], NDArray[np.float32]]
"""Masks, scores, low-res logits."""

Array = NDArray[np.float64]


def _batched(name: str, value: ArrayLike | None, item_ndim: int) -> Array | None:
    """Give an array its batch axis where it has none."""
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == item_ndim:
        array = array[None]
    if array.ndim != item_ndim + 1:
        raise ValueError(
            f"{name} must have {item_ndim} axes, or {item_ndim + 1} with a batch axis first, "
            f"not {array.ndim} (its shape is {array.shape})."
        )
    return array


def prompts_from_arrays(
    point_coords: ArrayLike | None,
    point_labels: ArrayLike | None,
    box: ArrayLike | None,
    mask_input: ArrayLike | None,
    unit: tuple[int, int] | None = None,
) -> tuple[Prompt, ...]:
    """Read the arguments of the published ``predict``.

    - `point_coords`, `point_labels`, `box`, `mask_input`: as in
      :meth:`.SAMV2ImagePredictor.predict`
    - `unit`: ``(width, height)`` to multiply coordinates in [0, 1] by
    - returns prompts numbered from 0.  Without any argument, one prompt that says nothing.
    - raises ValueError if shapes, counts or values are wrong
    """
    points = _batched("point_coords", point_coords, 2)
    labels = _batched("point_labels", point_labels, 1)
    boxes = _batched("box", box, 1)
    masks = _batched("mask_input", mask_input, 3)
    if (points is None) != (labels is None):
        raise ValueError(
            "Give point_coords and point_labels together: a label 1 or 0 for each point."
        )
    counts = {
        name: len(array)
        for name, array in (
            ("point_coords", points),
            ("point_labels", labels),
            ("box", boxes),
            ("mask_input", masks),
        )
        if array is not None
    }
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ValueError(f"The prompts are of different numbers of objects: {said}.")
    size = next(iter(counts.values()), 1)
    if size == 0:
        raise ValueError("The batch of prompts is empty.")
    if unit is not None:
        points = None if points is None else points * unit
        boxes = None if boxes is None else boxes * (unit * 2)
    columns = {"points": points, "labels": labels, "box": boxes, "mask": masks}
    given = {name: array for name, array in columns.items() if array is not None}
    return tuple(
        Prompt.of(row, **{name: array[row] for name, array in given.items()}) for row in range(size)
    )


def arrays_from_masks(
    decoded: Sequence[LowResMasks], size: tuple[int, int], threshold: float, *, return_logits: bool
) -> Arrays:
    """Stack masks in the published shapes; see :meth:`.SAMV2ImagePredictor.predict`."""
    shape = (len(decoded), len(decoded[0].logits), *size)
    masks: NDArray[np.generic] = np.zeros(shape, dtype=np.float32 if return_logits else bool)
    for row, item in enumerate(decoded):
        if return_logits:
            masks[row] = [upsample(logits, size) for logits in item.for_masks]
            continue
        for candidate in range(len(item.logits)):
            crop = item.crop(candidate, size, threshold)
            masks[row, candidate][crop.slices] = crop.mask
    scores = np.stack([item.scores for item in decoded])
    low_res = np.stack([item.logits for item in decoded]).clip(-LOGIT_LIMIT, LOGIT_LIMIT)
    if len(decoded) == 1:
        return masks[0], scores[0], low_res[0]
    return masks, scores, low_res


def check_masks(prompts: Sequence[Prompt], side: int) -> None:
    """Refuse mask prompts that the network cannot take.

    Raises ValueError if a mask prompt is not of the size of the low-res logits, or covers a part of
    the image only.
    """
    for prompt in prompts:
        if prompt.mask_box is not None:
            raise ValueError("A mask prompt must cover the whole image that was embedded.")
        if prompt.mask is not None and prompt.mask.shape != (side, side):
            raise ValueError(
                f"A mask prompt must have the size of this model's low-res logits, {side} x "
                f"{side}, not {prompt.mask.shape}: pass logits that predict returned."
            )


def check_places(prompts: Sequence[Prompt], image_size: tuple[int, int]) -> None:
    """Refuse prompts that lie beside the image.

    The published predictor gives some answer.  A person who draws is better served by a sentence.

    Raises ValueError if a click lies outside the image, or a box has no part in it.
    """
    height, width = image_size
    for prompt in prompts:
        # Half a pixel beyond the last centre is still on the image; one more for rounding.
        x, y = prompt.points[:, 0], prompt.points[:, 1]
        outside = (x < -1) | (y < -1) | (x > width) | (y > height)
        if outside.any():
            x0, y0 = prompt.points[np.flatnonzero(outside)[0]]
            raise ValueError(
                f"The point ({x0:g}, {y0:g}) lies outside the image of {width} x {height} pixels; "
                "points are (x, y), with x counting columns."
            )
        if prompt.box is not None:
            left, top, right, bottom = prompt.box
            if right <= -0.5 or bottom <= -0.5 or left >= width or top >= height:
                raise ValueError(
                    f"The box {prompt.box} lies outside the image of {width} x {height} pixels; "
                    "boxes are x0, y0, x1, y1."
                )
