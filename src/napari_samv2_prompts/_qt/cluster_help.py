"""A cluster that does what the window was asked for, or helps with it; the window never waits.

Nothing is connected to but the address that the user typed.  What comes back is handed on as it
comes; where the cluster is lost, or can't do it, whoever asked is told why in a sentence, and this
computer does what is missing.

Not here: what is sent (``cluster_work.py``), workers (``cluster.py``, ``cluster_parts.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from napari_samv2_prompts.engine import Failed, Job, Outcome, Partial, Report, Runner, Task
from napari_samv2_prompts.engine.errors import sentence

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClusterHelp", "Errand"]

Errand = Callable[["Client", Callable[[], None]], Iterator[Any]]
"""``(client, check) -> parts``, in a worker thread; ``check`` raises where it is to end."""


class ClusterHelp:
    """Sends one kind of work to the scheduler that the user named.

    Parameters
    ----------
    runner : Runner
        A worker thread of its own, since connecting and waiting take their time.
    address : callable
        Returns what the user typed; empty for no cluster.
    """

    def __init__(self, runner: Runner, address: Callable[[], str]) -> None:
        self._runner, self._address = runner, address
        self._task: Task | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is an address."""
        return bool(self._address())

    def start(
        self, errand: Errand, on_part: Callable[[Any], object], on_end: Callable[[str], object]
    ) -> None:
        """Have something done; what was under way is stopped.

        Parameters
        ----------
        on_part : callable
            Told what comes, in the thread of the caller.
        on_end : callable
            Told once that nothing more comes, and why not in a sentence, unless all is well or
            :meth:`stop` was called.
        """
        self.stop()
        address = self._address()

        def run(task: Task) -> None:
            from napari_samv2_prompts.cluster import cluster_client

            with cluster_client(scheduler=address) as client:
                for part in errand(client, task.check):
                    task.deliver(part)

        def on_done(task: Task, outcome: Outcome) -> None:
            if task is self._task:
                self._task = None
                on_end(sentence(outcome.error) if isinstance(outcome, Failed) else "")

        def on_report(task: Task, report: Report) -> None:
            if task is self._task and isinstance(report, Partial):
                on_part(report.value)

        self._task = Task(Job(("cluster", address), run))
        self._runner.submit(self._task, on_done, on_report)

    def stop(self) -> None:
        """Send nothing more, and take nothing more."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    def close(self) -> None:
        """End; idempotent."""
        self.stop()
        self._runner.close()
