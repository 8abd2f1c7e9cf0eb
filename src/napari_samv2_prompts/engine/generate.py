"""Finding candidates all over a picture, part by part, as whoever asks for it says how.

Not here: the finding (it is handed in), choosing among candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_samv2_prompts.images import ImageView

from .protocols import Embedding
from .requested import Step, Tools
from .requests import ModelChoice, Place
from .results import ObjectResult

Find = Callable[[Any, Embedding, int, Sequence[Any]], Iterable[Sequence[Any]]]
"""``(predictor, embedding, view, found) -> chunks of candidates``, in the worker.

`view` is the place of the view in its list.  What was found in it before is not to be found again.
Candidates are values (a crop, a score, a stability, an area), in pixels of the view.
"""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was found: a partial result."""

    view: int  # in which of the views
    candidates: tuple[Any, ...] = ()
    whole: bool = False  # whether nothing more is to be found there


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What is to be found where."""

    views: Sequence[ImageView]  # the parts of the picture
    place: Place  # where objects are to go that come of it
    model: ModelChoice
    find: Find  # see :data:`Find`
    # Candidates that were found in a view before; what is found is added.
    found: dict[int, list[Any]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)  # the views in which nothing more is to be found

    def missing(self) -> list[int]:
        """Return the views that are not done."""
        return [number for number in range(len(self.views)) if number not in self.done]

    def steps(self, tools: Tools) -> Iterator[Step]:
        """Find what was not found yet; see :class:`.WorkRequest`."""
        missing = self.missing()
        for done, number in enumerate(missing):
            found = tuple(self.found.get(number, ()))
            embedding = tools.embed(self.views[number])
            for candidates in self.find(tools.predictor, embedding, number, found):
                yield Step(Chunk(number, tuple(candidates)), done, len(missing))
            yield Step(Chunk(number, whole=True), done + 1, len(missing))

    def take(self, step: Step) -> None:
        """Add a chunk to what was found."""
        chunk = step.part
        self.found.setdefault(chunk.view, []).extend(chunk.candidates)
        if chunk.whole:
            self.done.add(chunk.view)

    def results(self, step: Step) -> Iterable[tuple[Place, ObjectResult]]:
        """Return nothing: candidates are no results before the user takes them."""
        return ()
