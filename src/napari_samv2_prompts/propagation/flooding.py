"""Flooding a stack from objects whose place is known, part by part, as if it were done at once.

Each part is cut into regions, one around each minimum of the heights and around each place that is
known (a watershed: Meyer and Beucher, J. Vis. Commun. Image Represent. 1990).  Regions that touch
are joined in the order of the lowest pass between them, until each belongs to a known place: that
is the minimum spanning forest of their graph, in which a watershed of all parts together would end
(Cousty et al., IEEE TPAMI 2009).  So only regions are kept in memory, not pixels.

Here: :func:`regions_of` and :class:`RegionGraph`.  Not here: what is known, and what heights are
(``walls.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUND = 1
"""The label of what belongs to no object; those of objects are higher."""


def regions_of(
    height: NDArray[np.float32],
    known: NDArray[np.int32],
    within: NDArray[np.bool_],
    step: float,
    first: int,
) -> NDArray[np.int32]:
    """Cut a part of a stack into regions.

    Parameters
    ----------
    height : array of shape (planes, h, w)
    known : array of shape (planes, h, w)
        Labels of pixels that are known, from :data:`GROUND` on; 0 elsewhere.
    within : array of shape (planes, h, w), bool
        What is cut.
    step : float
        Heights are minima where they are lower than all around them by this, about.
    first : int
        Number of the first region that is not known; higher than all labels.

    Returns
    -------
    array of shape (planes, h, w), int32
        Labels, and numbers of regions; 0 where nothing is cut.
    """
    from skimage.morphology import local_minima  # importing them takes long
    from skimage.segmentation import watershed

    steps = np.floor(height / max(step, 1e-3)).astype(np.int32)
    minima = local_minima(steps, connectivity=1) & (known == 0) & within
    places, _ = ndimage.label(minima)
    seeds = np.where(minima, places + first - 1, known)
    return np.asarray(watershed(height, seeds, mask=within), np.int32)


@dataclass(slots=True, eq=False)
class RegionGraph:
    """Regions of all parts, how much of each is covered, and the lowest passes between them.

    - `labels`: the highest label of what is known
    - `count`: the highest number of a region so far
    """

    labels: int
    count: int = 0
    _pixels: list[NDArray[np.int64]] = field(default_factory=list)
    _covered: list[NDArray[np.int64]] = field(default_factory=list)
    _passes: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin behind the labels."""
        self.count = self.labels
        self._pixels.append(np.zeros(self.labels + 1, np.int64))
        self._covered.append(np.zeros(self.labels + 1, np.int64))

    def add(
        self,
        regions: NDArray[np.int32],
        height: NDArray[np.float32],
        covered: NDArray[np.bool_],
        before: tuple[NDArray[np.int32], NDArray[np.float32]] | None,
    ) -> None:
        """Take in a part.

        - `regions`: as :func:`regions_of` gives them, numbered from `count` + 1 on
        - `covered`: what may belong to an object
        - `before`: regions and heights of the plane before the first one
        """
        beyond, new = self.count + 1, int(max(regions.max(), self.count))
        flat = np.maximum(regions.ravel().astype(np.int64) - self.count, 0)
        self._pixels.append(np.bincount(flat, minlength=new - beyond + 2)[1:])
        weights = np.bincount(flat, covered.ravel(), minlength=new - beyond + 2)[1:]
        self._covered.append(weights.astype(np.int64))
        self.count = new
        for axis in range(3):
            first = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            last = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            self._pass(regions[first], regions[last], height[first], height[last])
        if before is not None:
            self._pass(before[0], regions[0], before[1], height[0])

    def _pass(
        self,
        first: NDArray[np.int32],
        last: NDArray[np.int32],
        low: NDArray[np.float32],
        high: NDArray[np.float32],
    ) -> None:
        """Keep the lowest pass between each two regions that touch."""
        touch = (first != last) & (first > 0) & (last > 0)
        ends = np.stack([first[touch], last[touch]]).astype(np.int64)
        ends.sort(axis=0)
        self._passes.append(_lowest(ends, np.maximum(low[touch], high[touch])))

    def settled(self, least: float) -> NDArray[np.int32]:
        """Join regions until all belong to something known.

        - `least`: regions covered by a smaller share are ground
        - returns the label of each region, by number; 0 for what nothing known is connected to
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

        pixels, covered = np.concatenate(self._pixels), np.concatenate(self._covered)
        bare = np.flatnonzero((pixels > 0) & (covered < least * pixels))
        # A root lower than all else is joined to what is known, and ground to what is bare: the
        # tree holds all of these, so that without the root each part has one label.
        lows = np.concatenate([np.zeros(self.labels, np.int64), np.full(len(bare), GROUND)])
        highs = np.concatenate([np.arange(1, self.labels + 1), bare])
        ends, height = _lowest(
            np.concatenate([np.stack([lows, highs]), *(ends for ends, _ in self._passes)], axis=1),
            np.concatenate([np.full(len(lows), -np.inf), *(each for _, each in self._passes)]),
        )
        lowest = height[np.isfinite(height)].min(initial=np.inf)
        weight = np.where(np.isfinite(height), height - lowest + 2, 1)  # none is 0: that is no edge
        size = self.count + 1
        graph = coo_matrix((weight, tuple(ends)), (size, size)).tocsr()
        tree = minimum_spanning_tree(graph).tocoo()
        kept = (tree.row > 0) & (tree.col > 0)
        forest = coo_matrix((tree.data[kept], (tree.row[kept], tree.col[kept])), (size, size))
        parts = connected_components(forest, directed=False)[1]
        label_of = np.zeros(int(parts.max()) + 1, np.int32)
        label_of[parts[1 : self.labels + 1]] = np.arange(1, self.labels + 1)
        label_of[parts[0]] = 0
        return np.asarray(label_of[parts], np.int32)


def _lowest(
    ends: NDArray[np.int64], height: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each pair ``(2, n)`` once, with its lowest height."""
    order = np.lexsort((height, ends[1], ends[0]))
    ends, height = ends[:, order], height[order]
    new = np.ones(len(height), bool)
    new[1:] = (np.diff(ends) != 0).any(axis=0)
    return ends[:, new], height[new]
