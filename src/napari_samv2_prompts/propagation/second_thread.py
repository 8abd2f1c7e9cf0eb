"""A second thread beside the one that follows objects.

Here: :class:`SecondThread`, which makes something ahead.  PyTorch has a team of threads for each
thread that calls it, and two teams as large as the machine wait for each other at every step: while
two threads compute, each has half.

Not here: what is made ahead (``stacks.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

Made = TypeVar("Made")


class SecondThread:
    """One more thread, which starts when there is something for it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "samv2-prompts-ahead")
        self._ahead: Future[Any] | None = None
        self._teams: Any = None
        self._half = 1

    def begin(self, make: Callable[..., Made], *args: Any) -> Future[Made]:
        """Make something ahead, with half of PyTorch's threads."""
        if self._teams is None:  # not before: PyTorch's own library is to be found
            self._teams = ThreadpoolController().select(user_api="openmp")
        threads = max((team.num_threads for team in self._teams.lib_controllers), default=1)
        self._half = max(1, threads // 2)

        def made() -> Made:
            with self._teams.limit(limits=self._half):
                return make(*args)

        self._ahead = self._thread.submit(made)
        return self._ahead

    def beside(self) -> AbstractContextManager[Any]:
        """Return what leaves half of PyTorch's threads to what is made ahead, while it is made."""
        if self._ahead is None or self._ahead.done():
            return nullcontext()
        half: AbstractContextManager[Any] = self._teams.limit(limits=self._half)
        return half

    def close(self) -> None:
        """Begin nothing any more; does not wait for what is under way.  Idempotent."""
        self._thread.shutdown(wait=False, cancel_futures=True)
