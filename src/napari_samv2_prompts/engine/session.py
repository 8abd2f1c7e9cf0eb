"""The engine: from what is wished for to masks, one job at a time.

A :class:`Session` is told the newest :class:`~.values.Snapshot` whenever something
changes.  It compares that with what it has - a loaded model, embeddings, decoded objects - and
starts the one job that is missing next: load, embed or decode; when none is, embed what may be
looked at next (``ahead.py``).  A job that is no longer the next one is cancelled, and what it still
brings is dropped (a finished embedding is kept: it is right for its key).  News leave as signals of
frozen values.

All changed objects that one view holds go in one batch: those in the view on screen first, then
others in views of their own.  Which have changed is in ``answers.py``.  A decode that is under way
is let finish when nothing but the part of the plane on screen has changed.

Not here: Qt, napari, torch, threads (the runner's), reading layers or writing labels.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import replace

from psygnal import Signal

from napari_samv2_prompts.prompts import Prompt, PromptBatch

from .ahead import Ahead
from .answers import Answers
from .cache import EmbeddingCache
from .errors import sentence
from .hover import Hover
from .loading import Loaded, Loader, PredictorFactory
from .news import ObjectResult, Removal, Results, Status
from .outlines import outline
from .refinement import prompt_key
from .store import EmbeddingStore
from .tasks import Cancelled, Done, Failed, Outcome, Progress, Runner, Task
from .values import Embedding, ModelChoice, Predictor, Snapshot, State
from .viewing import held_by
from .work import Embedded, decode, embed, embedding_key, is_of

__all__ = ["Session"]

_CANCELLED = "Cancelled. Press Run to go on."


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
        self._runner, self._background = runner, background or runner
        self._wish: Snapshot | None = None  # the newest snapshot
        self._goal: Snapshot | None = None  # the one acted on: the same, unless not live
        self._status = Status()
        self._task: Task | None = None
        self._held: Hashable = None  # key of a job that failed or was cancelled: not tried again
        self._model: ModelChoice | None = None
        self._predictor: Predictor | None = None
        self._answers, self._ahead = Answers(), Ahead(self.cache)
        self._closed = False
        self.hover = Hover(self._outline_task, runner, self._go_on)

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
        self.cache.shrink(goal and embedding_key(goal.view, goal.model))
        self._go_on()

    def keep_in(self, store: EmbeddingStore | None) -> None:
        """Keep embeddings in a folder as well from now on, or in memory only."""
        self.store = store
        self._ahead.forget_disk()
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
            self._supersede()
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
        resumed, self._held = self._held is not None, None
        self._ahead.try_again()
        if not resumed and not self._working and not self.pending:
            self._answers.ask_again(self._wish.place)
        self._aim(self._wish)

    def cancel(self) -> None:
        """Stop the job that runs; it is not taken up again before the wish changes or `run`."""
        if self._task is not None and self._working:
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
        goal = self._goal
        result = self._answers.cycle(goal.place, object_) if goal else None
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
        self._supersede()
        self.hover.drop()
        for runner in {self._runner, self._background}:
            runner.close()
        self._wish = self._goal = self._predictor = self._model = None
        self._answers.clear()
        self.cache.clear()

    # --- from wish to job ------------------------------------------------------------------

    def _aim(self, goal: Snapshot) -> None:
        self._goal = goal
        self._advance()

    def _rest(self, snapshot: Snapshot) -> None:
        """Predict nothing before `run`; of the planes, embed those that were asked for by hand."""
        if snapshot.planes and not self._working:
            self._goal = replace(snapshot, prompts=PromptBatch(()))
            self._advance()
        elif self._goal is not None:
            self._goal = replace(self._goal, ahead=(), planes=snapshot.planes)
            if not self._working:
                self._supersede()
            self._tell_again()

    @property
    def _working(self) -> bool:
        """Whether the running job is one that somebody waits for."""
        return self._task is not None and self._task.kind is not State.AHEAD

    def _go_on(self) -> None:
        """Do what became possible."""
        if self._status.state is State.READY and not self._working:
            self._advance()
        self._tell_again()

    def _advance(self) -> None:
        """Start the job that is missing next, unless it already runs."""
        task = self._next_task()
        if task is None and self._goal is not None and self._predictor is not None:
            self._held = None
            task = self._ahead.task(self._goal, self._predictor, self.store)
            self._tell(State.READY)
        running = self._task
        if task and running and task.key == running.key:
            if task.kind is not running.kind:
                running.kind = task.kind  # somebody waits for it now, or no more
                self._tell(State.READY if task.kind is State.AHEAD else task.kind)
            return
        if task and running and self._answers.still_asked(running.wish, self._goal):
            return
        self._supersede()
        if task is None or task.key == self._held:
            return
        self._held, self._task = None, task
        if self._working:
            self.hover.drop()
            self._tell(task.kind)
        runner = self._runner if self._working else self._background
        runner.submit(task, self._on_done, self._on_progress)

    def _next_task(self) -> Task | None:
        goal = self._goal
        if goal is None or self._closed:
            return None
        if self._predictor is None or self._model != goal.model:
            return self._loader.task(goal.model)
        predictor, store = self._predictor, self.store
        here = self._answers.next_part(goal)
        view, asked = here.view, here.prompts
        key = embedding_key(view, goal.model)
        embedding = self.cache.get(key)
        if embedding is None:
            return Task(State.EMBEDDING, key, lambda task: embed(predictor, view, task, store))
        if not asked:
            return None
        batch = PromptBatch(tuple(self._answers.refined(here, prompt) for prompt in asked))
        key = State.DECODING, key, goal.place, *map(prompt_key, batch)
        return Task(
            State.DECODING, key, lambda task: decode(predictor, embedding, view, batch), here
        )

    def _outline_task(self, prompt: Prompt) -> Task | None:
        """Return the work of outlining what a prompt would give; None while there is other work."""
        wish, predictor = self._wish, self._predictor
        if wish is None or predictor is None or self._working or self._model != wish.model:
            return None
        embedding, view = self.cache.get(embedding_key(wish.view, wish.model)), wish.view
        if embedding is None or not held_by(view, [prompt]):
            return None
        self._supersede()  # what is embedded ahead
        asked = self._answers.refined(wish, prompt)
        return Task(State.DECODING, None, lambda task: outline(predictor, embedding, view, asked))

    # --- from job to news ------------------------------------------------------------------

    def _on_done(self, task: Task, outcome: Outcome) -> None:
        if self._closed:
            return
        if task is not self._task:
            self._keep_late(task, outcome)
            return
        self._task = None
        if task.kind is State.AHEAD:
            self._ahead.take(task, outcome, self._goal)
            self._advance()
        elif isinstance(outcome, Failed) and not isinstance(outcome.error, Cancelled):
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
            self._keep(task.key, outcome.value)
        elif task.kind is State.AHEAD and isinstance(outcome, Done):
            self._ahead.take(task, outcome, self._goal)

    def _keep(self, key: Hashable, value: object) -> None:
        if isinstance(value, Embedded):
            self._ahead.note(key, value)
            if value.embedding is not None:
                here = self._goal and self._answers.next_part(self._goal)
                current = here and embedding_key(here.view, here.model)
                self.cache.put(key, value.embedding, current=current)

    def _take(self, task: Task, value: object) -> None:
        goal = self._goal
        if goal is None:  # pragma: no cover  (a task without a goal was superseded)
            return
        if isinstance(value, Loaded):
            self._predictor, self._model = value.predictor, goal.model
            if self._loader.is_other(goal.model, value):
                self.cache.drop(lambda key: is_of(key, goal.model))
                self._ahead.forget_disk()
                self._answers.outdate(goal.model)
        elif task.kind is State.EMBEDDING:
            self._keep(task.key, value)
        else:
            wish = task.wish or goal
            items = self._answers.take(wish, value)  # type: ignore[arg-type]
            self.decoded.emit(Results(wish, items))

    def _on_progress(self, task: Task, progress: Progress) -> None:
        if task is self._task and self._working:
            self._tell(task.kind, progress=progress)

    def _supersede(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _tell_again(self) -> None:
        if not self._closed:
            self._tell(self._status.state, self._status.reason, self._status.progress)

    def _tell(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        predictor, store = self._predictor, self.store.problem if self.store else ""
        device = ("", "") if predictor is None else (str(predictor.device), predictor.device_reason)
        memory, planes = self.cache.memory, self._ahead.progress(self._goal)
        status = Status(state, reason, self._model, *device, progress, memory, store, planes)
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)
