"""What a click would give, before it is made: outlines for a preview that nothing waits for.

A :class:`Hover` keeps the newest question only and has at most one in work, so that a moving mouse
never builds up a queue; it asks nothing while the session has anything else to do.  Its answers are
shown and forgotten: no label, prompt or result ever comes from here.

Not here: the mouse and the drawing (``_qt/hovering.py``).
"""

from __future__ import annotations

from collections.abc import Callable

from psygnal import Signal

from napari_samv2_prompts.prompts import Prompt

from .tasks import Done, Outcome, Progress, Runner, Task

__all__ = ["Hover"]


class Hover:
    """Asks for outlines, one at a time and the newest first.

    Parameters
    ----------
    task_for : callable
        Returns the task whose result is the :class:`.Outline` of a prompt, or None while there is
        none to be had: nothing embedded, or other work to do.
    runner : Runner
        The session's.
    on_idle : callable
        Called when an outline is done and no other is wanted.
    """

    changed = Signal(object)  # an Outline to be shown, or None

    def __init__(
        self,
        task_for: Callable[[Prompt], Task | None],
        runner: Runner,
        on_idle: Callable[[], object],
    ) -> None:
        self._task_for = task_for
        self._on_idle = on_idle
        self._runner = runner
        self._wanted: Prompt | None = None
        self._task: Task | None = None  # in work: cancelled or not, until it ends
        self._shown = False

    def ask(self, prompt: Prompt) -> None:
        """Have the outline of a prompt shown, unless a newer one is asked for first."""
        self._wanted = prompt
        self._next()

    def drop(self) -> None:
        """Show nothing and forget what was asked for."""
        self._wanted = None
        if self._task is not None:
            self._task.cancel()
        self._show(None)

    @property
    def busy(self) -> bool:
        """Whether an outline is in work."""
        return self._task is not None

    def _next(self) -> None:
        if self._wanted is None or self._task is not None:
            return
        prompt, self._wanted = self._wanted, None
        self._task = self._task_for(prompt)
        if self._task is None:
            self._show(None)
        else:
            self._runner.submit(self._task, self._on_done, _ignore)

    def _on_done(self, task: Task, outcome: Outcome) -> None:
        self._task = None
        if not task.cancelled:
            self._show(outcome.value if isinstance(outcome, Done) else None)
        self._next()
        if self._task is None:
            self._on_idle()

    def _show(self, outline: object) -> None:
        if outline is not None or self._shown:
            self._shown = outline is not None
            self.changed.emit(outline)


def _ignore(task: Task, progress: Progress) -> None:
    """Take no notice."""
