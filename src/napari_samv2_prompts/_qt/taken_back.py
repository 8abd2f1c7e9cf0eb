"""A shape that was taken back because it can't have been meant, and bringing it again.

Not here: which one that is (``layers.strays``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Shapes
    from numpy.typing import NDArray

__all__ = ["TakenBack", "take_back"]

SAID = "A click without a drag draws no box: it was taken back. Undo brings it again."


@dataclass(frozen=True, slots=True, eq=False)
class TakenBack:
    """A shape that is not in its layer any more."""

    layer: Shapes
    vertices: NDArray[Any]
    kind: str
    object: int

    def bring_again(self) -> None:
        """Put it where it was, as its object."""
        self.layer.add([self.vertices], shape_type=self.kind)
        features = self.layer.features
        numbers = [*features["object"].tolist()[:-1], self.object]
        self.layer.features = features.assign(object=numbers)


def take_back(shapes: Shapes, row: int) -> TakenBack:
    """Remove a shape from its layer."""
    number = int(shapes.features["object"].iloc[row])
    taken = TakenBack(shapes, shapes.data[row].copy(), str(shapes.shape_type[row]), number)
    shapes.remove([row])
    return taken
