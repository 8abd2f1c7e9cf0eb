"""The Labels layers that results went to, and what stands in the way of writing.

The edits themselves are :class:`.layers.LabelsTarget`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import LabelsTarget, TargetError, converted_labels
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels

__all__ = ["Targets"]


class Targets:
    """One :class:`.LabelsTarget` per Labels layer that was worked on.

    Attributes
    ----------
    problem : str
        Why the last write or check did not work, in a sentence; empty if it did.
    offer : numpy.dtype or None
        The dtype that would solve the problem.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.offer: Any = None
        self._targets: dict[UUID, LabelsTarget] = {}

    def of(self, labels: Labels) -> LabelsTarget:
        """Return the target for a layer."""
        if labels.unique_id not in self._targets:
            self._targets[labels.unique_id] = LabelsTarget(labels)
        return self._targets[labels.unique_id]

    def fits(self, labels: Labels, image: Image, dims: Dims) -> bool:
        """Whether masks of an image can be written to a layer; if not, the problem says why."""
        try:
            self.of(labels).check(image, dims)
        except TargetError as error:
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

    def convert(self, labels: Labels) -> None:
        """Give a layer the dtype that was offered."""
        if self.offer is not None:
            labels.data = converted_labels(labels, self.offer)
            self.solved()

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
        self.keep(set())

    def _refuse(self, error: TargetError) -> None:
        self.problem, self.offer = str(error), error.dtype
