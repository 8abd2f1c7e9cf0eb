"""Work on a cluster that shows its results as they come: what the window has done elsewhere.

Here: :func:`parts_on`.  A unit's parts are sent by the worker as soon as they are found, as events
of dask (of which the scheduler keeps the last thousand), so that they are there before the unit is
done.  A unit that is begun again makes the same ones again, in the same order: those that came
before are dropped.  A worker stops a unit that nobody waits for any more, also where whoever asked
for it was killed.

Not here: what a unit does (``window.py``), workers and their versions (``cluster.py``).
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from napari_samv2_prompts.engine import (
    EmbeddingCache,
    EmbeddingStore,
    Job,
    ModelChoice,
    Task,
    Tools,
)
from napari_samv2_prompts.units.cluster import agreed, flow, kept_predictor, reason_of
from napari_samv2_prompts.units.unit import ModelSettings

if TYPE_CHECKING:
    from distributed import Client


class PartsUnit(Protocol):
    """What is done in one go, and shows its parts as it goes; it is picklable and small."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    def parts(self, tools: Tools) -> Iterator[Any]:
        """Do it: the same parts in the same order whenever it is done."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """A unit could not be done, or not to its end; why, in a sentence."""

    reason: str


def parts_on(
    client: Client,
    units: Iterable[PartsUnit],
    settings: ModelSettings,
    *,
    store: Path | None = None,
    check: Callable[[], object] = lambda: None,
) -> Iterator[Any]:
    """Do units on the workers of a client, and yield their parts as they come.

    - `client`, `units`, `settings`, `check`: as for :func:`.run_on`
    - `store`: folder of embeddings that the workers see, too
    - yields parts; of one unit in order.  :class:`Failure` for a unit that failed.
    - raises ValueError, OSError as for :func:`.run_on`
    """
    weights = settings.key()
    resources = agreed(client, settings, weights)
    topic = f"samv2-prompts-{uuid4().hex}"
    news: SimpleQueue[Any] = SimpleQueue()
    numbers, come = count(), dict[int, int]()

    def send(some: Sequence[PartsUnit]) -> list[Any]:
        futures: list[Any] = client.map(
            _work, some, [next(numbers) for _ in some], pure=False, resources=resources,
            settings=settings, topic=topic, store=store,
        )  # fmt: skip
        return futures

    client.subscribe_topic(topic, lambda event: news.put(event[1]))
    try:
        for done, messages in flow(client, units, send, check, news):
            for message in messages:
                unit, place, part = pickle.loads(zlib.decompress(message))
                if place == come.get(unit, 0):
                    come[unit] = place + 1
                    yield part
            for future, failed in done.items():
                if future.status == "error":
                    yield Failure(f"{failed.name}: {reason_of(future.exception())}")
    finally:
        if client.status == "running":
            client.unsubscribe_topic(topic)


# --- in a worker ---


def _work(
    unit: PartsUnit, number: int, *, settings: ModelSettings, topic: str, store: Path | None
) -> int:
    """Do a unit; return how many parts were sent."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()
    task = Task(Job(number, lambda task: None))
    kept = None if store is None else EmbeddingStore(store, limit_mb=inf)
    model = ModelChoice(settings.model, settings.checkpoint)
    tools = Tools(kept_predictor(settings)(), EmbeddingCache(0), kept, model, task)
    place = 0
    for place, part in enumerate(unit.parts(tools), 1):
        state = worker.state.tasks.get(key)
        if state is None or state.state != "executing":
            break  # nobody waits for it any more
        message = zlib.compress(pickle.dumps((number, place - 1, part)), 1)  # masks: a tenth
        worker.log_event(topic, message)
    return place
