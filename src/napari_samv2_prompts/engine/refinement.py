"""When two prompts say the same, and when one refines the other.

Pure functions of prompts; what follows from them is decided in ``session.py``.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from napari_samv2_prompts.prompts import Prompt

__all__ = ["extends", "prompt_key"]


def prompt_key(prompt: Prompt) -> Hashable:
    """Return what makes two prompts the same."""
    mask = None
    if prompt.mask is not None:
        mask = prompt.mask_box, prompt.mask.shape, prompt.mask.tobytes()
    return prompt.object, prompt.points.tobytes(), prompt.labels.tobytes(), prompt.box, mask


def extends(new: Prompt, old: Prompt) -> bool:
    """Whether a prompt says all that an older one said, and more.

    Clicks are compared as a collection: the order of the points in a layer does not matter.
    """

    def clicks(prompt: Prompt) -> list[tuple[float, ...]]:
        rows = zip(prompt.points.tolist(), prompt.labels.tolist(), strict=True)
        return [(*xy, label) for xy, label in rows]

    left = clicks(new)
    for click in clicks(old):
        if click not in left:
            return False
        left.remove(click)
    same_box = old.box is None or old.box == new.box
    same_mask = old.mask is None or (
        new.mask is not None and old.mask_box == new.mask_box and np.array_equal(old.mask, new.mask)
    )
    said_anything = len(old.points) > 0 or old.box is not None or old.mask is not None
    return said_anything and same_box and same_mask
