"""Calls that are made later, in the thread of the window."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtpy.QtCore import QObject, Qt, Signal  # type: ignore[attr-defined]

__all__ = ["Mailbox"]


class Mailbox(QObject):
    """Calls what is posted, from any thread, in the thread that made the mailbox.

    The call is made when the event that is being handled is over and before anything is drawn.  (A
    timer of 0 ms would wait for the drawing, which can take longer than all the rest.)  Once
    closed, nothing is called any more: not what is posted, nor what is on its way.
    """

    _posted = Signal(object)

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
