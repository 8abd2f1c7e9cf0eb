"""The engine: from what is wanted to masks, one job at a time.

A :class:`Session` is told the newest :class:`~.requests.Snapshot` whenever something changes.  It
compares that with what it has - a loaded model, embeddings, decoded objects - and says which job is
missing next: load, embed or decode; when none is, what may be done in the background.  What came of
it leaves as signals of frozen values.

All changed objects that one view holds go in one batch: those in the view on screen first, then
others in views of their own.  Which have changed is in ``result_store.py``.  A decode that is under
way is let finish when nothing but the part of the plane on screen has changed.

Not here: starting and stopping jobs (``scheduler.py``), what they do, Qt, napari, torch, threads
(the runner's), reading layers or writing labels.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import replace
from typing import Any

from psygnal import Signal

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch

from .cache import EmbeddingCache
from .coordinates import held_by
from .decode import decode_job
from .embed import Embedded, EmbeddingKey, embed_job
from .jobs import Job, Progress, Runner
from .load import Loaded, Loader, PredictorFactory
from .prefetch import Prefetch
from .preview import Hover, outline
from .protocols import Embedding, Predictor
from .requests import ModelChoice, Snapshot
from .result_store import Answers
from .results import ObjectResult, Removal, Results
from .scheduler import Scheduler
from .status import State, Status
from .store import EmbeddingStore

__all__ = ["Session"]


class Session:
    """One user's work with one model: embeds what is shown, decodes what is prompted.

    Parameters
    ----------
    make_predictor : PredictorFactory
        Called in the worker.
    runner : Runner
        Runs the jobs; closed together with the session.
    cache_mb : float
        Budget for embeddings in memory, in megabytes.
    store : EmbeddingStore, optional
        A folder to keep embeddings in as well.
    background : Runner, optional
        Runs what nobody waits for, so that what somebody waits for begins at once; closed as well.
    """

    status_changed = Signal(Status)
    decoded = Signal(Results)
    removed = Signal(Removal)

    def __init__(
        self,
        make_predictor: PredictorFactory,
        runner: Runner,
        cache_mb: float = 1000.0,
        store: EmbeddingStore | None = None,
        background: Runner | None = None,
    ) -> None:
        self.cache: EmbeddingCache[Embedding] = EmbeddingCache(cache_mb)
        self.store = store
        self._loader = Loader(make_predictor)
        self._wish: Snapshot | None = None  # the newest snapshot
        self._goal: Snapshot | None = None  # the one acted on: the same, unless not live
        self._status = Status()
        self._model: ModelChoice | None = None
        self._predictor: Predictor | None = None
        self._answers, self._prefetch = Answers(), Prefetch(self.cache)
        self._closed = False
        self._jobs = Scheduler(self._next_job, self._on_state, runner, background or runner)
        self.hover = Hover(self._outline_job, runner, self._go_on)

    # --- what is known ---------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the session is doing."""
        return self._status

    def result(self, object_: int) -> ObjectResult | None:
        """Return an object's mask at the current place, or None if it has none yet."""
        return next(iter(self.results((object_,))), None)

    def results(self, objects: Iterable[int]) -> tuple[ObjectResult, ...]:
        """Return the masks of those objects that have one at the current place."""
        return self._answers.results(self._goal.place, objects) if self._goal else ()

    @property
    def wish(self) -> Snapshot | None:
        """The newest snapshot."""
        return self._wish

    @property
    def pending(self) -> tuple[int, ...]:
        """Objects of the newest snapshot whose masks don't answer their prompts yet."""
        changed = self._answers.changed(self._wish) if self._wish else ()
        return tuple(prompt.object for prompt in changed)

    def set_memory(self, megabytes: float) -> None:
        """Take so much memory for embeddings from now on, dropping what is too much at once."""
        self.cache.budget_mb = megabytes
        goal = self._goal
        self.cache.shrink(goal and EmbeddingKey.of(goal.view, goal.model))
        self._go_on()

    def keep_in(self, store: EmbeddingStore | None) -> None:
        """Keep embeddings in a folder as well from now on, or in memory only."""
        self.store = store
        self._prefetch.forget_disk()
        self._go_on()

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
            self._jobs.supersede()
            self._tell(State.IDLE, reason)
            return
        if gone := self._answers.drop_unprompted(snapshot):  # also where nothing is predicted
            self.removed.emit(Removal(snapshot.place, gone))
        (self._aim if snapshot.live else self._rest)(snapshot)

    def run(self) -> None:
        """Predict what has changed, or everything on the plane again if nothing has.

        Also what tries again after a failure or a cancel.
        """
        if self._closed or self._wish is None:
            return
        resumed = self._jobs.retry()
        self._prefetch.try_again()
        if not resumed and not self._jobs.busy and not self.pending:
            self._answers.ask_again(self._wish.place)
        self._aim(self._wish)

    def cancel(self) -> None:
        """Stop the job that runs; it is not taken up again before the wish changes or `run`."""
        self._jobs.cancel()

    def cycle(self, object_: int) -> ObjectResult | None:
        """Choose the object's next candidate, in order of falling score.

        Returns
        -------
        ObjectResult or None
            The new choice, announced as a result as well; None if there is nothing to choose.
        """
        goal = self._goal
        result = self._answers.cycle(goal.place, object_) if goal else None
        if goal and result:
            self.decoded.emit(Results(goal, (result,)))
        return result

    def choose(self, object_: int, index: int) -> ObjectResult | None:
        """Choose one of the object's candidates; see :meth:`cycle`."""
        goal = self._goal
        result = self._answers.choose(goal.place, object_, index) if goal else None
        if goal and result:
            self.decoded.emit(Results(goal, (result,)))
        return result

    def accept(self, only: Container[int] | None = None) -> tuple[tuple[Hashable, int], ...]:
        """Let go of every object whose mask answers its prompts.

        Parameters
        ----------
        only : container of int, optional
            The objects to let go of, if not all.

        Returns
        -------
        tuple of (place, object)
            What was let go of: the prompts may be cleared now, the masks stay.  Objects that still
            wait for their mask are not among them.
        """
        here = self._wish.place if self._wish else None
        return self._answers.accept(here, self.pending, only)

    def let_go(self, object_: int, place: Hashable | None = None) -> None:
        """Forget an object at one place, or at all: its prompts are cleared, its mask stays."""
        self._answers.let_go(object_, place)

    def forget(self, places: Iterable[Hashable]) -> None:
        """Let go of all objects of some places, whose layers are gone."""
        self._answers.forget(places)

    def take_over(self, other: Session) -> None:
        """Know the masks of another session, which is closed afterwards."""
        self._answers.add(other._answers)
        other.close()

    @property
    def places(self) -> tuple[Hashable, ...]:
        """Every place that has decoded objects."""
        return self._answers.places

    def close(self) -> None:
        """Stop everything and let go of model and embeddings.  May be called again."""
        if self._closed:
            return
        self._closed = True
        self.hover.drop()
        self._jobs.close()
        self._wish = self._goal = self._predictor = self._model = None
        self._answers.clear()
        self.cache.clear()

    # --- which job is missing --------------------------------------------------------------

    def _aim(self, goal: Snapshot) -> None:
        self._goal = goal
        self._jobs.advance()

    def _rest(self, snapshot: Snapshot) -> None:
        """Predict nothing before `run`; of the planes, embed those that were asked for by hand."""
        if snapshot.planes and not self._jobs.busy:
            self._aim(replace(snapshot, prompts=PromptBatch(())))
        elif self._goal is not None:
            self._goal = replace(self._goal, ahead=(), planes=snapshot.planes)
            if not self._jobs.busy:
                self._jobs.supersede()
            self._tell_again()

    def _go_on(self) -> None:
        """Do what became possible."""
        if self._status.state is State.READY and not self._jobs.busy:
            self._jobs.advance()
        self._tell_again()

    def _next_job(self) -> Job[Any] | None:
        goal = self._goal
        if goal is None:
            return None
        if self._predictor is None or self._model != goal.model:
            return self._loader.job(goal.model, self._on_loaded)
        job = self._next_for_prompts(goal, self._predictor)
        return job or self._prefetch.job(goal, self._predictor, self.store)

    def _next_for_prompts(self, goal: Snapshot, predictor: Predictor) -> Job[Any] | None:
        part = self._answers.next_part(goal)
        embedding = self.cache.get(EmbeddingKey.of(part.view, part.model))
        if embedding is None:
            return embed_job(predictor, part.view, part.model, self.store, self._on_embedded)
        if not part.prompts:
            return None
        batch = PromptBatch(tuple(self._answers.refined(part, prompt) for prompt in part.prompts))
        return decode_job(
            predictor, embedding, part, batch, self._on_masks,
            still_useful=lambda: self._answers.still_asked(part, self._goal),
        )  # fmt: skip

    def _outline_job(self, prompt: Prompt) -> Job[Any] | None:
        """Return the job of outlining what a prompt would give; None while there is other work."""
        wish, predictor = self._wish, self._predictor
        if wish is None or predictor is None or self._jobs.busy or self._model != wish.model:
            return None
        embedding, view = self.cache.get(EmbeddingKey.of(wish.view, wish.model)), wish.view
        if embedding is None or not held_by(view, [prompt]):
            return None
        self._jobs.make_way()
        asked = self._answers.refined(wish, prompt)
        return Job("outline", lambda task: outline(predictor, embedding, view, asked))

    # --- where results go ------------------------------------------------------------------

    def _on_loaded(self, model: ModelChoice, loaded: Loaded) -> None:
        self._predictor, self._model = loaded.predictor, model
        if self._loader.is_other(model, loaded):
            self.cache.drop(lambda key: isinstance(key, EmbeddingKey) and key.model == model)
            self._prefetch.forget_disk()
            self._answers.outdate(model)

    def _on_embedded(self, key: EmbeddingKey, embedded: Embedded) -> None:
        self._prefetch.note(key, embedded)
        if embedded.embedding is not None:
            part = self._goal and self._answers.next_part(self._goal)
            current = part and EmbeddingKey.of(part.view, part.model)
            self.cache.put(key, embedded.embedding, current=current)

    def _on_masks(self, part: Snapshot, masks: Masks) -> None:
        self.decoded.emit(Results(part, self._answers.take(part, masks)))

    # --- what is told ----------------------------------------------------------------------

    def _on_state(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        if state is State.READY and self._goal is None:
            return  # nothing can be done, and why was told
        if state in (State.LOADING, State.EMBEDDING, State.DECODING):
            self.hover.drop()
        self._tell(state, reason, progress)

    def _tell_again(self) -> None:
        if not self._closed:
            self._tell(self._status.state, self._status.reason, self._status.progress)

    def _tell(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        predictor, store = self._predictor, self.store.problem if self.store else ""
        device = ("", "") if predictor is None else (str(predictor.device), predictor.device_reason)
        memory, planes = self.cache.memory, self._prefetch.progress(self._goal)
        status = Status(state, reason, self._model, *device, progress, memory, store, planes)
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)
