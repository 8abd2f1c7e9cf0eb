"""Embedding the parts of a stack's planes that are needed.

Here: :class:`Embeddings`.  Which part is embedded is a function of what is looked for and of
nothing else, on a grid, so that it stays the same from plane to plane as long as the objects move
little, and coming back finds what was embedded before.

What is wanted next is embedded on a second thread meanwhile (``second_thread.py``).  An embedding
is the same whoever makes it, so that this changes nothing but when it is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.regions import MARGIN, InputSides, Region, choose_region, union

from .second_thread import SecondThread
from .values import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMBEDDINGS = 2**28
"""Bytes of embeddings that are kept: planes are gone through to and fro between two anchors."""


class Embeddings:
    """Embeddings of parts of planes, the last ones kept, and the next one made ahead.

    - `shape`: ``(height, width)`` of a plane
    - `embed`: ``(plane, region) -> embedding``; called from two threads
    - `sides`: of the model: a plane of at most the larger one is embedded whole
    - `budget`: bytes of embeddings to keep, besides the one in use and the one made ahead
    - `.second_thread`: what makes them ahead
    """

    def __init__(
        self,
        shape: tuple[int, int],
        embed: Callable[[int, Region], Any],
        sides: InputSides,
        budget: int = EMBEDDINGS,
    ) -> None:
        self._shape, self._make, self._sides, self._budget = shape, embed, sides, budget
        self._kept: OrderedDict[tuple[int, Region], Any] = OrderedDict()
        self._ahead: tuple[tuple[int, Region], Future[Any]] | None = None
        self.second_thread = SecondThread()

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
            return embed(np.ascontiguousarray(stack.read(plane, *region.slices))).halved()

        return cls(stack.shape[1:], make, sides)

    def __call__(
        self, plane: int, wanted: Region, then: tuple[int, Region] | None = None
    ) -> tuple[Any, Region]:
        """Return the embedding of a part of a plane that holds `wanted`, and which part that is.

        - `then`: what will be asked for next, as far as that can be told: it is begun now
        """
        region = self.region(wanted)
        key = plane, region
        if key not in self._kept:
            self._keep(key, self._made(key))
        self._kept.move_to_end(key)
        if then is not None:
            self._begin((then[0], self.region(then[1])))
        return self._kept[key], region

    def close(self) -> None:
        """Make nothing ahead any more; does not wait for what is under way.  Idempotent."""
        self.second_thread.close()
        self._ahead = None

    def _made(self, key: tuple[int, Region]) -> Any:
        if self._ahead is not None and self._ahead[0] == key:
            _, future = self._ahead
            self._ahead = None
            return future.result()
        return self._make(*key)

    def _begin(self, key: tuple[int, Region]) -> None:
        """Embed something on the second thread, in place of what was begun before."""
        if key in self._kept or (self._ahead is not None and self._ahead[0] == key):
            return
        if self._ahead is not None:
            self._ahead[1].cancel()
        self._ahead = key, self.second_thread.begin(self._make, *key)

    def _keep(self, key: tuple[int, Region], embedding: Any) -> None:
        self._kept[key] = embedding
        while len(self._kept) > 1 and self._size() > self._budget:
            self._kept.popitem(last=False)

    def region(self, wanted: Region) -> Region:
        """Return the part of a plane that is embedded to see another part of it."""
        if self.whole:
            return Region.whole(self._shape)
        return choose_region(self._shape, wanted.extent, sides=self._sides)

    def together(self, windows: Mapping[int, Region]) -> list[list[int]]:
        """Return which objects to embed together: what they need fits the model's largest input.

        - `windows`: where each is looked for
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
