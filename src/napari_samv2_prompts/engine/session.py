"""The engine: from what is wanted to masks, one job at a time.

A :class:`Session` is told the newest :class:`~.requests.Request` whenever something changes, and
what the user asks for by hand.  What came of it leaves as signals of frozen values.

Not here: which job is missing (``planner.py``), starting and stopping jobs (``scheduler.py``), what
they do, Qt, napari, torch, threads (the runner's), reading layers or writing labels.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psygnal import Signal

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.prompts import Prompt, PromptBatch

from .cache import EmbeddingCache, EmbeddingKey
from .decode import is_quick
from .generate import Generation
from .jobs import Job, Progress, Runner, State
from .load import PredictorFactory
from .planner import Planner
from .preview import Preview
from .prompt_changes import changed, drawn_here
from .protocols import Embedding
from .requested import RequestedWork, Timed, WorkRequest, WorkUpdate
from .requests import Place, Request
from .result_store import ResultStore
from .results import ObjectResult, Provenance, Removal, Results, Status
from .scheduler import Scheduler
from .store import EmbeddingStore

if TYPE_CHECKING:
    from .propagate import Propagation


class Session:
    """One user's work with one model: embeds what is shown, decodes what is prompted.

    - `make_predictor`: called in the worker
    - `runner`: runs the jobs; closed together with the session
    - `cache_mb`: budget for embeddings in memory, in megabytes
    - `store`: a folder to keep embeddings in as well
    - `background`: runs what nobody waits for, so that what somebody waits for begins at once;
      closed as well
    - `results_mb`: budget for masks and logits in memory, in megabytes
    """

    status_changed = Signal(Status)
    decoded = Signal(Results)
    removed = Signal(Removal)
    propagated = Signal(WorkUpdate)
    generated = Signal(WorkUpdate)

    def __init__(
        self,
        make_predictor: PredictorFactory,
        runner: Runner,
        cache_mb: float = 1000.0,
        store: EmbeddingStore | None = None,
        background: Runner | None = None,
        results_mb: float = 500.0,
    ) -> None:
        self.cache: EmbeddingCache[Embedding] = EmbeddingCache(cache_mb)
        self._request: Request | None = None  # the newest
        self._status, self._closed = Status(), False
        self._results = ResultStore(results_mb)
        self._propagation: RequestedWork[Propagation] = RequestedWork(
            self.propagated.emit, self._results
        )
        self._generation = RequestedWork[Generation](self.generated.emit, self._results)
        self._requested: tuple[RequestedWork[Any], ...] = (self._generation, self._propagation)
        self._plan = Planner(
            make_predictor, self.cache, store, self._results, self._requested, self.decoded.emit
        )
        self._jobs = Scheduler(self._plan.missing, self._on_state, runner, background or runner)
        self.preview = Preview(self._outline_job, runner, self._go_on)

    # --- what is known ---------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """What the session is doing."""
        return self._status

    @property
    def store(self) -> EmbeddingStore | None:
        """The folder that embeddings are kept in as well."""
        return self._plan.store

    @property
    def request(self) -> Request | None:
        """The newest request."""
        return self._request

    def result(self, object_: int) -> ObjectResult | None:
        """Return an object's mask at the current place, or None if it has none yet."""
        return next(iter(self.results((object_,))), None)

    def results(self, objects: Iterable[int]) -> tuple[ObjectResult, ...]:
        """Return the masks of those objects that have one at the current place."""
        return self._results.results(self._plan.active.place, objects) if self._plan.active else ()

    @property
    def pending(self) -> tuple[int, ...]:
        """Objects of the newest request whose masks don't answer their prompts yet."""
        open_ = changed(self._request, self._results) if self._request else ()
        return tuple(prompt.object for prompt in open_)

    def drawn_here(self, request: Request) -> Request:
        """Return a request without objects that were drawn in views across its plane only."""
        return drawn_here(request, self._results)

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place that has results."""
        return self._results.places

    @property
    def prompted(self) -> tuple[tuple[Place, int], ...]:
        """Every object, with its place, that has a mask because of its prompts."""
        return self._results.prompted

    def can_accept(self, waiting: Container[int], layers: frozenset[UUID] | None = None) -> bool:
        """Whether any object but those has a mask, on whatever plane, that is not accepted.

        - `layers`: see :meth:`accept`
        """
        return self._results.has_open(waiting, layers)

    def provenance(
        self, labels: object, on: Callable[[Plane], Container[int] | None]
    ) -> dict[int, tuple[Provenance, float]]:
        """Return where each object in a Labels layer, by its id, comes from, and its most doubt.

        - `on`: the objects that stand on a plane, see :meth:`.ResultStore.provenance`
        """
        return self._results.provenance(labels, on)

    # --- settings --------------------------------------------------------------------------

    def set_cache_size(self, megabytes: float) -> None:
        """Take so much memory for embeddings from now on, dropping what is too much at once."""
        self.cache.budget_mb = megabytes
        active = self._plan.active
        self.cache.shrink(EmbeddingKey.of(active.view, active.model) if active else None)
        self._go_on()

    def set_store(self, store: EmbeddingStore | None) -> None:
        """Keep embeddings in a folder as well from now on, or in memory only."""
        self._plan.store = store
        self._plan.prefetch.forget_disk()
        self._go_on()

    # --- requests --------------------------------------------------------------------------

    def update(self, request: Request | None, reason: str = "") -> None:
        """Take note of what is wanted now.

        - `request`: the newest one; None if nothing can be done
        - `reason`: why nothing can be done, in a sentence
        """
        if self._closed:
            return
        self._request = request
        if request is not None:
            for work in self._requested:
                work.check_model(request.model)
        if request is None:
            self._plan.active = None
            self._jobs.advance()  # what was asked for in the background goes on
            self._tell(State.IDLE, reason)
            return
        if gone := self._results.drop_unprompted(request):  # also where nothing is predicted
            self.removed.emit(Removal(request.place, gone))
        self._go_on_with(request)

    def run(self) -> None:
        """Predict what has changed, or everything on the plane again if nothing has.

        Also what tries again after a failure or a cancel.
        """
        if self._closed or self._request is None:
            return
        resumed = self._jobs.retry()
        self._plan.prefetch.try_again()
        if not resumed and not self._jobs.busy and not self.pending:
            self._results.ask_again(self._request.place)
        self._act_on(self._request)

    def cancel(self) -> None:
        """Stop what runs: what somebody waits for, else what was asked for in the background.

        The former is not taken up again before the request changes or `run`.
        """
        if self._jobs.busy:
            self._jobs.cancel()
        else:
            for work in self._requested:
                self._start(work, None)

    # --- work in the background ------------------------------------------------------------

    @property
    def propagation(self) -> Propagation | None:
        """What is followed through planes; None if nothing is."""
        return self._propagation.request

    def propagate(self, propagation: Propagation | None, elsewhere: bool = False) -> None:
        """Follow objects through planes while nobody waits for anything; see :attr:`propagated`.

        What was asked before ends; what it found is kept.  None: end it only.  `elsewhere`: others
        do it, who call :meth:`take` and, when they can do no more, :meth:`come_back`.
        """
        self._start(self._propagation, propagation, elsewhere)

    @property
    def generation(self) -> Generation | None:
        """What is looked for all over a picture; None if nothing is."""
        return self._generation.request

    def generate(self, generation: Generation | None, elsewhere: bool = False) -> None:
        """Look for candidates while nobody waits for anything; see :attr:`generated`.

        What was asked before ends; what it found is kept.  None: end it only.  `elsewhere`: see
        :meth:`propagate`.
        """
        self._start(self._generation, generation, elsewhere)

    def take(self, request: WorkRequest, timed: Timed) -> None:
        """Take in what others found of what is done elsewhere."""
        for work in self._requested:
            work.take(request, timed)

    def come_back(self, request: WorkRequest) -> None:
        """Do here what others have left of what was done elsewhere, and end it."""
        if any(work.come_back(request) for work in self._requested):
            self._go_on_with(self._request)

    @property
    def _is_requested(self) -> bool:
        return any(work.request is not None for work in self._requested)

    def _start(self, work: RequestedWork[Any], request: Any, elsewhere: bool = False) -> None:
        if not self._closed:
            work.start(request, elsewhere)
            if request is not None and not self._plan.can_work:
                self._jobs.retry()  # to load the model, for which this asks by hand
            self._go_on_with(self._request)

    def _go_on_with(self, request: Request | None) -> None:
        if request is None:
            self._jobs.advance()
            self._tell_again()  # whether anything is still asked for
        elif not self._closed:
            (self._act_on if request.live else self._rest)(request)

    # --- objects ---------------------------------------------------------------------------

    def choose(self, object_: int, candidate: int | None = None) -> bool:
        """Choose one of an object's candidates at the current place, or the next by falling score.

        The mask is announced like any other; a large one is made in the worker first.

        Returns whether there is such a candidate, and another one was chosen.
        """
        active = self._plan.active
        if active is None or not self._results.prefer(active.place, object_, candidate):
            return False
        known = self._results.get(active.place, object_)
        if known is not None and known.wanted != known.result.chosen and is_quick(known):
            self._plan.choose(active.place, known.result.masks, known.wanted)
        else:
            self._jobs.advance()
        return True

    def accept(
        self,
        only: Container[int] | None = None,
        but: Iterable[int] = (),
        layers: frozenset[UUID] | None = None,
    ) -> tuple[tuple[Place, int], ...]:
        """Leave every object to the user whose mask answers its prompts.

        - `only`: the objects to accept, if not all
        - `but`: objects that are not to be accepted
        - `layers`: only where one of these layers is used; others of the same number have nothing
          to do with it
        - returns what was accepted: the prompts may be cleared now, the masks stay.  Objects that
          still wait for their mask are not among them.
        """
        return self._results.accept({*self.pending, *but}, only, layers)

    def forget_object(self, object_: int, place: Place | None = None) -> None:
        """Forget an object at one place, or at all: its prompts are cleared, its mask stays."""
        self._results.forget_object(object_, place)

    def forget_places(self, places: Iterable[Place]) -> None:
        """Forget all objects of some places, whose layers are gone."""
        self._results.forget_places(places)

    def merge(self, other: Session) -> None:
        """Know the results of another session, which is closed afterwards."""
        self._results.add(other._results)
        other.close()

    def close(self) -> None:
        """Stop everything and let go of model and embeddings.  May be called again."""
        if self._closed:
            return
        self._closed = True
        self.preview.drop()
        self._jobs.close()
        self._request = None
        self._plan.close()
        self._results.clear()
        self.cache.clear()

    # --- which job is missing --------------------------------------------------------------

    def _act_on(self, request: Request) -> None:
        self._plan.active = request
        self._jobs.advance()

    def _rest(self, request: Request) -> None:
        """Predict nothing before `run`; of the planes, embed those that were asked for by hand."""
        by_hand = request.all_planes or self._is_requested
        if by_hand and not self._jobs.busy:
            self._act_on(replace(request, prompts=PromptBatch(())))
        elif self._plan.active is not None:
            self._plan.active = replace(
                self._plan.active, neighbours=(), all_planes=request.all_planes
            )
            if not self._jobs.busy:
                self._jobs.supersede()
            self._tell_again()

    def _go_on(self) -> None:
        """Do what became possible."""
        if self._status.state is State.READY and not self._jobs.busy:
            self._jobs.advance()
        self._tell_again()

    def _outline_job(self, prompt: Prompt) -> Job[Any] | None:
        """Return the job of outlining what a prompt would give; None while there is other work."""
        if self._request is None or self._jobs.busy:
            return None
        job = self._plan.outline_job(self._request, prompt)
        if job is not None:
            self._jobs.make_way()
        return job

    # --- what is told ----------------------------------------------------------------------

    def _on_state(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        if state is State.READY and self._plan.active is None:
            self._tell_again()  # nothing can be done, and why was told
            return
        if state in (State.LOADING, State.EMBEDDING, State.DECODING):
            self.preview.drop()
        self._tell(state, reason, progress)
        if state in (State.FAILED, State.IDLE) and not self._plan.can_work:
            for work in self._requested:
                work.give_up(reason if state is State.FAILED else "")

    def _tell_again(self) -> None:
        if not self._closed:
            self._tell(self._status.state, self._status.reason, self._status.progress)

    def _tell(self, state: State, reason: str = "", progress: Progress | None = None) -> None:
        predictor, store = self._plan.predictor, self.store.problem if self.store else ""
        device = ("", "") if predictor is None else (str(predictor.device), predictor.device_reason)
        memory, planes = self.cache.memory, self._plan.prefetch.progress(self._plan.active)
        status = Status(
            state, reason, self._plan.model, *device, progress, memory, store, planes,
            self._is_requested,
        )  # fmt: skip
        if status != self._status:
            self._status = status
            self.status_changed.emit(status)
