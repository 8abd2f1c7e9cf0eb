"""A job is a value: what to run, how urgent it is, and where its results go.

A :class:`Task` is one run of a job, as its work sees it; a :class:`Runner` runs it somewhere.  A
new kind of work is a new function that returns a :class:`Job`: nothing here, in ``scheduler.py`` or
in a runner knows the kinds.

Not here: which job runs when (``scheduler.py``), the kinds (``load.py``, ``embed.py`` ...).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, Generic, Protocol, TypeVar

T_ = TypeVar("T_")


class Cancelled(Exception):
    """Raised inside a job that was told to stop."""


class State(StrEnum):
    """What the session is doing; in the background it may do more (``Status.planes``)."""

    IDLE = "idle"
    LOADING = "loading model"
    EMBEDDING = "embedding"
    DECODING = "decoding"
    READY = "ready"
    FAILED = "failed"


class Priority(IntEnum):
    """How urgent a job is; the smaller number comes first."""

    INTERACTIVE = 0  # somebody waits for it
    REQUESTED = 1  # asked for, and done in the background
    PREFETCH = 2  # may be of use later


def _ignore(value: object) -> None:
    """Take no notice."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Job(Generic[T_]):
    """One piece of work."""

    key: Hashable  # equal for equal work
    # Called in the worker with the :class:`Task`; what it returns is the result.
    run: Callable[[Task], T_]
    # Where the result goes, in the thread of the caller.
    on_result: Callable[[T_], object] = _ignore
    priority: Priority = Priority.INTERACTIVE
    # What the user is told while this runs; None for work in the background.
    state: State | None = None
    # Where partial results go (:meth:`Task.deliver`), in the thread of the caller.
    on_partial: Callable[[Any], object] = _ignore
    # Takes the error, or None if the work ended as cancelled.  Without it the error is shown to the
    # user, and the job is not tried again by itself.
    on_error: Callable[[BaseException | None], object] | None = None
    keeps_late: bool = False  # whether results still count that come after the job was superseded
    # Asked when another job is the next one: whether this one is to be finished first.
    still_useful: Callable[[], bool] = _never

    @property
    def is_interactive(self) -> bool:
        """Whether somebody waits for it."""
        return self.priority is Priority.INTERACTIVE


class Task:
    """One run of a job: the flag that stops it, and the way back for its reports.

    - `job`: what runs.  While it runs, another value of the same work may take its place: it is
      delivered as the last one says.
    """

    def __init__(self, job: Job[Any]) -> None:
        self.job = job
        self.on_report: Callable[[Report], None] | None = None  # set by the runner
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check.  From any thread."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to stop."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the work was asked to stop."""
        if self.cancelled:
            raise Cancelled

    def report(self, share: float, text: str = "") -> None:
        """Tell how far the work is, if anybody is told, and stop here if that was asked for.

        In the worker.
        """
        self.check()
        if self.on_report is not None and self.job.state is not None:
            self.on_report(Progress(share, text))

    def deliver(self, value: object) -> None:
        """Hand over a partial result, and stop here if that was asked for.  In the worker."""
        self.check()
        if self.on_report is not None:
            self.on_report(Partial(value))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is: the share done, in [0, 1], and a few words (bytes of a download)."""

    share: float
    text: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """A partial result."""

    value: object


Report = Progress | Partial


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """The task's result."""

    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """The task raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Stopped:
    """The task was cancelled."""


Outcome = Done | Failed | Stopped
OnDone = Callable[[Task, Outcome], None]
OnReport = Callable[[Task, Report], None]


def ignore_report(task: Task, report: Report) -> None:
    """Take no notice of how far a task is."""


class Runner(Protocol):
    """Runs tasks elsewhere, one at a time, in order."""

    def submit(self, task: Task, on_done: OnDone, on_report: OnReport) -> None:
        """Run a task; call back in the thread of the caller.

        `on_report` is called for everything that the task reports and delivers, in order, and
        `on_done` once, after that, however the task ended.
        """
        ...

    def close(self) -> None:
        """Stop, without waiting; nothing is called back afterwards."""
        ...


class AtOnce:
    """Does every task at once, in the caller's thread; errors go to the caller."""

    def submit(self, task: Task, on_done: OnDone, on_report: OnReport) -> None:
        """See :class:`Runner`."""
        task.on_report = lambda report: on_report(task, report)
        on_done(task, Done(task.job.run(task)))

    def close(self) -> None:
        """Nothing to stop."""


def sentence(error: BaseException) -> str:
    """Say what went wrong in the user's words, with what to do."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    memory = ("out of memory", "not enough memory", "can't allocate memory")  # torch's words
    if isinstance(error, MemoryError) or any(words in text.lower() for words in memory):
        return "Not enough memory: choose a smaller model or the CPU, or close other programs."
    if isinstance(error, ValueError | OSError | ImportError | RuntimeError) and text:
        return text if text.endswith((".", "!", "?")) else f"{text}."
    return f"Something unforeseen went wrong ({name}: {text or 'no details'}); the log says more."
