"""One worker thread per widget, with results delivered in the thread of the window.

The session decides what to run; here is only how: in order, one at a time, every outcome a value.
An unforeseen error is logged with its traceback and delivered like any other, never raised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from napari_samv2_prompts.engine import Cancelled, Done, Failed, Outcome, Report, Stopped, Task

from .mailbox import Mailbox

__all__ = ["QtRunner"]

_log = logging.getLogger(__name__)


class QtRunner:
    """Runs tasks in a thread of its own, which starts with the first one.

    Make it in the thread of the window.
    """

    def __init__(self) -> None:
        self._mailbox = Mailbox()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samv2-prompts")

    def submit(
        self,
        task: Task,
        on_done: Callable[[Task, Outcome], None],
        on_report: Callable[[Task, Report], None],
    ) -> None:
        """Queue a task; see :class:`.session.Runner`."""
        mailbox = self._mailbox
        task.on_report = lambda report: mailbox.post(lambda: on_report(task, report))
        self._pool.submit(_work, mailbox, task, on_done)

    def close(self) -> None:
        """Start no other task and deliver nothing more.

        Does not wait: the thread ends with the task that it is in.  May be called again.
        """
        self._mailbox.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _work(mailbox: Mailbox, task: Task, on_done: Callable[[Task, Outcome], None]) -> None:
    outcome = _outcome(task)
    mailbox.post(lambda: on_done(task, outcome))


def _outcome(task: Task) -> Outcome:
    try:
        task.check()
        return Done(task.job.run(task))
    except Cancelled:
        return Stopped()
    except BaseException as error:  # noqa: BLE001  (a panic in Rust is no Exception, but a value)
        if not isinstance(error, ValueError | OSError | MemoryError | ImportError):
            _log.exception("A job failed (%s).", task.job.state or task.job.priority.name.lower())
        # The traceback holds every array of the failed work.
        return Failed(error.with_traceback(None))
