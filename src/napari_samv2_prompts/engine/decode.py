"""Answering prompts of the plane in the view whose embedding there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.prompts import Masks, PromptBatch

from .cache import EmbeddingKey
from .coordinates import in_view, on_plane
from .jobs import Job, State
from .prompt_changes import prompt_key
from .protocols import Embedding, Predictor
from .requests import Request


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
