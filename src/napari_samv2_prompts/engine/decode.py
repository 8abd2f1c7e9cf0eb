"""Answering prompts of the plane in the view whose embedding there is."""

from __future__ import annotations

from collections.abc import Callable

from napari_samv2_prompts.prompts import Masks, PromptBatch

from .coordinates import in_view, on_plane
from .embed import EmbeddingKey
from .jobs import Job
from .protocols import Embedding, Predictor
from .refinement import prompt_key
from .requests import Snapshot, View
from .status import State

__all__ = ["decode_job"]


def decode_job(
    predictor: Predictor,
    embedding: Embedding,
    part: Snapshot,
    batch: PromptBatch,
    on_result: Callable[[Snapshot, Masks], object],
    still_useful: Callable[[], bool],
) -> Job[Masks]:
    """Return the job of answering prompts.

    Parameters
    ----------
    predictor : Predictor
    embedding : Embedding
        Of the view.
    part : Snapshot
        What is answered: these prompts in a view that holds them.
    batch : PromptBatch
        The same prompts as the model gets them, in pixels of the plane.
    on_result : callable
        Takes `part` and the masks, in pixels of the plane.
    still_useful : callable
        See :class:`.Job`.
    """
    embedding_key = EmbeddingKey.of(part.view, part.model)
    return Job(
        (State.DECODING, embedding_key, part.place, *map(prompt_key, batch)),
        lambda task: _decode(predictor, embedding, part.view, batch),
        lambda masks: on_result(part, masks),
        state=State.DECODING,
        still_useful=still_useful,
    )


def _decode(predictor: Predictor, embedding: Embedding, view: View, batch: PromptBatch) -> Masks:
    """Answer prompts, in the worker."""
    items = tuple(in_view(item, view, embedding.logits_size) for item in batch)
    return on_plane(predictor.decode(embedding, PromptBatch(items)), view)
