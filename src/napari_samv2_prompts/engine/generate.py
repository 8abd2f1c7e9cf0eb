"""Finding candidates all over a picture, as whoever asks for it says how.

Not here: the finding (it is handed in as an iterator), choosing among candidates.
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

__all__ = ["Find", "Generation"]

Find = Callable[[Any, Embedding, Sequence[Any]], Iterable[Sequence[Any]]]
"""``(predictor, embedding, found) -> chunks of candidates``, in the worker.

What was found before is not to be found again.  Candidates are values (a crop, a score, a
stability, an area), in pixels of the view.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Generation:
    """What is to be found where.

    Attributes
    ----------
    view : ImageView
        The picture.
    place : Place
        Where objects are to go that come of it.
    model : ModelChoice
    find : callable
        See :data:`Find`.
    found : list
        Candidates that were found before; what is found is added.
    """

    view: ImageView
    place: Place
    model: ModelChoice
    find: Find
    found: list[Any] = field(default_factory=list)

    def steps(self, tools: Tools) -> Iterator[Step]:
        """Find what was not found yet; see :class:`.WorkRequest`."""
        found = tuple(self.found)
        embedding = tools.embed(self.view)
        for chunk in self.find(tools.predictor, embedding, found):
            yield Step(tuple(chunk))

    def take(self, step: Step) -> None:
        """Add a chunk to what was found."""
        self.found.extend(step.part)

    def results(self, step: Step) -> Iterable[tuple[Place, ObjectResult]]:
        """Return nothing: candidates are no results before the user takes them."""
        return ()
