"""Loading a model, and noticing that the same choice brings other weights than last time.

A file of the user's own may be trained further and saved again under its name.  What the old
weights made of pictures and prompts is then no answer of the new ones.

Not here: where files lie and what is in them (the factory's business).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .jobs import Job, State, Task
from .protocols import Predictor
from .requests import ModelChoice

PredictorFactory = Callable[[ModelChoice, Task], Predictor]
"""Makes a predictor, in the worker.  May download first, reporting to the task."""

Stamp = tuple[int, int]  # when the file was written, in ns, and its bytes


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A model, and which file it came from if that is the user's own."""

    predictor: Predictor
    stamp: Stamp | None


class Loader:
    """Makes the jobs that load models, and compares what they bring."""

    def __init__(self, make_predictor: PredictorFactory) -> None:
        self._make = make_predictor
        self._stamps: dict[ModelChoice, Stamp | None] = {}

    def job(
        self, choice: ModelChoice, on_result: Callable[[ModelChoice, Loaded], object]
    ) -> Job[Loaded]:
        """Return the job of loading a model."""
        return Job(
            (State.LOADING, choice),
            lambda task: self._load(choice, task),
            lambda loaded: on_result(choice, loaded),
            state=State.LOADING,
        )

    def _load(self, choice: ModelChoice, task: Task) -> Loaded:
        stamp = _stamp_of(choice)  # before reading: written meanwhile, it counts as changed
        return Loaded(self._make(choice, task), stamp)

    def is_other(self, choice: ModelChoice, loaded: Loaded) -> bool:
        """Take note of a loaded model; tell whether its choice meant other weights before."""
        before = self._stamps.get(choice, loaded.stamp)
        self._stamps[choice] = loaded.stamp
        return before != loaded.stamp


def _stamp_of(choice: ModelChoice) -> Stamp | None:
    try:
        facts = choice.checkpoint.stat() if choice.checkpoint else None
    except OSError:
        return None  # why it can't be read is said by the one who reads it
    return facts and (facts.st_mtime_ns, facts.st_size)
