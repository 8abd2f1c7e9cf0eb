"""Work that the user asked for and does not wait for: begun, interrupted, gone on with, ended.

A request is worked off by as many jobs as it takes: whatever somebody waits for cancels the job at
its next check, and the next one goes on from what was found.  So what is missing has to follow from
the request and what it found; nothing else is remembered.

Others may do it, on other machines: their steps are taken like those of a job, and there is no job
meanwhile.  What they leave is done here.

Not here: what there is to be done (``propagate.py``, ``generate.py``), when jobs run
(``scheduler.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from napari_samv2_prompts.images import ImageView

from .cache import EmbeddingCache, EmbeddingKey
from .embed import embed
from .jobs import Job, Priority, Task, sentence
from .protocols import Embedding, Predictor
from .requests import ModelChoice, Place
from .result_store import ResultStore
from .results import ObjectResult
from .store import EmbeddingStore

OTHER_MODEL = "Stopped, since another model was chosen: what was found is kept."


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A partial result, complete in itself.

    - `.part`: what was found
    - `.done`, `.total`: how much is done since the work was taken up, and of how much; a total of 0
      is not known
    """

    part: Any
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Tools:
    """What the work may use, in the worker.

    - `.cache`: read only
    """

    predictor: Predictor
    cache: EmbeddingCache[Embedding]
    store: EmbeddingStore | None
    model: ModelChoice
    task: Task

    @property
    def room(self) -> int:
        """Bytes of embeddings for which there is room beside those in memory."""
        return max(0, int(self.cache.budget_mb * 1e6) - self.cache.nbytes)

    def embed(self, view: ImageView) -> Embedding:
        """Return the embedding of a view: from memory, from the folder, or made now."""
        known = self.cache.peek(EmbeddingKey.of(view, self.model))
        made = known or embed(self.predictor, view, self.task, self.store).embedding
        assert made is not None
        return made


class WorkRequest(Protocol):
    """What was asked for; a value that is compared by identity."""

    @property
    def model(self) -> ModelChoice:
        """With which model."""
        ...

    def steps(self, tools: Tools) -> Iterator[Step]:
        """Do what is missing, in the worker; may be left after any step."""
        ...

    def take(self, step: Step) -> None:
        """Add to what was found, in the thread of the caller."""
        ...

    def results(self, step: Step) -> Iterable[tuple[Place, ObjectResult]]:
        """Return masks that a session is to know of."""
        ...


R_ = TypeVar("R_", bound=WorkRequest)
Timed = tuple[Step, float | None]
"""A step, and how many seconds the rest will take, where that can be told."""


def with_time(steps: Iterable[Step]) -> Iterator[Timed]:
    """Yield steps with how long the rest will take."""
    start = time.monotonic()
    for step in steps:
        left = None
        if step.total and step.done:
            left = (time.monotonic() - start) / step.done * (step.total - step.done)
        yield step, left


@dataclass(frozen=True, slots=True, eq=False)
class WorkUpdate(Generic[R_]):
    """What became of a request.

    - `.part`: what was found now; None in the last update
    - `.done`, `.total`: see :class:`Step`
    - `.seconds_left`: how long the rest will take, where that can be told
    - `.finished`: whether this is the last update
    - `.complete`: whether nothing is left to be done
    - `.problem`: why it ended early, in a sentence; empty if it did not, or if the user stopped it
    """

    request: R_
    part: Any = None
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    finished: bool = False
    complete: bool = False
    problem: str = ""


class RequestedWork(Generic[R_]):
    """One kind of such work, of which one request at a time is worked off.

    - `tell`: told every :class:`WorkUpdate`
    - `store`: where results go
    """

    def __init__(self, tell: Callable[[WorkUpdate[R_]], object], store: ResultStore) -> None:
        self._tell, self._store = tell, store
        self.request: R_ | None = None
        self._elsewhere = False

    def start(self, request: R_ | None, elsewhere: bool = False) -> None:
        """Work on a request from now on, or on none; the one before ends.

        `elsewhere`: others do it, until :meth:`come_back`.
        """
        self._end(self.request)
        self.request, self._elsewhere = request, elsewhere

    def come_back(self, request: R_) -> bool:
        """Do here what others have left; return whether that was still asked for."""
        if request is not self.request:
            return False
        self._elsewhere = False
        return True

    def check_model(self, model: ModelChoice) -> None:
        """End what was asked of another model."""
        if self.request is not None and self.request.model != model:
            self._end(self.request, OTHER_MODEL)

    @property
    def model_here(self) -> ModelChoice | None:
        """The model that has to be here; None if nothing is done here."""
        return None if self.request is None or self._elsewhere else self.request.model

    def give_up(self, problem: str) -> None:
        """End what is done here, as there is no model to do it with.

        - `problem`: why, in a sentence; empty if the user wanted it so
        """
        if not self._elsewhere:
            self._end(self.request, problem)

    def job(
        self, predictor: Predictor, cache: EmbeddingCache[Embedding], store: EmbeddingStore | None
    ) -> Job[None] | None:
        """Return the job of going on, or None."""
        request = self.request
        if request is None or self._elsewhere:
            return None

        def run(task: Task) -> None:
            tools = Tools(predictor, cache, store, request.model, task)
            for timed in with_time(request.steps(tools)):
                task.deliver(timed)

        return Job(
            ("requested", request),
            run,
            lambda _: self._end(request, complete=True),
            Priority.REQUESTED,
            on_partial=lambda timed: self.take(request, timed),
            on_error=lambda error: self._end(request, sentence(error) if error else ""),
        )

    def take(self, request: R_, timed: Timed) -> None:
        """Take in a partial result, unless something else is asked for by now."""
        step, left = timed
        if request is self.request:
            request.take(step)
            for place, result in request.results(step):
                self._store.put(place, result)
            self._tell(WorkUpdate(request, step.part, step.done, step.total, left))

    def _end(self, request: R_ | None, problem: str = "", *, complete: bool = False) -> None:
        if request is not None and request is self.request:
            self.request = None
            self._tell(WorkUpdate(request, finished=True, complete=complete, problem=problem))
