"""The undo steps that we made, and the live objects around them.

Not here: when a step was undone or redone (``labels_target``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.masks import Painted, release

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Live", "Step", "less"]

Live = Mapping[Plane, Mapping[int, Painted]]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One undo step that we made: the viewer's record of it, and the live objects around it."""

    records: list[tuple[tuple[NDArray[np.intp], ...], NDArray[Any], Any]]
    before: Live
    after: Live

    def shows(self, data: NDArray[Any], *, done: bool) -> bool:
        """Whether the pixels are as after the step, or as before it; most often one look tells."""
        values = [(indices, new if done else old) for indices, old, new in self.records]
        indices, value = values[0]
        if data[tuple(axis[0] for axis in indices)] != np.ravel(value)[0]:
            return False
        return all(bool(np.all(data[indices] == value)) for indices, value in values)

    def within(self, other: Step, shape: tuple[int, ...]) -> bool:
        """Whether another step changed every pixel that this one changed."""
        own, others = (
            np.concatenate([np.ravel_multi_index(indices, shape) for indices, _, _ in s.records])
            for s in (self, other)
        )
        return bool(np.isin(own, others).all())


def less(live: Live, gone: frozenset[int], only: Plane | None) -> Live:
    """Return the live objects without some: on one plane, or on all for None."""
    return {
        plane: release(objects, gone) if only in (None, plane) else objects
        for plane, objects in live.items()
    }
