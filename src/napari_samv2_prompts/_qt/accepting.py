"""Accepted masks become labels, a few at a time, so that the window goes on meanwhile.

All of them are one step that can be undone; taken back before they are written, they are left.

Not here: what is accepted (``find_all.py``), the edit itself (``layers.found``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from psygnal import Signal
from qtpy.QtCore import QTimer

from napari_samv2_prompts.layers import TargetError

if TYPE_CHECKING:
    from napari_samv2_prompts.layers.found import Accepting

    from .controller import Controller


class AcceptedWriting:
    """Writes what was accepted last."""

    told = Signal(str)  # how far it is, in a sentence
    done = Signal(object, object)  # labels' id, and a dict of new labels and their scores

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._work: Accepting | None = None
        self._labels: UUID | None = None
        self._scores: dict[int, float] = {}
        self._closed = False

    @property
    def running(self) -> bool:
        """Whether something is left to be written."""
        return self._work is not None

    def begin(self, work: Accepting, labels: UUID | None, scores: dict[int, float]) -> None:
        """Write the first masks now, and the others when what waits was done.

        - `labels`: the id of their layer
        - `scores`: of all masks, by their new numbers
        """
        self._work, self._labels, self._scores = work, labels, scores
        self._write_some()

    def finish(self) -> None:
        """Write what is left now."""
        while self._work is not None:
            self._write_some()

    def close(self) -> None:
        """Write what is left, and look at nothing any more; idempotent."""
        self._closed = True
        self.finish()

    def _write_some(self) -> None:
        work, now = self._work, self._controller
        if work is None:
            return
        written, problem = False, ""
        try:
            with now.events.blocked():
                written = work.write_some()
        except TargetError as error:
            problem = f" {error}"
        done = {n: score for n, score in self._scores.items() if n not in work.left}
        if written and work.left:
            QTimer.singleShot(0, self._write_some)
            self.told.emit(f"Accepting: {len(done)} of {len(self._scores)}.")
            return
        self._work = None
        self.done.emit(self._labels, done)
        if not self._closed:
            now.refresh()
        self.told.emit(f"Accepted {len(done)} as labels. Undo takes them back.{problem}")
