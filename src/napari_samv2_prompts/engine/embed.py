"""Reading and embedding a picture, or finding its embedding in the folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.images import ImageView

from .cache import EmbeddingKey
from .jobs import Job, State, Task
from .protocols import Embedding, Predictor
from .requests import ModelChoice
from .store import EmbeddingStore


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What became of a picture."""

    embedding: Embedding | None  # None if it lies on the disk and nobody needs it now
    folder: Path | None = None  # in which it lies on the disk, if it does

    @property
    def on_disk(self) -> bool:
        """Whether it lies on the disk."""
        return self.folder is not None


def embed_job(
    predictor: Predictor,
    view: ImageView,
    model: ModelChoice,
    store: EmbeddingStore | None,
    on_result: Callable[[EmbeddingKey, Embedded], object],
) -> Job[Embedded]:
    """Return the job of embedding a view; what comes late is right for its key."""
    key = EmbeddingKey.of(view, model)
    return Job(
        key,
        lambda task: embed(predictor, view, task, store),
        lambda embedded: on_result(key, embedded),
        state=State.EMBEDDING,
        keeps_late=True,
    )


def embed(
    predictor: Predictor,
    view: ImageView,
    task: Task,
    store: EmbeddingStore | None = None,
    *,
    needed: bool = True,
) -> Embedded:
    """Read a picture and embed it, or find its embedding on the disk.

    - `task`: told how far the work is; ends it when cancelled
    - `store`: where to look first, and where to keep what was embedded
    - `needed`: whether the embedding itself is wanted, and not only that it lies on the disk
    """
    image = view.read()
    task.check()
    if store is None:
        return Embedded(_computed(predictor, image, view, task))
    packing = predictor.packing
    key = store.key(image, packing.fingerprint, view.region.size)
    if key in store:
        if not needed:
            return Embedded(None, store.folder)
        found = store.get(key, packing.unpack)
        if found is not None:
            return Embedded(found, store.folder)
    task.check()
    embedding = _computed(predictor, image, view, task)
    if store.problem:
        return Embedded(embedding)
    kept = store.put(key, packing.pack(embedding, key))
    return Embedded(embedding, store.folder if kept else None)


def _computed(
    predictor: Predictor, image: NDArray[np.uint8], view: ImageView, task: Task
) -> Embedding:
    return predictor.embed(image, task.report, image_size=view.region.size).halved()
