"""Who came from whom: objects of a labelled film as tracks, with their parents.

Here: :class:`Track` and :class:`Lineage`, read off the labels: an object's track is where its label
is.  Only parents are kept beside the labels.

Not here: files (``io/lineage_files.py``), napari's Tracks layer (``layers``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Track:
    """An object from its first frame to its last one.

    - `.object`: its label
    - `.first`, `.last`: frames
    - `.parent`: the object that divided into this one and others; 0 if it did not come from a
      division
    """

    object: int
    first: int
    last: int
    parent: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """The tracks of a film.

    - `.tracks`: by rising number
    - `.spots`: array of shape (n, 2 + spatial axes), float64; an object on a frame a row: object,
      frame, then its middle as (row, column), or (plane, row, column), in pixels.  By object, then
      by frame.
    """

    tracks: tuple[Track, ...]
    spots: NDArray[np.float64]

    @classmethod
    def of(
        cls, frames: Iterable[NDArray[Any]], parents: Mapping[int, int] | None = None
    ) -> Lineage:
        """Read labels frame by frame.

        - `frames`: iterable of array of shape (H, W) or (Z, H, W), integers
        - `parents`: daughter: parent.  Of objects without a label, and of daughters that are there
          before their parent is gone, nothing is taken over.
        """
        rows = [row for frame, labels in enumerate(frames) for row in _middles(labels, frame)]
        rows.sort(key=lambda row: row[:2])
        spots = np.array(rows, np.float64).reshape(len(rows), -1 if rows else 4)
        spans: dict[int, tuple[int, int]] = {}
        for number, frame in spots[:, :2].astype(int).tolist():
            spans[number] = spans.get(number, (frame, frame))[0], frame
        tracks = []
        for number, (first, last) in spans.items():
            parent = (parents or {}).get(number, 0)
            if parent not in spans or spans[parent][1] >= first:
                parent = 0
            tracks.append(Track(number, first, last, parent))
        return cls(tuple(tracks), spots)

    @property
    def parents(self) -> dict[int, int]:
        """Daughter: parent."""
        return {track.object: track.parent for track in self.tracks if track.parent}

    def without_gaps(self) -> tuple[Lineage, dict[tuple[int, int], int]]:
        """Return the lineage with a new track wherever an object comes back after a gap.

        - returns `lineage`: what comes after a gap has a number of its own, and what came before as
          its parent
        - returns `numbers`: the number there; only of what has another one now
        """
        spare = max((track.object for track in self.tracks), default=0)
        numbers: dict[tuple[int, int], int] = {}
        tracks: list[Track] = []
        for track in self.tracks:
            mine = self.spots[:, 0] == track.object
            frames = self.spots[mine, 1].astype(int).tolist()
            breaks = [at for at, (a, b) in enumerate(pairwise(frames), 1) if b > a + 1]
            number, parent = track.object, track.parent
            for start, stop in pairwise([0, *breaks, len(frames)]):
                if start:
                    spare, parent = spare + 1, number
                    number = spare
                    numbers |= {(track.object, frame): number for frame in frames[start:stop]}
                tracks.append(Track(number, frames[start], frames[stop - 1], parent))
        own = {track.object: track for track in self.tracks}
        tracks = [
            replace(track, parent=numbers.get((parent, own[parent].last), parent))
            if track.object in own and (parent := track.parent)
            else track
            for track in tracks
        ]
        spots = self.spots.copy()
        for row in spots:
            row[0] = numbers.get((int(row[0]), int(row[1])), row[0])
        spots = spots[np.lexsort((spots[:, 1], spots[:, 0]))]
        return Lineage(tuple(sorted(tracks, key=lambda t: t.object)), spots), numbers


def _middles(labels: NDArray[Any], frame: int) -> list[tuple[float, ...]]:
    """Return object, frame and middle of each label of a frame."""
    numbers, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape)
    places = np.flatnonzero(numbers > 0)
    middles = ndimage.center_of_mass(np.ones(labels.shape, np.uint8), compact, places)
    return [
        (int(numbers[at]), frame, *map(float, middle))
        for at, middle in zip(places, middles, strict=True)
    ]
