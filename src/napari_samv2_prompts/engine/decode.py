"""Answering prompts of the plane in the view whose embedding there is; other candidates of masks.

Making another candidate of a mask over most of a large plane takes a while.  One that is made in a
few milliseconds need not wait for a worker (:func:`is_quick`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.prompts import ItemMasks, Masks, PromptBatch

from .cache import EmbeddingKey
from .coordinates import in_view, on_plane
from .jobs import Job, State
from .prompt_changes import prompt_key
from .protocols import Embedding, Predictor
from .requests import Place, Request
from .result_store import Known


def decode_job(
    predictor: Predictor,
    embedding: Embedding,
    part: Request,
    batch: PromptBatch,
    preferred: Mapping[int, int],
    on_result: Callable[[Request, Masks], object],
    still_useful: Callable[[], bool],
) -> Job[Masks]:
    """Return the job of answering prompts.

    - `embedding`: of the view
    - `part`: what is answered: these prompts in a view that holds them
    - `batch`: the same prompts as the model gets them, in pixels of the plane
    - `preferred`: which candidate the user chose, to be made besides the best
    - `on_result`: takes `part` and the masks, in pixels of the plane
    - `still_useful`: see :class:`.Job`
    """
    embedding_key = EmbeddingKey.of(part.view, part.model)
    return Job(
        (State.DECODING, embedding_key, part.place, *map(prompt_key, batch)),
        lambda task: _decode(predictor, embedding, part.view, batch, preferred),
        lambda masks: on_result(part, masks),
        state=State.DECODING,
        still_useful=still_useful,
    )


def _decode(
    predictor: Predictor,
    embedding: Embedding,
    view: ImageView,
    batch: PromptBatch,
    preferred: Mapping[int, int],
) -> Masks:
    """Answer prompts, and make the masks that will be looked at; in the worker."""
    items = tuple(in_view(item, view, embedding.logits_size) for item in batch)
    masks = on_plane(predictor.decode(embedding, PromptBatch(items)), view)
    for item in masks:
        for candidate in {item.best, preferred.get(item.object, item.best)}:
            if candidate < len(item.crops):
                item.crops[candidate]
    return masks


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
