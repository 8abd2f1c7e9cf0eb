"""The Labels layers that results went to, and what stands in the way of writing.

The edits themselves are :class:`.layers.LabelsTarget`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psygnal import Signal

from napari_samv2_prompts.engine import Done, Job, Outcome, Report, Runner, Task
from napari_samv2_prompts.geometry import Plane, PlaneError
from napari_samv2_prompts.layers import LabelsTarget, TargetError, converted_labels
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

__all__ = ["Targets"]

QUICK = 4_000_000  # labels that are searched for the highest one in a few milliseconds


class Targets:
    """One :class:`.LabelsTarget` per Labels layer that was worked on.

    Parameters
    ----------
    runner : Runner
        Searches large layers for their highest label.

    Attributes
    ----------
    problem : str
        Why the last write or check did not work, in a sentence; empty if it did.
    offer : numpy.dtype or None
        The dtype that would solve the problem.
    """

    searched = Signal()  # a large layer's highest label was found

    def __init__(self, runner: Runner) -> None:
        self.problem = ""
        self.offer: Any = None
        self._runner = runner
        self._searching: set[UUID] = set()
        self._targets: dict[UUID, LabelsTarget] = {}

    def of(self, labels: Labels, highest: int | None = None) -> LabelsTarget:
        """Return the target for a layer, whose highest label may be known."""
        if labels.unique_id not in self._targets:
            self._targets[labels.unique_id] = LabelsTarget(labels, highest)
        return self._targets[labels.unique_id]

    @property
    def searching(self) -> bool:
        """Whether a layer is being searched for its highest label."""
        return bool(self._searching)

    def numbered(self, labels: Labels) -> bool:
        """Whether new objects can have their number; if not, the search for it is under way."""
        target, key = self.of(labels), labels.unique_id
        if not target.needs_scan or labels.data.size <= QUICK:
            return True
        if key not in self._searching:
            self._searching.add(key)
            search = target.scan_job()
            job = Job(key, lambda task: search())
            self._runner.submit(Task(job), self._on_searched, _ignore)
        return False

    def _on_searched(self, task: Task, outcome: Outcome) -> None:
        key: UUID = task.job.key  # type: ignore[assignment]
        self._searching.discard(key)
        if isinstance(outcome, Done) and key in self._targets:
            self._targets[key].set_highest(outcome.value)  # type: ignore[arg-type]
        self.searched.emit()

    def fits(self, labels: Labels, image: Image, dims: Dims) -> bool:
        """Whether masks of an image can be written to a layer; if not, the problem says why."""
        try:
            self.of(labels).check(image, dims)
        except (TargetError, PlaneError) as error:
            self._refuse(error)
            return False
        if self.offer is None:
            self.solved()
        return True

    def write(
        self, key: UUID | None, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy
    ) -> None:
        """Write masks, unless their layer is gone; None takes an object away."""
        target = None if key is None else self._targets.get(key)
        if target is None:
            return
        live = target.live(plane)
        wanted = {n: mask for n, mask in masks.items() if mask is not None or n in live}
        if not wanted:
            return
        try:
            target.write(plane, wanted, policy)
        except TargetError as error:
            self._refuse(error)
        else:
            self.solved()

    def converted(self, labels: Labels) -> NDArray[Any]:
        """Return a layer's labels in the dtype that was offered."""
        data: NDArray[Any] = converted_labels(labels, self.offer)
        self.solved()
        return data

    def accept(self, objects: frozenset[int]) -> None:
        """Leave objects to the user."""
        for target in self._targets.values():
            target.accept(objects)

    def solved(self) -> None:
        """Forget the problem."""
        self.problem, self.offer = "", None

    def keep(self, there: set[UUID]) -> tuple[UUID, ...]:
        """Let go of all layers but these; return those that went."""
        gone = tuple(key for key in self._targets if key not in there)
        for key in gone:
            self._targets.pop(key).close()
        return gone

    def close(self) -> None:
        """Let go of all layers; idempotent."""
        self._runner.close()
        self._searching.clear()
        self.keep(set())

    def _refuse(self, error: ValueError) -> None:
        self.problem, self.offer = str(error), getattr(error, "dtype", None)


def _ignore(task: Task, report: Report) -> None:
    """Take no notice."""
