"""Which job runs: the next one that is missing, and no other.

A :class:`Scheduler` asks what is missing whenever something changed and starts the first of it.  A
job that is no longer the next is cancelled; one that failed, or that the user cancelled, is passed
over.  So there is no queue to reason about: stopping, going on and skipping what is there are the
same thing.  Jobs that somebody waits for have a runner of their own, so that they begin at
once though work in the background stops only at its next check.

Not here: what the next job is (``planner.py``), what jobs do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from .jobs import (
    Cancelled,
    Done,
    Failed,
    Job,
    Outcome,
    Partial,
    Priority,
    Progress,
    Report,
    Runner,
    State,
    Task,
    sentence,
)

CANCELLED = "Cancelled. Press Run to go on."


class _Tell(Protocol):
    def __call__(
        self, state: State, reason: str = "", progress: Progress | None = None
    ) -> object: ...


@dataclass(frozen=True, slots=True)
class _Held:
    """A job that is not tried again by itself, and what was told of it."""

    key: Hashable
    state: State
    reason: str


class Scheduler:
    """Runs one wanted job at a time.

    - `missing`: yields the jobs that are missing, the most urgent first; those that follow one are
      begun only where that one is not tried again by itself
    - `tell`: told what is being done: ``(state, reason, progress)``
    - `runner`: runs what somebody waits for; closed together with this
    - `background`: runs the rest; closed together with this
    """

    def __init__(
        self,
        missing: Callable[[], Iterable[Job[Any]]],
        tell: _Tell,
        runner: Runner,
        background: Runner,
    ) -> None:
        self._missing, self._tell = missing, tell
        self._runner, self._background = runner, background
        self._task: Task | None = None
        self._held: _Held | None = None
        self._advancing = self._again = self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job runs that somebody waits for."""
        return self._task is not None and self._task.job.is_interactive

    def advance(self) -> None:
        """Start the next job, unless it runs already.

        May be called again by what a job leads to, also where runners work at once.
        """
        self._again = True
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._again:
                self._again = False
                self._start_next()
        finally:
            self._advancing = False

    def supersede(self) -> None:
        """Stop what runs; it is started again when it is the next job again."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def make_way(self) -> None:
        """Stop what runs, unless somebody asked for it."""
        if self._task is not None and self._task.job.priority is Priority.PREFETCH:
            self.supersede()

    def cancel(self) -> None:
        """Stop the job that somebody waits for; it is held until :meth:`retry`."""
        if self._task is not None and self.busy:
            key = self._task.job.key
            self.supersede()
            self._hold(key, State.IDLE, CANCELLED)
            self.advance()

    def retry(self) -> bool:
        """Hold nothing any more; tell whether anything was held."""
        held, self._held = self._held, None
        return held is not None

    def close(self) -> None:
        """Stop everything; nothing is called back afterwards.  Idempotent."""
        self._closed = True
        self.supersede()
        for runner in {self._runner, self._background}:
            runner.close()

    # --- inside -----------------------------------------------------------------------------

    def _start_next(self) -> None:
        if self._closed:
            return
        held, job = self._next()
        if held is None and (job is None or not job.is_interactive):
            self._held = None
            self._tell(State.READY)
        running = self._task
        if job and running and job.key == running.job.key:
            before, running.job = running.job, job  # somebody waits for it now, or no more
            if job.state is not None and before.state is not job.state:
                self._tell(job.state)
            return
        if (job or held) and running and running.job.still_useful():
            return
        self.supersede()
        if held is not None:
            self._tell(held.state, held.reason)
        if job is not None:
            self._start(job)

    def _next(self) -> tuple[_Held | None, Job[Any] | None]:
        """Return what is missing and held, and the job that can be done meanwhile."""
        held = None
        for job in self._missing():
            if self._held is None or self._held.key != job.key:
                return held, job
            held = self._held
        return held, None

    def _start(self, job: Job[Any]) -> None:
        if job.on_error is None:
            self._held = None
        self._task = task = Task(job)
        if job.state is not None:
            self._tell(job.state)
        runner = self._runner if job.is_interactive else self._background
        runner.submit(task, self._on_done, self._on_report)

    def _on_done(self, task: Task, outcome: Outcome) -> None:
        if self._closed:
            return
        job, superseded = task.job, task is not self._task
        if not superseded:
            self._task = None
        if isinstance(outcome, Done) and (job.keeps_late or not superseded):
            job.on_result(outcome.value)
        if superseded:
            return
        error = outcome.error if isinstance(outcome, Failed) else None
        error = None if isinstance(error, Cancelled) else error
        if not isinstance(outcome, Done):
            if job.on_error is not None:
                job.on_error(error)
            elif error is not None:
                self._hold(job.key, State.FAILED, sentence(error))
            else:
                self._hold(job.key, State.IDLE, CANCELLED)
        self.advance()

    def _on_report(self, task: Task, report: Report) -> None:
        job, superseded = task.job, task is not self._task
        if self._closed or (superseded and not job.keeps_late):
            return
        if isinstance(report, Partial):
            job.on_partial(report.value)
        elif job.state is not None and not superseded:
            self._tell(job.state, progress=report)

    def _hold(self, key: Hashable, state: State, reason: str) -> None:
        self._held = _Held(key, state, reason)
        self._tell(state, reason)
