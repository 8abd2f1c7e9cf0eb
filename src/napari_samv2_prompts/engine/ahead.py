"""What to embed while nobody waits for anything: the planes next to the shown one, or all of them.

:class:`Ahead` makes the task for the next such picture, keeps its result where there is room, and
counts.  That these tasks come last, and are dropped at once when there is anything else to do, is
the engine's business.

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

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from .cache import EmbeddingCache
from .errors import sentence
from .news import AllPlanes
from .store import EmbeddingStore
from .tasks import Done, Failed, Outcome, Task
from .values import Embedding, ModelChoice, Predictor, Snapshot, State, View
from .work import Embedded, embed, embedding_key

__all__ = ["Ahead", "plan"]


@dataclass(slots=True)
class _Round:
    """All planes, once through."""

    planes: Sequence[View]
    model: ModelChoice
    position: int = 0  # everything before it was seen to
    done: int = 0


class Ahead:
    """Which picture to embed next, and what became of the others.

    Parameters
    ----------
    cache : EmbeddingCache
        The session's.
    """

    def __init__(self, cache: EmbeddingCache[Embedding]) -> None:
        self._cache = cache
        self._round: _Round | None = None
        self._on_disk: set[Hashable] = set()
        self._failed: dict[Hashable, str] = {}
        self._obstacle = ""

    def task(
        self, goal: Snapshot, predictor: Predictor, store: EmbeddingStore | None
    ) -> Task | None:
        """Return what to do next for a goal whose own picture is embedded, or None."""
        shown = self._cache.get(embedding_key(goal.view, goal.model))
        if shown is None:
            return None
        room = self._cache.room_for(shown.nbytes)
        usable = store if store is not None and not store.problem else None
        self._begin(goal, shown.nbytes, usable)
        view = self._neighbour(goal) if room else None
        if view is None:
            view = self._next_of_all(goal, usable)
        if view is None:
            return None
        key = embedding_key(view, goal.model)
        found, needed = view, room or usable is None
        return Task(
            State.AHEAD,
            key,
            lambda task: embed(predictor, found, task, store, needed=needed),
        )

    def _neighbour(self, goal: Snapshot) -> View | None:
        for view in goal.ahead:
            key = embedding_key(view, goal.model)
            if key not in self._cache and key not in self._failed:
                return view
        return None

    def _begin(self, goal: Snapshot, size: int, store: EmbeddingStore | None) -> None:
        """Begin to embed all planes if that is asked for and was not begun, and it can be done."""
        current = self._round
        if not goal.planes:
            self._round = None
            return
        if current is None or current.planes is not goal.planes or current.model != goal.model:
            self._round = _Round(goal.planes, goal.model)
            self._failed.clear()
        self._obstacle = plan(len(goal.planes), size, self._cache.budget_mb, store)

    def _next_of_all(self, goal: Snapshot, store: EmbeddingStore | None) -> View | None:
        current = self._round
        if current is None:
            return None
        while not self._obstacle and current.position < len(current.planes):
            view = current.planes[current.position]
            key = embedding_key(view, current.model)
            if key not in self._failed:
                # What is in memory becomes used last, so that the rest of this does not drop it.
                held = self._cache.get(key) is not None if store is None else key in self._on_disk
                if not held:
                    return view
                current.done += 1
            current.position += 1
        return None

    def take(self, task: Task, outcome: Outcome, goal: Snapshot | None) -> None:
        """Keep what was embedded where there is room, or where all planes are to be kept."""
        if isinstance(outcome, Done) and isinstance(outcome.value, Embedded):
            self.note(task.key, outcome.value)
            embedding = outcome.value.embedding
            if embedding is None or goal is None:
                return
            only_here = not outcome.value.on_disk and len(goal.planes) > 0
            if only_here or self._cache.room_for(embedding.nbytes):
                shown = embedding_key(goal.view, goal.model)
                self._cache.put(task.key, embedding, current=shown)
        else:
            error = outcome.error if isinstance(outcome, Failed) else None
            self._failed[task.key] = sentence(error) if error else ""

    def note(self, key: Hashable, embedded: Embedded) -> None:
        """Remember what lies on the disk."""
        if embedded.on_disk:
            self._on_disk.add(key)

    def try_again(self) -> None:
        """Leave out nothing any more."""
        self._failed.clear()
        self._round = None

    def forget_disk(self) -> None:
        """Take it that nothing is known of what lies on the disk: it is another folder."""
        self._on_disk.clear()
        self._round = None

    def progress(self, goal: Snapshot | None) -> AllPlanes | None:
        """Return how far embedding all planes is; None if nobody asks for it."""
        current = self._round
        if goal is None or current is None or current.planes is not goal.planes:
            return None
        problem = self._obstacle or next(reversed(self._failed.values()), "")
        total, position = len(current.planes), current.position
        running = not self._obstacle and position < total
        return AllPlanes(current.done, total, min(position + 1, total), running, problem)


def plan(count: int, size: int, budget_mb: float, store: EmbeddingStore | None) -> str:
    """Say in a sentence why so many embeddings can't be kept; empty if they can.

    Parameters
    ----------
    count : int
    size : int
        Bytes of each.
    budget_mb : float
        For memory.
    store : EmbeddingStore, optional
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
