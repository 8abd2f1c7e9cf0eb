"""Reading a stack's planes and embedding the parts of them that are needed.

Here: :class:`ArrayStack` and :class:`Embeddings`.  Which part is embedded is a function of what is
looked for and of nothing else, on a grid, so that it stays the same from plane to plane as long as
the objects move little, and coming back finds what was embedded before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.regions import MARGIN, InputSides, Region, choose_region

from .patches import union
from .values import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ArrayStack", "Embeddings"]


class ArrayStack:
    """A stack in memory, or lazy with numpy's indexing; see :class:`.Stack`.

    Parameters
    ----------
    planes : array of shape (Z, H, W) or (Z, H, W, 3), uint8
    """

    def __init__(self, planes: Any) -> None:
        self._planes = planes
        depth, height, width = planes.shape[:3]
        self.shape: tuple[int, int, int] = depth, height, width

    def read(self, plane: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Return a part of a plane."""
        return np.asarray(self._planes[plane, rows, columns])


class Embeddings:
    """Embeddings of parts of planes, the last ones kept.

    Parameters
    ----------
    shape : tuple of int
        ``(height, width)`` of a plane.
    embed : callable
        ``(plane, region) -> embedding``.
    sides : InputSides
        Of the model: a plane of at most the larger one is embedded whole.
    budget : int
        Bytes of embeddings to keep.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        embed: Callable[[int, Region], Any],
        sides: InputSides,
        budget: int = 2**30,
    ) -> None:
        self._shape, self._make, self._sides, self._budget = shape, embed, sides, budget
        self._kept: OrderedDict[tuple[int, Region], Any] = OrderedDict()

    @property
    def whole(self) -> bool:
        """Whether a plane is no larger than what the model sees in full detail."""
        return max(self._shape) <= self._sides.most

    @classmethod
    def of_stack(
        cls, stack: Stack, embed: Callable[[NDArray[np.uint8]], Any], sides: InputSides
    ) -> Embeddings:
        """Return the embeddings of a stack, by a predictor's ``embed``."""

        def make(plane: int, region: Region) -> Any:
            rows, columns = slice(region.top, region.bottom), slice(region.left, region.right)
            return embed(np.ascontiguousarray(stack.read(plane, rows, columns))).halved()

        return cls(stack.shape[1:], make, sides)

    def __call__(self, plane: int, wanted: Region) -> tuple[Any, Region]:
        """Return the embedding of a part of a plane that holds `wanted`, and which part that is."""
        region = self.region(wanted)
        key = plane, region
        if key not in self._kept:
            self._kept[key] = self._make(plane, region)
            while len(self._kept) > 1 and self._size() > self._budget:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key], region

    def region(self, wanted: Region) -> Region:
        """Return the part of a plane that is embedded to see another part of it."""
        if self.whole:
            return Region.whole(self._shape)
        return choose_region(self._shape, wanted.extent, sides=self._sides)

    def together(self, windows: Mapping[int, Region]) -> list[list[int]]:
        """Return which objects to embed together: what they need fits the model's largest input.

        Parameters
        ----------
        windows : mapping of object to Region
            Where each is looked for.
        """
        if self.whole:
            return [list(windows)]
        groups: list[list[int]] = []
        # choose_region adds a margin, and goes to a grid.
        most = self._sides.most / (1 + 3 * MARGIN)
        for number in sorted(windows, key=lambda n: (windows[n].top, windows[n].left, n)):
            for group in groups:
                if max(union([windows[n] for n in (*group, number)]).size) <= most:
                    group.append(number)
                    break
            else:
                groups.append([number])
        return groups

    def _size(self) -> int:
        return sum(embedding.nbytes for embedding in self._kept.values())
