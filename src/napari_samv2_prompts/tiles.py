"""Tiles of a picture that is too large for one look, and which tile owns an object.

Tiles overlap by more than an object.  The cores of the tiles cover the picture without overlap, and
an object belongs to the tile whose core holds the middle of its box: so each is kept once, nothing
is merged, and every tile can be worked on by itself (the scheme of StarDist's large images, Weigert
et al. 2020).

Not here: reading pixels, finding objects.
"""

from __future__ import annotations

from dataclasses import dataclass

from napari_samv2_prompts.regions import Region

OVERLAP = 0.25
"""Usual overlap of tiles, in shares of their side."""
SLACK = 2.0
"""Pixels by which two tiles may disagree about an object's middle."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a picture to be worked on by itself."""

    region: Region  # what is read
    core: Region  # the part of it whose objects are the tile's
    shape: tuple[int, int]  # ``(height, width)`` of the picture

    def owns(self, box: tuple[int, int, int, int], slack: float = 0.0) -> bool:
        """Tell whether an object is this tile's.

        - `box`: ``(top, left, bottom, right)``, half open, in pixels of the picture
        - `slack`: how far outside the core the middle may be: two tiles may see an object's box
          slightly differently, and neither shall leave it to the other
        """
        row, column = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return (
            self.core.top - slack <= row < self.core.bottom + slack
            and self.core.left - slack <= column < self.core.right + slack
        )

    def keeps(self, box: tuple[int, int, int, int]) -> bool:
        """Tell whether an object is this tile's and whole in it."""
        return self.owns(box, SLACK) and not self.region.cuts(box, self.shape)


def tiles_of(shape: tuple[int, int], side: int, overlap: int) -> list[Tile]:
    """Cut a picture into tiles of equal size, row by row.

    - `shape`: ``(height, width)``
    - `side`: largest side of a tile in pixels.  A picture up to half as large again stays whole:
      tiles of it would cost more than they gain in detail.
    - `overlap`: pixels that neighbours have in common at least; objects up to this size are whole
      in one of them
    - raises ValueError if the overlap is not smaller than half the side
    """
    if not 0 <= overlap < side / 2:
        raise ValueError(f"Tiles of {side} pixels can overlap by less than half, not by {overlap}.")
    rows, columns = (_parts(length, side, overlap) for length in shape)
    return [
        Tile(
            Region(top, left, bottom, right),
            Region(row_core[0], column_core[0], row_core[1], column_core[1]),
            shape,
        )
        for (top, bottom), row_core in rows
        for (left, right), column_core in columns
    ]


def _parts(length: int, side: int, overlap: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Cut a length into overlapping parts, each with its core; cores end in mid-overlap."""
    if length <= side * 1.5:
        return [((0, length), (0, length))]
    count = -(-(length - overlap) // (side - overlap))
    starts = [round(index * (length - side) / (count - 1)) for index in range(count)]
    ends = [start + side for start in starts]
    cuts = [0, *((ends[n] + starts[n + 1]) // 2 for n in range(count - 1)), length]
    return [((starts[n], ends[n]), (cuts[n], cuts[n + 1])) for n in range(count)]
