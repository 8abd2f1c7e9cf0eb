"""Which object the next prompt belongs to.

The rules: a drawn shape starts a new object and makes it current; a click goes to the current
object; the next object is the next free number.  The current object is the selected label of the
Labels layer, too, so that a brush corrects what was clicked.

Not here: columns and colours of the layers (``layers.prompt_layers``), results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.layers import (
    LabelsTarget,
    adopt_prompt_layer,
    highest_object,
    prompted_objects,
    set_new_prompt,
)

from .wishes import id_of

if TYPE_CHECKING:
    from uuid import UUID

    from napari.components import Dims
    from napari.layers import Labels, Points, Shapes

__all__ = ["CurrentObject", "LastPrompts"]


class CurrentObject:
    """The object that clicks go to, and the sign of the next click.

    Attributes
    ----------
    number : int
        0 while it is not known which numbers are free.
    positive : bool
    """

    def __init__(self) -> None:
        self.number = 1
        self.positive = True
        self._points: Points | None = None
        self._shapes: Shapes | None = None
        self._target: LabelsTarget | None = None
        self._labels: Labels | None = None
        self._n_shapes = 0

    def choose(
        self,
        points: Points | None,
        shapes: Shapes | None,
        labels: Labels | None,
        target: LabelsTarget | None,
    ) -> None:
        """Work on these layers from now on, giving them the columns they lack."""
        same = self.number and (points, shapes, labels) == (
            self._points,
            self._shapes,
            self._labels,
        )
        self._points, self._shapes = points, shapes
        self._labels, self._target = labels, target
        for layer in (points, shapes):
            if layer is not None:
                adopt_prompt_layer(layer, self._free())
        if not same:
            self.number, self.positive = self._free(), True
        self._n_shapes = 0 if shapes is None else len(shapes.data)
        self.prepare()

    def wait(self, points: Points | None, shapes: Shapes | None) -> None:
        """Have no number until `choose`: what is drawn meanwhile gets its object then."""
        self._points, self._shapes, self.number = points, shapes, 0
        self.prepare()

    @property
    def started(self) -> bool:
        """Whether the current object has a prompt already, on whatever plane."""
        return self.number in prompted_objects(self._points, self._shapes)

    def prepare(self) -> None:
        """Have the layers give the next prompt its object, sign and colour."""
        set_new_prompt(
            self._points,
            self._shapes,
            object_=self.number,
            polarity="positive" if self.positive else "negative",
            labels=self._labels,
            shape_object=self._free() if self.number and self.started else self.number,
        )
        labels = self._labels
        if (
            labels is not None
            and labels.selected_label != self.number
            and self.number > 0
            and self.number <= np.iinfo(labels.data.dtype).max
        ):
            labels.selected_label = self.number

    def next(self) -> None:
        """End the current object, so that the next click starts another."""
        self.number, self.positive = self._free(), True

    def pick(self, number: int) -> None:
        """Go (back) to an object."""
        if number != self.number:
            self.number, self.positive = number, True

    def take_new_shapes(self, dims: Dims) -> None:
        """Make shapes that were just added objects of their own, and the last of them current.

        The layer gave all of them the same number; a pasted one has the number of its original,
        which it keeps on another plane only.
        """
        layer = self._shapes
        if layer is None or not self.number:
            return
        first, self._n_shapes = self._n_shapes, len(layer.data)
        if len(layer.data) <= first or "object" not in layer.features:
            return
        adopt_prompt_layer(layer, self._free())  # a number may have been cleared by hand
        planes = _hidden_parts(layer, dims)
        numbers = [int(number) for number in layer.features["object"]]
        seen = set(zip(numbers[:first], planes[:first], strict=True))
        free = self._free()
        for row in range(first, len(numbers)):
            if (numbers[row], planes[row]) in seen:
                numbers[row], free = free, free + 1
            seen.add((numbers[row], planes[row]))
        if numbers != list(layer.features["object"]):
            layer.features = layer.features.assign(object=numbers)
        self.number, self.positive = numbers[-1], True

    def _free(self) -> int:
        used = highest_object(self._points, self._shapes)
        return used + 1 if self._target is None else self._target.next_free(at_least=used)


def _hidden_parts(layer: Shapes, dims: Dims) -> list[tuple[int, ...]]:
    """Return for each shape where it stands on the axes that are not shown."""
    first = dims.ndim - layer.ndim
    hidden = [axis - first for axis in dims.not_displayed if axis >= first]
    return [tuple(np.rint(np.mean(shape[:, hidden], axis=0)).astype(int)) for shape in layer.data]


class LastPrompts:
    """Notices which objects lost their last prompt, on whatever plane.

    Prompts are lost by deleting them.  Those of other layers than before are not lost.
    """

    def __init__(self) -> None:
        self._layers: tuple[UUID | None, ...] = ()
        self._prompted: frozenset[int] = frozenset()

    def lost(
        self, points: Points | None, shapes: Shapes | None, labels: Labels | None
    ) -> frozenset[int]:
        """Return the objects that had prompts when last asked and have none now."""
        layers = tuple(id_of(layer) for layer in (points, shapes, labels))
        prompted = prompted_objects(points, shapes)
        lost = self._prompted - prompted if layers == self._layers else frozenset()
        self._layers, self._prompted = layers, prompted
        return lost
