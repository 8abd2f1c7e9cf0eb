"""Reading and writing files for the window, in a worker: a disk may be slow, or far away.

Here: one piece of work at a time, with a sentence for the user while it lasts and at its end.

Not here: what is in the files (``records``, ``models.py``), dialogs (``prompt_files.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from napari.utils.notifications import show_error
from psygnal import Signal

from napari_samv2_prompts.engine import Done, Failed, Job, Outcome, Report, Runner, Task
from napari_samv2_prompts.engine.errors import sentence

__all__ = ["Disk"]

_log = logging.getLogger(__name__)


class Disk:
    """Does one piece of work with files after the other, away from the thread of the window.

    Parameters
    ----------
    make_runner : callable
        Makes a worker of its own, since nothing else shall wait for a slow disk; it ends when there
        is nothing more to do.
    """

    changed = Signal(str, bool)
    """A sentence to show - what is being done, or how the last work ended - and whether busy."""

    def __init__(self, make_runner: Callable[[], Runner]) -> None:
        self._make_runner = make_runner
        self._runner: Runner | None = None
        self._under_way = 0
        self._closed = False
        self._said = ""

    @property
    def busy(self) -> bool:
        """Whether something is being read or written."""
        return self._under_way > 0

    def do(self, doing: str, work: Callable[[], Any], then: Callable[[Any], str]) -> None:
        """Do some work in the worker, and something with its result in the caller's thread.

        Parameters
        ----------
        doing : str
            What is shown meanwhile, in a sentence; empty to leave there what is shown.
        work : callable
            Must touch neither window nor layers.
        then : callable
            Takes what `work` returned, unless this is closed by then; returns what is shown at the
            end.  A ValueError, OSError or MemoryError of either becomes a sentence for the user.
        """
        self._under_way += 1
        self._say(doing)
        task = Task(Job(doing, lambda task: _logged(work)))
        if self._runner is None:
            self._runner = self._make_runner()
        self._runner.submit(task, lambda task, end: self._on_end(task, end, then), _ignore)

    def _on_end(self, task: Task, outcome: Outcome, then: Callable[[Any], str]) -> None:
        self._under_way -= 1
        if not self.busy and self._runner is not None:
            self._runner.close()
            self._runner = None
        said, error = "", outcome.error if isinstance(outcome, Failed) else None
        if isinstance(outcome, Done) and not self._closed:
            try:
                said = then(outcome.value)
            except (ValueError, OSError, MemoryError) as refused:
                error = refused
        if not self._closed:
            self._say(said, over=str(task.job.key))
        if error is not None:
            show_error(f"SAMV2 Prompts: {sentence(error)}")

    def _say(self, said: str, over: str = "") -> None:
        """Show a sentence; an empty one only in place of the one before."""
        if said or over:
            self._said = said
        self.changed.emit(self._said, self.busy)

    def close(self, destroyed: object = None) -> None:
        """Tell nothing but errors from now on; what was begun is done to its end.  Idempotent."""
        self._closed = True


def _logged(work: Callable[[], Any]) -> Any:
    """Do it; note an error, since the window may be closed before it could tell."""
    try:
        return work()
    except OSError as error:
        _log.warning("A file could not be read or written: %s", error)
        raise


def _ignore(task: Task, report: Report) -> None:
    """Take no notice."""
