"""One piece of work, what it ends with, and who runs it.

:class:`Runner` is a collaborator, handed in, so that the engine runs in tests without threads.
Which work there is, is in ``work.py``; when it is done, in ``engine.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .values import Snapshot, State

__all__ = [
    "AtOnce",
    "Cancelled",
    "Done",
    "Failed",
    "Outcome",
    "Progress",
    "Runner",
    "Stopped",
    "Task",
]


class Cancelled(Exception):
    """Raised inside a task that was told to stop."""


class Task:
    """One piece of work for the worker, with a flag to stop it.

    Parameters
    ----------
    kind : State
        What the session is doing while this runs.
    key : hashable
        Equal for equal work.
    work : callable
        Called in the worker with this task; what it returns is the result.
    wish : Snapshot, optional
        What it answers, if it decodes: these prompts in this view.
    """

    def __init__(
        self,
        kind: State,
        key: Hashable,
        work: Callable[[Task], object],
        wish: Snapshot | None = None,
    ) -> None:
        self.kind = kind
        self.key = key
        self.work = work
        self.wish = wish
        self.on_progress: Callable[[Progress], None] | None = None
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
        """Tell how far the work is, and stop here if that was asked for.  In the worker."""
        self.check()
        if self.on_progress is not None:
            self.on_progress(Progress(share, text))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is: the share done, in [0, 1], and a few words (bytes of a download)."""

    share: float
    text: str = ""


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


class Runner(Protocol):
    """Runs tasks elsewhere, one at a time, in order."""

    def submit(
        self,
        task: Task,
        on_done: Callable[[Task, Outcome], None],
        on_progress: Callable[[Task, Progress], None],
    ) -> None:
        """Run a task; call back in the thread of the caller, once, however the task ended."""
        ...

    def close(self) -> None:
        """Stop, without waiting; nothing is called back afterwards."""
        ...


class AtOnce:
    """Does every task at once, in the caller's thread; errors go to the caller."""

    def submit(
        self,
        task: Task,
        on_done: Callable[[Task, Outcome], None],
        on_progress: Callable[[Task, Progress], None],
    ) -> None:
        """See :class:`Runner`."""
        on_done(task, Done(task.work(task)))

    def close(self) -> None:
        """Nothing to stop."""
