"""Looking for objects in the tiles of a plane: what a tile is searched for, as a value.

It is small, and made when its turn comes: so that it can be done in another thread, or on another
machine.

Not here: the search (``samv2.find_all``), what a tile is (``tiles.py``).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.tiles import Tile

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TileSearch:
    """What a tile is searched for."""

    selection: Selection  # what counts as found
    # Where in the tile there are labels already: packed bits, compressed.
    taken: bytes | None = None
    example: MaskCrop | None = None  # an object in pixels of the tile: only its like are looked for

    def __call__(
        self, predictor: Any, embedding: Any, found: Sequence[Any]
    ) -> Iterable[Sequence[Any]]:
        """Search; see :data:`.Find`."""
        from napari_samv2_prompts.samv2.find_all import Search, find_all

        taken = None
        if self.taken is not None:
            height, width = embedding.image_size
            bits = np.frombuffer(zlib.decompress(self.taken), np.uint8)
            taken = np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
        search = Search(self.selection)
        return find_all(
            predictor, embedding, search, taken=taken, example=self.example, known=found
        )


@dataclass(frozen=True, slots=True, eq=False)
class TileSearches:
    """What all tiles of a plane are searched for; see :data:`.Find`."""

    selection: Selection
    tiles: tuple[Tile, ...]
    # Tells where in a region of the plane there are labels already.  Called when a tile's turn
    # comes, in the worker.
    taken: Callable[[Region], NDArray[np.bool_]] | None = None
    example: MaskCrop | None = None  # in pixels of the plane

    def __call__(
        self, predictor: Any, embedding: Any, number: int, found: Sequence[Any]
    ) -> Iterable[Sequence[Any]]:
        """Search a tile here."""
        return self.of(number)(predictor, embedding, found)

    def of(self, number: int) -> TileSearch:
        """Return what a tile is searched for."""
        region = self.tiles[number].region
        taken = None if self.taken is None else self.taken(region)
        packed = None
        if taken is not None and taken.any():
            packed = zlib.compress(np.packbits(taken).tobytes(), 1)
        example = self.example and MaskCrop(0, 0, self.example.within(region))
        return TileSearch(self.selection, packed, example)
