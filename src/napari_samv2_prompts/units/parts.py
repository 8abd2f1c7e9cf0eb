"""Work on a cluster that shows its results as they come: what the window has done elsewhere.

Here: :func:`parts_on`.  A unit's parts are sent by the worker as soon as they are found, as events
of dask (of which the scheduler keeps the last thousand), so that they are there before the unit is
done.  A unit that is begun again makes the same ones again, in the same order: those that came
before are dropped.  A worker stops a unit that nobody waits for any more, also where whoever asked
for it was killed.

Here, too: the units.  They make what the window's own work makes (``engine.Generation``,
``engine.Propagation``), in the same way, from the file that the window shows.

Not here: workers and their versions (``cluster.py``), embedding planes (``embeddings.py``).
"""

from __future__ import annotations

import pickle  # nosec B403
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
    Chunk,
    EmbeddingCache,
    EmbeddingStore,
    Job,
    ModelChoice,
    Propagation,
    Task,
    Tools,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.file_views import FileViews
from napari_samv2_prompts.propagation import Method, Partition
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.tile_search import TileSearch
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
    - raises ValueError or OSError as :func:`.run_on`
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
                # From our own workers; dask unpickles all else that they send.
                unit, place, part = pickle.loads(zlib.decompress(message))  # nosec B301
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


@dataclass(frozen=True, slots=True, eq=False)
class SearchUnit:
    """A tile in which to find objects; its parts are :class:`.Chunk`."""

    seen: FileViews
    plane: Plane
    region: Region  # of the tile
    side: int | None  # see :attr:`.ImageView.side`
    number: int  # of the tile
    search: TileSearch

    @property
    def name(self) -> str:
        """The file's name and the tile's number, from 1."""
        return f"{self.seen.image.name}, tile {self.number + 1}"

    def parts(self, tools: Tools) -> Iterator[Any]:
        """Search."""
        with self.seen.opened() as view_of:
            embedding = tools.embed(view_of(self.plane).within(self.region, self.side))
        for candidates in self.search(tools.predictor, embedding, ()):
            yield Chunk(self.number, tuple(candidates))
        yield Chunk(self.number, whole=True)


@dataclass(frozen=True, slots=True, eq=False)
class FollowUnit:
    """Objects to follow through planes; its parts are :class:`.Filled`."""

    seen: FileViews
    planes: tuple[Plane, ...]  # all planes along the axis
    sides: InputSides
    partition: Partition
    method: Method

    @property
    def name(self) -> str:
        """The file's name, and which planes."""
        wanted = self.partition.wanted
        return f"{self.seen.image.name}, planes {wanted.first} to {wanted.last}"

    def parts(self, tools: Tools) -> Iterator[Any]:
        """Follow."""
        partition = self.partition
        with self.seen.opened() as view_of:
            request = Propagation(
                [view_of(plane) for plane in self.planes], ModelChoice(), self.sides,
                lambda: partition.anchors, partition.wanted, partition.found, method=self.method,
            )  # fmt: skip
            for step in request.steps(tools):
                yield step.part
