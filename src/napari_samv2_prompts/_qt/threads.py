"""Work in other threads, and calls in the thread of the window.

A :class:`MainThreadQueue` brings calls to the window's thread; a :class:`QtRunner` runs tasks in
one of its own, in order, every outcome a value; a :class:`Disk` reads and writes files in one, and
says how it goes.  What runs, others decide.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from napari.utils.notifications import show_error
from psygnal import Signal
from qtpy.QtCore import QCoreApplication, QObject, Qt, QTimer
from qtpy.QtCore import Signal as QtSignal  # type: ignore[attr-defined]

from napari_samv2_prompts.engine import (
    Cancelled,
    Done,
    Failed,
    Job,
    OnDone,
    OnReport,
    Outcome,
    Partial,
    Report,
    Runner,
    Stopped,
    Task,
)
from napari_samv2_prompts.engine.jobs import ignore_report, sentence

_log = logging.getLogger(__name__)

PATIENCE = 0.5
"""Seconds that work waits at most for the window, which may be closed and take nothing more."""


class MainThreadQueue(QObject):
    """Calls what is posted, from any thread, in the thread that made the queue.

    The call is made when the event that is being handled is over and before anything is drawn.  (A
    timer of 0 ms would wait for the drawing, which can take longer than all the rest.)  Once
    closed, nothing is called any more: not what is posted, nor what is on its way.
    """

    _posted = QtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._open = True
        self._posted.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], object]) -> None:
        """Have something called."""
        with self._lock:
            if self._open:
                self._posted.emit(call)

    def _call(self, call: Callable[[], object]) -> None:
        if self._open:
            call()

    def close(self) -> None:
        """Call nothing any more; idempotent."""
        with self._lock:
            self._open = False


def timer_for(call: Callable[[], object]) -> QTimer:
    """Return a timer that calls something once, whenever it has run down."""
    timer = QTimer()
    timer.setSingleShot(True)
    timer.timeout.connect(call)
    return timer


class DelayedCall:
    """Calls something once, soon or after a while, however often it is asked to.

    - `call`: has to call :meth:`begun` first
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._posted = False
        self._queue = MainThreadQueue()
        self._timer = timer_for(call)

    @property
    def waiting(self) -> bool:
        """Whether the call is still to come."""
        return self._posted or self._timer.isActive()

    def soon(self) -> None:
        """Call when the event that is being handled is over, before anything is drawn."""
        if not self._posted:
            self._timer.stop()
            self._posted = True
            self._queue.post(self._call_if_waiting)

    def after(self, ms: int) -> None:
        """Call after so many milliseconds, unless it is to be called soon anyway."""
        if not self._posted:
            self._timer.start(max(ms, self._timer.remainingTime()))

    def after_drawing(self, ms: int = 0) -> None:
        """Call when what waits to be drawn was drawn, and so many milliseconds have passed."""
        self._timer.start(ms)

    def begun(self) -> None:
        """Take it that the call is being made."""
        self._timer.stop()
        self._posted = False

    def close(self) -> None:
        """Call nothing any more that was to be called soon; idempotent."""
        self._queue.close()  # the timer goes on: at exit Qt may have deleted it by now

    def _call_if_waiting(self) -> None:
        if self.waiting:
            self._call()


class QtRunner:
    """Runs tasks in a thread of its own, which starts with the first one.

    Make it in the thread of the window.
    """

    def __init__(self) -> None:
        self._queue = MainThreadQueue()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samv2-prompts")

    def submit(self, task: Task, on_done: OnDone, on_report: OnReport) -> None:
        """Queue a task; see :class:`.engine.Runner`."""
        task.on_report = _Reports(self._queue, partial(on_report, task))
        self._pool.submit(_work, self._queue, task, on_done)

    def close(self) -> None:
        """Start no other task and deliver nothing more.

        Does not wait: the thread ends with the task that it is in.  May be called again.
        """
        self._queue.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


class _Reports:
    """Brings what a task reports to the window's thread, parts of a result one at a time.

    Whoever delivers many in a moment waits for the window, which would stand still under all of
    them: it handles whatever was posted before it looks at anything else.  After each it draws, and
    hears of the mouse, before the next may come.
    """

    def __init__(self, queue: MainThreadQueue, tell: Callable[[Report], None]) -> None:
        self._queue, self._tell = queue, tell
        self._taken = threading.Event()
        self._taken.set()

    def __call__(self, report: Report) -> None:
        if isinstance(report, Partial):
            self._taken.wait(PATIENCE)
            self._taken.clear()
        self._queue.post(lambda: self._take(report))

    def _take(self, report: Report) -> None:
        try:
            self._tell(report)
        finally:
            QTimer.singleShot(0, self._taken.set)


def _work(queue: MainThreadQueue, task: Task, on_done: OnDone) -> None:
    outcome = _outcome(task)
    queue.post(lambda: on_done(task, outcome))


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


class Disk:
    """Does one piece of work with files after the other, away from the thread of the window.

    - `make_runner`: makes a worker of its own, since nothing else shall wait for a slow disk; it
      ends when there is nothing more to do
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

        - `doing`: what is shown meanwhile, in a sentence; empty to leave there what is shown
        - `work`: must touch neither window nor layers
        - `then`: takes what `work` returned, unless this is closed by then; returns what is shown
          at the end.  A ValueError, OSError or MemoryError of either becomes a sentence for the
          user.
        """
        self._under_way += 1
        self._say(doing)
        task = Task(Job(doing, lambda task: _logged(work)))
        if self._runner is None:
            self._runner = self._make_runner()
        self._runner.submit(task, lambda task, end: self._on_end(task, end, then), ignore_report)

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

    def say(self, said: str) -> None:
        """Show a sentence of the caller's, unless this is closed."""
        if not self._closed:
            self._said = said
            self.changed.emit(said, self.busy)

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


def process_events_until(done: Callable[[], bool], timeout: float) -> bool:
    """Process events until something is done, or for so many seconds; return whether it is."""
    end = time.monotonic() + timeout
    QCoreApplication.processEvents()
    while not done():
        if time.monotonic() > end:
            return False
        QCoreApplication.processEvents()
        time.sleep(0.005)
    return True
