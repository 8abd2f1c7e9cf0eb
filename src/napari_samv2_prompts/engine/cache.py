"""Embeddings kept in memory up to a budget, the least recently used leaving first.

Only the bookkeeping belongs here: how large an embedding is says the embedding.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from napari_samv2_prompts.images import ImageView

from .requests import ModelChoice

_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class EmbeddingKey:
    """Names the embedding of a view in the cache, and the job that makes it."""

    view: Hashable
    model: ModelChoice

    @classmethod
    def of(cls, view: ImageView, model: ModelChoice) -> EmbeddingKey:
        """Name the embedding of a view by a model."""
        return cls(view.key, model)


class Sized(Protocol):
    """A value that knows how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes held in memory, on whichever device."""
        ...


E_ = TypeVar("E_", bound=Sized)


@dataclass(frozen=True, slots=True)
class Memory:
    """What the embeddings in memory take: their number, their bytes, and how many may be taken."""

    embeddings: int = 0
    nbytes: int = 0
    budget_mb: float = 0.0


class EmbeddingCache(Generic[E_]):
    """A mapping with a memory budget.

    - `budget_mb`: megabytes (10**6 bytes) that may be held.  The embedding put in last always
      stays, even when it alone is larger: what is on screen must be usable.
    """

    def __init__(self, budget_mb: float) -> None:
        self.budget_mb = budget_mb
        self._items: OrderedDict[EmbeddingKey, E_] = OrderedDict()
        self._nbytes = 0

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: EmbeddingKey) -> bool:
        return key in self._items

    @property
    def nbytes(self) -> int:
        """Bytes held by all embeddings together."""
        return self._nbytes

    @property
    def memory(self) -> Memory:
        """What is taken."""
        return Memory(len(self), self.nbytes, self.budget_mb)

    def room_for(self, nbytes: int) -> bool:
        """Whether so many bytes more would drop nothing."""
        return self.nbytes + nbytes <= self.budget_mb * _MB

    def get(self, key: EmbeddingKey) -> E_ | None:
        """Return an embedding and make it the most recently used one, or None."""
        if key in self._items:
            self._items.move_to_end(key)
        return self._items.get(key)

    def peek(self, key: EmbeddingKey) -> E_ | None:
        """Return an embedding or None, and leave the order as it is.  From any thread."""
        return self._items.get(key)

    def put(self, key: EmbeddingKey, embedding: E_, *, current: EmbeddingKey | None = None) -> None:
        """Keep an embedding, dropping old ones until the budget holds.

        - `embedding`: the value; it becomes the most recently used one
        - `current`: key that must stay as well: what is on screen, when `key` is something else
        """
        if key in self._items:
            self._nbytes -= self._items.pop(key).nbytes
        self._items[key] = embedding
        self._nbytes += embedding.nbytes
        self.shrink(current)

    def shrink(self, current: EmbeddingKey | None = None) -> None:
        """Drop old embeddings until the budget holds; the one with this key stays."""
        if current is not None and current in self._items:
            self._items.move_to_end(current)
        while len(self._items) > 1 and self.nbytes > self.budget_mb * _MB:
            self._nbytes -= self._items.popitem(last=False)[1].nbytes

    def drop(self, unwanted: Callable[[EmbeddingKey], bool]) -> None:
        """Drop the embeddings whose key says so."""
        for key in [key for key in self._items if unwanted(key)]:
            self._nbytes -= self._items.pop(key).nbytes

    def clear(self) -> None:
        """Drop everything."""
        self._items.clear()
        self._nbytes = 0
