"""What a click would give, before it is made: outlines for a preview that nothing waits for.

A :class:`Preview` keeps the newest question only and has at most one in work, so that a moving
mouse never builds up a queue; it asks nothing while the session has anything else to do.  Its
answers are shown and forgotten: no label, prompt or result ever comes from here.

Not here: the mouse and the drawing (``_qt/preview.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.prompts import Prompt

from .coordinates import in_view
from .jobs import Done, Job, Outcome, Runner, Task, ignore_report
from .protocols import Embedding, Predictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OUTSIDE = -1e3  # a logit that is surely not object; finite, as lines run between the cells


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """The border of a mask."""

    # Shape (N, 2): closed lines of ``(x, y)`` in pixels of the plane: the outer ones and those of
    # holes.
    lines: tuple[NDArray[np.float64], ...]


def outline(predictor: Predictor, embedding: Embedding, view: ImageView, prompt: Prompt) -> Outline:
    """Return the border of the mask that a prompt would get in a view that holds it."""
    logits = predictor.preview(embedding, in_view(prompt, view, embedding.logits_size))
    lines = outline_of(logits, view.region.size).lines
    corner = np.array([view.region.left, view.region.top])
    return Outline(tuple(line + corner for line in lines))


def outline_of(logits: NDArray[np.float32], size: tuple[int, int]) -> Outline:
    """Return where low-res logits cross zero, in pixels of the picture that they cover.

    - `logits`: array of shape (h, w), float32
    - `size`: ``(height, width)`` of the picture in pixels
    """
    from skimage.measure import find_contours  # importing it takes long enough to be noticed

    # One more cell of the same takes lines to the picture's edge, one outside closes them there.
    padded = np.pad(np.pad(logits, 1, mode="edge"), 1, constant_values=_OUTSIDE)
    scale = np.divide(size, logits.shape)
    lines = []
    for line in find_contours(padded, 0.0):
        rows_columns = (line - 1.5) * scale - 0.5  # without padding; from cells' to pixels' centres
        lines.append(np.clip(rows_columns, -0.5, np.subtract(size, 0.5))[:, ::-1])
    return Outline(tuple(lines))


class Preview:
    """Asks for outlines, one at a time and the newest first.

    - `job_for`: returns the job whose result is the :class:`.Outline` of a prompt, or None while
      there is none to be had: nothing embedded, or other work to do
    - `runner`: the session's
    - `on_idle`: called when an outline is done and no other is wanted
    """

    changed = Signal(object)  # an Outline to be shown, or None

    def __init__(
        self,
        job_for: Callable[[Prompt], Job[Any] | None],
        runner: Runner,
        on_idle: Callable[[], object],
    ) -> None:
        self._job_for = job_for
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
        job = self._job_for(prompt)
        if job is None:
            self._show(None)
        else:
            self._task = Task(job)
            self._runner.submit(self._task, self._on_done, ignore_report)

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
