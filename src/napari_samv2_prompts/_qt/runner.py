"""One worker thread per widget, with results delivered in the thread of the window.

The session decides what to run; here is only how: in order, one at a time, every outcome a value.
An unforeseen error is logged with its traceback and delivered like any other, never raised.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

from napari_samv2_prompts.session import Cancelled, Done, Failed, Outcome, Progress, Stopped, Task

__all__ = ["QtRunner"]

_log = logging.getLogger(__name__)


class _Mailbox(QObject):
    """Calls what is posted from any thread in the thread that made the mailbox.

    Once closed, nothing is called any more: not what is posted, nor what is on its way.
    """

    _posted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._open = True
        self._posted.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None]) -> None:
        with self._lock:
            if self._open:
                self._posted.emit(call)

    def _call(self, call: Callable[[], None]) -> None:
        if self._open:
            call()

    def close(self) -> None:
        with self._lock:
            self._open = False


class QtRunner:
    """Runs tasks in a thread of its own, which starts with the first one.

    Make it in the thread of the window.
    """

    def __init__(self) -> None:
        self._mailbox = _Mailbox()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samv2-prompts")

    def submit(
        self,
        task: Task,
        on_done: Callable[[Task, Outcome], None],
        on_progress: Callable[[Task, Progress], None],
    ) -> None:
        """Queue a task; see :class:`.session.Runner`."""
        mailbox = self._mailbox
        task.on_progress = lambda progress: mailbox.post(lambda: on_progress(task, progress))
        self._pool.submit(_work, mailbox, task, on_done)

    def close(self) -> None:
        """Start no other task and deliver nothing more.

        Does not wait: the thread ends with the task that it is in.  May be called again.
        """
        self._mailbox.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def _work(mailbox: _Mailbox, task: Task, on_done: Callable[[Task, Outcome], None]) -> None:
    outcome = _outcome(task)
    mailbox.post(lambda: on_done(task, outcome))


def _outcome(task: Task) -> Outcome:
    try:
        task.check()
        return Done(task.work(task))
    except Cancelled:
        return Stopped()
    except Exception as error:  # noqa: BLE001  (whatever it is becomes a value)
        if not isinstance(error, ValueError | OSError | MemoryError):
            _log.exception("The task %r failed.", str(task.kind))
        # The traceback holds every array of the failed work.
        return Failed(error.with_traceback(None))
