"""What the section *Through the stack* does: which objects, which axis, where to go next.

Not here: following and writing (``propagating.py``), buttons (``panels/through.py``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_samv2_prompts.layers import kept_labels, layer_shape
from napari_samv2_prompts.propagation import Wanted

from .events import Connections
from .models import input_sides
from .propagating import Direction, Propagating, Through

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from .controller import Controller
    from .stack_work import StackWork

__all__ = ["Axis", "ThroughStack"]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis that is not shown, to go through.

    Attributes
    ----------
    number : int
        Of the image.
    name : str
    planes : int
    here : int
        The shown one.
    """

    number: int
    name: str
    planes: int
    here: int


class ThroughStack:
    """Follows objects of the chosen layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    controller : Controller
    """

    changed = Signal(Through)

    def __init__(self, viewer: Viewer, controller: Controller) -> None:
        self._viewer, self._controller = viewer, controller
        self._propagating = Propagating(controller.session, controller.writing)
        self._links = Connections()
        self._links.add(self._on_change, self._propagating.changed)
        self._links.add(self._on_situation, controller.situation_changed)

    @property
    def running(self) -> bool:
        """Whether objects are being followed."""
        return self._propagating.running

    @property
    def state(self) -> Through:
        """How far following is."""
        return self._propagating.state

    def axes(self) -> tuple[Axis, ...]:
        """Return the axes that can be gone through, the one whose slider was moved last first."""
        try:
            work = self._controller.stack_work()
        except ValueError:
            return ()
        image, plane = work.image, work.plane
        sizes, names = layer_shape(image), self._viewer.dims.axis_labels[-plane.ndim :]
        axes = [
            Axis(axis, str(names[axis]), sizes[axis], int(plane.index[axis] or 0))
            for axis in plane.hidden
            if sizes[axis] > 1
        ]
        return tuple(sorted(axes, key=lambda axis: axis.number != work.axis))

    def propagate(
        self,
        objects: Collection[int] | None = None,
        direction: Direction = "both",
        first: int | None = None,
        last: int | None = None,
        axis: int | None = None,
        stop_when_lost: bool = True,
    ) -> None:
        """Follow objects along an axis in the background; see the widget's ``propagate``."""
        work = self._work()
        through = self._axis_of(work, axis)
        planes = layer_shape(work.image)[through]
        low, high = first or 0, planes - 1 if last is None else last
        if not 0 <= low <= high < planes:
            raise ValueError(f"There are no planes from {low} to {high}: the axis has {planes}.")
        if direction not in ("forward", "back", "both"):
            raise ValueError(f"direction is {direction!r}: 'forward', 'back' or 'both'.")
        numbers = self._objects(work) if objects is None else frozenset(map(int, objects))
        if not numbers:
            raise ValueError(
                "There is no object to follow: draw one, or go to a plane with labels."
            )
        self._propagating.start(
            work.target, work.plane, through, numbers, work.view_at, work.model,
            input_sides(work.model), work.policy,
            Wanted(low, high, direction, stop_when_lost=stop_when_lost),
        )  # fmt: skip

    def cancel(self) -> None:
        """Stop following; what was found stays."""
        self._propagating.cancel()

    def next_doubtful(self) -> tuple[int, int] | None:
        """Go to the next doubtful plane and make its object current; return both."""
        found = self._propagating.next_doubtful()
        if found is None:
            return None
        place, number = found
        work = self._work()
        self._viewer.dims.set_current_step(
            self._propagating.axis + self._viewer.dims.ndim - work.plane.ndim, place
        )
        self._controller.pick_object(number)
        return found

    def end_here(self, number: int | None = None) -> None:
        """Say that an object, the current one by default, is not on the shown plane."""
        work = self._work()
        number = self._controller.situation().current if number is None else number
        axis = self._axis_of(work, None)
        self._propagating.end(work.target, work.plane, axis, number)

    def accepted(self, objects: Collection[int]) -> None:
        """Leave what was found of objects to the user."""
        self._propagating.accepted(objects)

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._links.close()
        self._propagating.close()

    def _work(self) -> StackWork:
        self._controller.flush()
        return self._controller.stack_work()

    def _axis_of(self, work: StackWork, axis: int | None) -> int:
        axes = [one.number for one in self.axes()]
        if axis is None and axes:
            return axes[0]
        if axis not in axes:
            raise ValueError("There is no such axis to go through: the image has one plane there.")
        return axis

    def _objects(self, work: StackWork) -> frozenset[int]:
        """Return the objects that have prompts, or else the labels of the shown plane."""
        labels = work.target.labels
        shown = labels.data[work.plane.indexer()]
        numbers = work.prompted or frozenset(set(map(int, set(shown.ravel().tolist()))) - {0})
        return numbers - kept_labels(labels)

    def _on_change(self, state: Through) -> None:
        self.changed.emit(state)

    def _on_situation(self, now: object) -> None:
        self._propagating.keep(self._controller.targets_there())
        self.changed.emit(replace(self.state))
