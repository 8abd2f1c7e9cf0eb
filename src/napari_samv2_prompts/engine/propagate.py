"""Following objects through planes: what is asked for, and how it is worked off.

Not here: how objects are followed (``propagation``), when it runs (``requested.py``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.propagation import (
    EMBEDDINGS,
    Anchors,
    Embeddings,
    Filled,
    Follower,
    Found,
    Method,
    Partition,
    Stack,
    Wanted,
    follower_of,
    partitions_of,
    propagate_partitions,
)
from napari_samv2_prompts.regions import InputSides, Region

from .protocols import Embedding, Predictor
from .requested import Step, Tools
from .requests import ModelChoice, Place
from .results import ObjectResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WHOLE = 2**22
"""Planes of at most so many pixels are read once and kept while they are needed."""
READ = 4
"""Planes that are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Propagation:
    """What is to be followed through which planes.

    Each part that comes of it is a :class:`.Filled`; planes count from 0 in `planes`.

    - `.planes`: all planes along the axis
    - `.sides`: of its input
    - `.read_anchors`: returns the objects' anchors as they are now.  Called in the worker, whenever
      the work is begun or taken up again.
    - `.found`: what was found before; it is added to
    - `.places`: where the masks of each plane go; for the session to know the results there
    - `.follower`: makes a method of its own: ``(stack, embeddings, predictor) -> Follower``
    - `.method`: {"auto", "hand-over", "memory"}; which one otherwise, see :func:`.follower_of`
    """

    planes: Sequence[ImageView]
    model: ModelChoice
    sides: InputSides
    read_anchors: Callable[[], Anchors]
    wanted: Wanted
    found: Found = field(default_factory=Found)
    places: Sequence[Place] = ()
    follower: Callable[[Stack, Embeddings, Predictor], Follower] | None = None
    method: Method = "auto"

    def missing(self) -> list[Partition]:
        """Return what is to be followed, as the anchors are now.  In the worker."""
        return partitions_of(self.read_anchors(), self.found.copy(), self.wanted)

    def steps(self, tools: Tools) -> Iterator[Step]:
        """Fill what is missing, plane by plane; see :class:`.WorkRequest`."""
        partitions = self.missing()
        if not partitions:
            return

        def embedded(plane: int, region: Region) -> Embedding:
            return tools.embed(self.planes[plane].within(region, self.sides.most))

        stack = _ReadPlanes(self.planes)
        room = min(tools.room, EMBEDDINGS)
        with closing(Embeddings(stack.shape[1:], embedded, self.sides, room)) as embeddings:
            if self.follower is None:
                follower = follower_of(self.method, stack, embeddings, tools.predictor)
            else:
                follower = self.follower(stack, embeddings, tools.predictor)
            yield from counted(propagate_partitions(follower, partitions), partitions)

    def take(self, step: Step) -> None:
        """Add a plane to what was found."""
        self.found.add(step.part)

    def results(self, step: Step) -> Iterator[tuple[Place, ObjectResult]]:
        """Yield what is to be known of a plane's objects, without their masks."""
        if self.places:
            place = self.places[step.part.plane]
            for number, section in step.part.sections.items():
                result = ObjectResult.propagated(number, section.crop, section.score, section.doubt)
                yield place, result.released()


def counted(parts: Iterable[Filled], partitions: Sequence[Partition]) -> Iterator[Step]:
    """Yield what comes of partitions, with how much of it that is.

    Where masks are fitted in the end, what is missing counts twice: it is followed first.
    """
    done, total = 0, sum(partition.size for partition in partitions)
    fitted = False
    for filled in parts:
        if not fitted and any(section.rough for section in filled.sections.values()):
            fitted, total = True, total + sum(partition.missing for partition in partitions)
        done += len(filled.sections)
        yield Step(filled, min(done, total), total)


class _ReadPlanes:
    """Views as a stack; small planes are read once, of large ones the parts that are asked for."""

    def __init__(self, planes: Sequence[ImageView]) -> None:
        self._planes = planes
        height, width = planes[0].shape
        self.shape = len(planes), height, width
        self._read: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Return a part of a plane, in every pixel."""
        if self.shape[1] * self.shape[2] > WHOLE:
            region = Region(rows.start, columns.start, rows.stop, columns.stop)
            return self._planes[plane].within(region, None).read()
        if plane not in self._read:
            whole = Region.whole(self._planes[plane].shape)
            self._read[plane] = self._planes[plane].within(whole, None).read()
            if len(self._read) > READ:
                self._read.popitem(last=False)
        return self._read[plane][rows, columns]
