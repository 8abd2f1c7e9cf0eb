"""The engine: from what is wished for to masks, one job at a time.

A :class:`Session` is told the newest :class:`~.values.Snapshot` whenever something
changes.  It compares that with what it has - a loaded model, embeddings, decoded objects - and
starts the one job that is missing next: load, embed or decode.  A job that is no longer the next
one is cancelled, and what it still brings is dropped (a finished embedding is kept: it is right
for its key).  News leave as signals of frozen values.

The rules of refinement are here, too:

- An object is decoded again when its prompt or the model changed, never because of its neighbours,
  the contrast or the plane.  All changed objects go in one batch.
- A prompt that only gained clicks (or a box) is a refinement: the low-res logits of the chosen mask
  go back in.  Once something was moved or taken away they would hold on to what the user corrected,
  so the object starts anew from its prompts.
- A choice among the candidates stays with the object and counts again whenever there are several.

Not here: Qt, napari, torch, threads (the runner's), reading layers or writing labels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.prompts import ItemMasks, Masks, Prompt, PromptBatch

from .cache import EmbeddingCache
from .errors import sentence
from .refinement import extends, prompt_key, resized
from .values import (
    Cancelled,
    Done,
    Embedding,
    Failed,
    ModelChoice,
    ObjectResult,
    Outcome,
    Predictor,
    Progress,
    Removal,
    Results,
    Runner,
    Snapshot,
    State,
    Status,
    Task,
    View,
)

__all__ = ["PredictorFactory", "Session"]

PredictorFactory = Callable[[ModelChoice, Task], Predictor]
"""Makes a predictor, in the worker.  May download first, reporting to the task."""

_CANCELLED = "Cancelled. Press Run to go on."


@dataclass(frozen=True, slots=True, eq=False)
class _Decoded:
    """An object as it was decoded last."""

    prompt: Prompt  # as the user gave it, without logits fed back
    model: ModelChoice
    masks: ItemMasks
    chosen: int
    preferred: int | None  # the user's own choice among several candidates

    @property
    def result(self) -> ObjectResult:
        return ObjectResult(self.masks, self.chosen)


class Session:
    """One user's work with one model: embeds what is shown, decodes what is prompted.

    Parameters
    ----------
    make_predictor : PredictorFactory
        Called in the worker.
    runner : Runner
        Runs the jobs; closed together with the session.
    cache_mb : float
        Budget for embeddings, in megabytes.
    """

    status_changed = Signal(Status)
    decoded = Signal(Results)
    removed = Signal(Removal)

    def __init__(
        self, make_predictor: PredictorFactory, runner: Runner, cache_mb: float = 1000.0
    ) -> None:
        self.cache: EmbeddingCache[Embedding] = EmbeddingCache(cache_mb)
        self._make_predictor = make_predictor
        self._runner = runner
        self._wish: Snapshot | None = None  # the newest snapshot
        self._goal: Snapshot | None = None  # the one acted on: the same, unless not live
        self._status = Status()
        self._task: Task | None = None
        self._held: Hashable = None  # key of a job that failed or was cancelled: not tried again
        self._model: ModelChoice | None = None
        self._predictor: Predictor | None = None
        self._places: dict[Hashable, dict[int, _Decoded]] = {}
        self._closed = False

    # --- what is known ---------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the session is doing."""
        return self._status

    def result(self, object_: int) -> ObjectResult | None:
        """Return an object's mask at the current place, or None if it has none yet."""
        place = self._places.get(self._goal.place) if self._goal else None
        return place[object_].result if place and object_ in place else None

    @property
    def pending(self) -> tuple[int, ...]:
        """Objects of the newest snapshot whose masks don't answer their prompts yet."""
        return tuple(prompt.object for prompt in self._changed(self._wish))

    # --- wishes ----------------------------------------------------------------------------

    def update(self, snapshot: Snapshot | None, reason: str = "") -> None:
        """Take note of what is wished for now.

        Parameters
        ----------
        snapshot : Snapshot or None
            The newest wish; None if nothing can be done.
        reason : str
            Why nothing can be done, in a sentence.
        """
        if self._closed:
            return
        self._wish = snapshot
        if snapshot is None:
            self._goal = None
            self._supersede()
            self._tell(State.IDLE, reason)
        elif snapshot.live:
            self._aim(snapshot)

    def run(self) -> None:
        """Predict what has changed, or everything on the plane again if nothing has.

        Also what tries again after a failure or a cancel.
        """
        if self._closed or self._wish is None:
            return
        resumed, self._held = self._held is not None, None
        if not resumed and self._task is None and not self.pending:
            place = self._places.get(self._wish.place, {})
            self._places[self._wish.place] = {
                number: replace(item, prompt=Prompt(number)) for number, item in place.items()
            }
        self._aim(self._wish)

    def cancel(self) -> None:
        """Stop the job that runs; it is not taken up again before the wish changes or `run`."""
        if self._task is not None:
            self._held = self._task.key
            self._supersede()
            self._tell(State.IDLE, _CANCELLED)

    def cycle(self, object_: int) -> ObjectResult | None:
        """Choose the object's next candidate, in order of falling score.

        Returns
        -------
        ObjectResult or None
            The new choice, announced as a result as well; None if there is nothing to choose.
        """
        place = self._places.get(self._goal.place, {}) if self._goal else {}
        item = place.get(object_)
        if item is None or self._goal is None or len(item.masks.crops) < 2:
            return None
        order = [int(i) for i in np.argsort(-item.masks.scores, kind="stable")]
        chosen = order[(order.index(item.chosen) + 1) % len(order)]
        place[object_] = replace(item, chosen=chosen, preferred=chosen)
        result = place[object_].result
        self.decoded.emit(Results(self._goal, (result,)))
        return result

    def accept(self) -> tuple[tuple[Hashable, int], ...]:
        """Let go of every object whose mask answers its prompts.

        Returns
        -------
        tuple of (place, object)
            What was let go of: the prompts may be cleared now, the masks stay.  Objects that still
            wait for their mask are not among them.
        """
        waiting = set(self.pending)
        here = self._wish.place if self._wish else None
        accepted = []
        for place, items in self._places.items():
            for number in [n for n in items if place != here or n not in waiting]:
                del items[number]
                accepted.append((place, number))
        return tuple(accepted)

    def forget(self, places: Iterable[Hashable]) -> None:
        """Let go of all objects of some places, whose layers are gone."""
        for place in places:
            self._places.pop(place, None)

    @property
    def places(self) -> tuple[Hashable, ...]:
        """Every place that has decoded objects."""
        return tuple(place for place, items in self._places.items() if items)

    def close(self) -> None:
        """Stop everything and let go of model and embeddings.  May be called again."""
        if self._closed:
            return
        self._closed = True
        self._supersede()
        self._runner.close()
        self._wish = self._goal = self._predictor = self._model = None
        self._places.clear()
        self.cache.clear()

    # --- from wish to job ------------------------------------------------------------------

    def _aim(self, goal: Snapshot) -> None:
        self._goal = goal
        self._announce_removed(goal)
        self._advance()

    def _announce_removed(self, goal: Snapshot) -> None:
        items = self._places.setdefault(goal.place, {})
        gone = tuple(sorted(items.keys() - set(goal.prompts.objects)))
        for number in gone:
            del items[number]
        if gone:
            self.removed.emit(Removal(goal.place, gone))

    def _advance(self) -> None:
        """Start the job that is missing next, unless it already runs."""
        task = self._next_task()
        if task is not None and self._task is not None and task.key == self._task.key:
            return
        self._supersede()
        if task is None:
            if self._goal is not None:
                self._held = None
                self._tell(State.READY)
            return
        if task.key == self._held:
            return
        self._held = None
        self._task = task
        self._tell(task.kind)
        self._runner.submit(task, self._on_done, self._on_progress)

    def _next_task(self) -> Task | None:
        goal = self._goal
        if goal is None or self._closed:
            return None
        make = self._make_predictor
        if self._predictor is None or self._model != goal.model:
            key: Hashable = (State.LOADING, goal.model)
            return Task(State.LOADING, key, lambda task: make(goal.model, task))
        predictor = self._predictor
        key = self._embedding_key(goal)
        embedding = self.cache.get(key)
        if embedding is None:
            return Task(State.EMBEDDING, key, lambda task: _embed(predictor, goal.view, task))
        changed = self._changed(goal)
        if not changed:
            return None
        batch = PromptBatch(tuple(self._refined(goal, prompt) for prompt in changed))
        key = (State.DECODING, self._embedding_key(goal), goal.place, *map(prompt_key, batch))
        return Task(State.DECODING, key, lambda task: _decode(predictor, embedding, batch))

    @staticmethod
    def _embedding_key(goal: Snapshot) -> Hashable:
        return State.EMBEDDING, goal.view.key, goal.model

    def _changed(self, goal: Snapshot | None) -> list[Prompt]:
        """Prompts of a snapshot that the last masks don't answer."""
        if goal is None:
            return []
        items = self._places.get(goal.place, {})
        return [
            prompt
            for prompt in goal.prompts
            if (item := items.get(prompt.object)) is None
            or item.model != goal.model
            or prompt_key(item.prompt) != prompt_key(prompt)
        ]

    def _refined(self, goal: Snapshot, prompt: Prompt) -> Prompt:
        """Add the logits of the last mask to a prompt that only gained clicks."""
        item = self._places.get(goal.place, {}).get(prompt.object)
        if item is None or item.model != goal.model or not extends(prompt, item.prompt):
            return prompt
        return replace(prompt, mask=item.masks.low_res_logits[item.chosen])

    # --- from job to news ------------------------------------------------------------------

    def _on_done(self, task: Task, outcome: Outcome) -> None:
        if self._closed:
            return
        if task is not self._task:
            self._keep_late(task, outcome)
            return
        self._task = None
        if isinstance(outcome, Failed) and not isinstance(outcome.error, Cancelled):
            self._held = task.key
            self._tell(State.FAILED, sentence(outcome.error))
        elif isinstance(outcome, Done):
            self._take(task, outcome.value)
            self._advance()
        else:
            self._held = task.key
            self._tell(State.IDLE, _CANCELLED)

    def _keep_late(self, task: Task, outcome: Outcome) -> None:
        """Keep the embedding of a superseded job; it is right for its key."""
        if task.kind is State.EMBEDDING and isinstance(outcome, Done):
            current = self._embedding_key(self._goal) if self._goal else None
            self.cache.put(task.key, outcome.value, current=current)  # type: ignore[arg-type]

    def _take(self, task: Task, value: object) -> None:
        goal = self._goal
        if goal is None:  # pragma: no cover  (a task without a goal was superseded)
            return
        if task.kind is State.LOADING:
            self._predictor, self._model = value, goal.model  # type: ignore[assignment]
        elif task.kind is State.EMBEDDING:
            self.cache.put(task.key, value)  # type: ignore[arg-type]
        else:
            self._take_masks(goal, value)  # type: ignore[arg-type]

    def _take_masks(self, goal: Snapshot, masks: Masks) -> None:
        items = self._places.setdefault(goal.place, {})
        asked = {prompt.object: prompt for prompt in goal.prompts}
        for answer in masks:
            known = items.get(answer.object)
            preferred = known.preferred if known else None
            several = len(answer.crops) > 1
            chosen = preferred if several and preferred is not None else answer.best
            items[answer.object] = _Decoded(
                asked[answer.object], goal.model, answer, chosen, preferred
            )
        self.decoded.emit(Results(goal, tuple(items[number].result for number in masks.objects)))

    def _on_progress(self, task: Task, progress: Progress) -> None:
        if task is self._task:
            self._tell(task.kind, progress=progress)

    def _supersede(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _tell(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        device = device_reason = ""
        if self._predictor is not None:
            device, device_reason = str(self._predictor.device), self._predictor.device_reason
        status = Status(state, reason, self._model, device, device_reason, progress)
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)


def _embed(predictor: Predictor, view: View, task: Task) -> Embedding:
    """Read and embed a picture; runs in the worker."""
    image = view.read()
    task.check()
    return predictor.embed(image, task.report).halved()


def _decode(predictor: Predictor, embedding: Embedding, batch: PromptBatch) -> Masks:
    """Answer prompts; runs in the worker."""
    side = embedding.logits_size
    return predictor.decode(embedding, PromptBatch(tuple(resized(item, side) for item in batch)))
