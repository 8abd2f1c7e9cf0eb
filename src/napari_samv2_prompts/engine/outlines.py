"""The border of a mask, for a preview; runs in the worker.

When it is asked for is decided in ``hover.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.prompts import Prompt

from .news import Outline
from .values import Embedding, Predictor, View
from .viewing import in_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["outline", "outline_of"]

_OUTSIDE = -1e3  # a logit that is surely not object; finite, as lines run between the cells


def outline(predictor: Predictor, embedding: Embedding, view: View, prompt: Prompt) -> Outline:
    """Return the border of the mask that a prompt would get in a view that holds it."""
    logits = predictor.glance(embedding, in_view(prompt, view, embedding.logits_size))
    lines = outline_of(logits, view.region.size).lines
    corner = np.array([view.region.left, view.region.top])
    return Outline(tuple(line + corner for line in lines))


def outline_of(logits: NDArray[np.float32], size: tuple[int, int]) -> Outline:
    """Return where low-res logits cross zero, in pixels of the picture that they cover.

    Parameters
    ----------
    logits : array of shape (h, w), float32
    size : tuple of int
        ``(height, width)`` of the picture in pixels.
    """
    from skimage.measure import find_contours  # importing it takes long enough to be noticed

    # One more cell of the same takes lines to the picture's edge, one outside closes them there.
    padded = np.pad(np.pad(logits, 1, mode="edge"), 1, constant_values=_OUTSIDE)
    scale = np.divide(size, logits.shape)
    lines = []
    for line in find_contours(padded, 0.0):
        rows_columns = (line - 1.5) * scale - 0.5  # without padding; from cells' to pixels' centres
        lines.append(np.clip(rows_columns, -0.5, np.subtract(size, 0.5))[:, ::-1])
    return Outline(tuple(lines))
