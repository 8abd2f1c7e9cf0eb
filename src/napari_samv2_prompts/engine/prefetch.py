"""Embedding what may be looked at next: the planes next to the shown one, or all of them.

:class:`Prefetch` makes the job for the next such picture, keeps its result where there is room, and
counts.  That these jobs come last, and are dropped at once when there is anything else to do, is
the scheduler's business.

- The neighbours are embedded into memory that is free: a guess throws away nothing that was asked
  for.
- All planes are embedded because the user said so: on the disk if there is a folder, else in
  memory if they all fit, dropping what belongs to other images.  What is there already is skipped,
  which is also how this is taken up again after it was stopped.  What is in memory only is embedded
  once more for the folder: the array may have been edited in place since, and what lies on the disk
  has to be right another day.
- A picture that can't be read is left out and counted; the others go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_samv2_prompts.images import ImageView

from .cache import EmbeddingCache, EmbeddingKey
from .embed import Embedded, embed
from .jobs import Job, Priority, sentence
from .protocols import Embedding, Predictor
from .requests import ModelChoice, Request
from .results import AllPlanes
from .store import EmbeddingStore


@dataclass(slots=True)
class _Round:
    """All planes, once through."""

    planes: Sequence[ImageView]
    model: ModelChoice
    position: int = 0  # everything before it was seen to
    done: int = 0


class Prefetch:
    """Which picture to embed next, and what became of the others.

    - `cache`: the session's
    """

    def __init__(self, cache: EmbeddingCache[Embedding]) -> None:
        self._cache = cache
        self._round: _Round | None = None
        self._on_disk: set[tuple[EmbeddingKey, Path]] = set()  # with the folder
        self._failed: dict[EmbeddingKey, str] = {}
        self._obstacle = ""

    def job(
        self, request: Request, predictor: Predictor, store: EmbeddingStore | None
    ) -> Job[Embedded] | None:
        """Return what to do next for a request whose own picture is embedded, or None."""
        shown = EmbeddingKey.of(request.view, request.model)
        embedding = self._cache.get(shown)
        if embedding is None:
            return None
        room = self._cache.room_for(embedding.nbytes)
        usable = store if store is not None and not store.problem else None
        self._begin(request, embedding.nbytes, usable)
        view = self._neighbour(request) if room else None
        if view is None:
            view = self._next_of_all(usable)
        if view is None:
            return None
        key, found, needed = EmbeddingKey.of(view, request.model), view, room or usable is None
        all_planes = len(request.all_planes) > 0
        return Job(
            key,
            lambda task: embed(predictor, found, task, store, needed=needed),
            lambda embedded: self._take(key, embedded, shown, all_planes=all_planes),
            Priority.PREFETCH,
            on_error=lambda error: self._leave_out(key, error),
            keeps_late=True,
        )

    def _neighbour(self, request: Request) -> ImageView | None:
        for view in request.neighbours:
            key = EmbeddingKey.of(view, request.model)
            if key not in self._cache and key not in self._failed:
                return view
        return None

    def _begin(self, request: Request, size: int, store: EmbeddingStore | None) -> None:
        """Begin to embed all planes if that is asked for and was not begun, and it can be done."""
        current = self._round
        if not request.all_planes:
            self._round = None
            return
        if (
            current is None
            or current.planes is not request.all_planes
            or current.model != request.model
        ):
            self._round = _Round(request.all_planes, request.model)
            self._failed.clear()
        self._obstacle = plan(len(request.all_planes), size, self._cache.budget_mb, store)

    def _next_of_all(self, store: EmbeddingStore | None) -> ImageView | None:
        current = self._round
        if current is None:
            return None
        while not self._obstacle and current.position < len(current.planes):
            view = current.planes[current.position]
            key = EmbeddingKey.of(view, current.model)
            if key not in self._failed:
                # What is in memory becomes used last, so that the rest of this does not drop it.
                held = (
                    self._cache.get(key) is not None
                    if store is None
                    else (key, store.folder) in self._on_disk
                )
                if not held:
                    return view
                current.done += 1
            current.position += 1
        return None

    def _take(
        self, key: EmbeddingKey, embedded: Embedded, shown: EmbeddingKey, *, all_planes: bool
    ) -> None:
        """Keep what was embedded where there is room, or where all planes are to be kept."""
        self.note(key, embedded)
        if embedded.embedding is None:
            return
        only_here = not embedded.on_disk and all_planes
        if only_here or self._cache.room_for(embedded.embedding.nbytes):
            self._cache.put(key, embedded.embedding, current=shown)

    def _leave_out(self, key: EmbeddingKey, error: BaseException | None) -> None:
        self._failed[key] = sentence(error) if error else ""

    def note(self, key: EmbeddingKey, embedded: Embedded) -> None:
        """Remember what lies on the disk."""
        if embedded.folder is not None:  # may come when another folder was chosen meanwhile
            self._on_disk.add((key, embedded.folder))

    def try_again(self) -> None:
        """Leave out nothing any more."""
        self._failed.clear()
        self._round = None

    def forget_disk(self) -> None:
        """Take it that nothing is known of what lies on the disk: it is another folder."""
        self._on_disk.clear()
        self._round = None

    def progress(self, request: Request | None) -> AllPlanes | None:
        """Return how far embedding all planes is; None if nobody asks for it."""
        current = self._round
        if request is None or current is None or current.planes is not request.all_planes:
            return None
        problem = self._obstacle or next(reversed(self._failed.values()), "")
        total, position = len(current.planes), current.position
        running = not self._obstacle and position < total
        return AllPlanes(current.done, total, min(position + 1, total), running, problem)


def plan(count: int, size: int, budget_mb: float, store: EmbeddingStore | None) -> str:
    """Say in a sentence why so many embeddings can't be kept; empty if they can.

    - `size`: bytes of each
    - `budget_mb`: for memory
    """
    needed = count * size / 1e6
    if store is None and needed > budget_mb:
        return (
            f"All {count} planes take {needed:.0f} MB and Memory is {budget_mb:.0f} MB: choose a"
            " folder to keep them in, or raise Memory."
        )
    if store is not None and needed > store.limit_mb:
        return (
            f"All {count} planes take {needed:.0f} MB and the folder may hold"
            f" {store.limit_mb:.0f} MB: raise its limit."
        )
    return ""
