"""Which prompts are refused, and what is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_samv2_prompts.prompts import Prompt


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
