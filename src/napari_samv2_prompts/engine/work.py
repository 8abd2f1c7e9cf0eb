"""What runs in the worker: reading and embedding a picture, answering prompts.

Functions of a predictor and values; when they run and what becomes of the results is decided in
``engine.py``.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.prompts import Masks, PromptBatch

from .store import EmbeddingStore
from .tasks import Task
from .values import Embedding, ModelChoice, Predictor, State, View
from .viewing import in_view, on_plane

__all__ = ["Embedded", "decode", "embed", "embedding_key", "is_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What became of a picture.

    Attributes
    ----------
    embedding : Embedding, optional
        None if it lies on the disk and nobody needs it now.
    on_disk : bool
        Whether it lies on the disk.
    """

    embedding: Embedding | None
    on_disk: bool = False


def embedding_key(view: View, model: ModelChoice) -> Hashable:
    """Name the embedding of a view in the cache, and the job that makes it."""
    return State.EMBEDDING, view.key, model


def is_of(key: Hashable, model: ModelChoice) -> bool:
    """Whether the embedding of this name is a model's."""
    return isinstance(key, tuple) and key[-1] == model


def embed(
    predictor: Predictor,
    view: View,
    task: Task,
    store: EmbeddingStore | None = None,
    *,
    needed: bool = True,
) -> Embedded:
    """Read a picture and embed it, or find its embedding on the disk.

    Parameters
    ----------
    predictor : Predictor
    view : View
    task : Task
        Told how far the work is; ends it when cancelled.
    store : EmbeddingStore, optional
        Where to look first, and where to keep what was embedded.
    needed : bool
        Whether the embedding itself is wanted, and not only that it lies on the disk.
    """
    image = view.read()
    task.check()
    if store is None:
        return Embedded(_computed(predictor, image, view, task))
    packing = predictor.packing
    # What was read in fewer pixels than it has may look the same at another size.
    key = store.key(image, f"{packing.fingerprint} {view.region.size}")
    if key in store:
        if not needed:
            return Embedded(None, on_disk=True)
        found = store.get(key, packing.unpack)
        if found is not None:
            return Embedded(found, on_disk=True)
    task.check()
    embedding = _computed(predictor, image, view, task)
    if store.problem:
        return Embedded(embedding)
    return Embedded(embedding, store.put(key, packing.pack(embedding, key)))


def _computed(predictor: Predictor, image: NDArray[np.uint8], view: View, task: Task) -> Embedding:
    return predictor.embed(image, task.report, image_size=view.region.size).halved()


def decode(predictor: Predictor, embedding: Embedding, view: View, batch: PromptBatch) -> Masks:
    """Answer prompts of the plane in a view that holds them, whose embedding it is."""
    items = tuple(in_view(item, view, embedding.logits_size) for item in batch)
    return on_plane(predictor.decode(embedding, PromptBatch(items)), view)
