"""Making another candidate of a mask, which over most of a large plane takes a while.

One that is made in a few milliseconds need not wait for a worker (:func:`is_quick`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_samv2_prompts.prompts import ItemMasks

from .jobs import Job, State
from .requests import Place
from .result_store import Known

QUICK = 500_000
"""Pixels of a mask's box that are made at once: 1.3 ms on one core, and 138 million took 277 ms."""


def choose_job(
    place: Place, known: Known, on_result: Callable[[Place, ItemMasks, int], object]
) -> Job[None]:
    """Return the job of making the crop of the candidate that is wanted of an object."""
    masks, candidate = known.result.masks, known.wanted

    def run(_: object) -> None:
        masks.crops[candidate]  # made when it is looked at first

    return Job(
        (place, masks.object, candidate, id(masks)),
        run,
        lambda _: on_result(place, masks, candidate),
        state=State.DECODING,
    )


def is_quick(known: Known) -> bool:
    """Whether the candidate that is wanted can be made without anybody noticing."""
    view, logits = known.result.view, known.result.masks.low_res_logits
    if view is None or known.result.is_released:
        return False
    inside = logits[known.wanted] > 0
    pixels = 1.0
    for axis, length in enumerate(view.region.size):
        cells = np.flatnonzero(inside.any(axis=1 - axis))
        spanned = int(cells[-1] - cells[0]) + 1 if cells.size else 0
        pixels *= spanned / inside.shape[axis] * length
    return pixels <= QUICK
