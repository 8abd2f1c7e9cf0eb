"""Flooding a stack from what is known in it, part by part, much as if it were done at once.

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
    _lows: list[NDArray[np.float32]] = field(default_factory=list)
    _passes: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin behind the labels."""
        self.count = self.labels
        self._pixels.append(np.zeros(self.labels + 1, np.int64))
        self._covered.append(np.zeros(self.labels + 1, np.int64))
        self._lows.append(np.full(self.labels + 1, -np.inf, np.float32))

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
        lows = ndimage.minimum(height, regions, np.arange(beyond, new + 1))
        self._lows.append(np.asarray(lows, np.float32))
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

    def settled(self, shallow: float, least: float) -> NDArray[np.int32]:
        """Join regions until all belong to something known.

        - `shallow`: regions with a pass less high above their minima are one cell
        - `least`: cells covered by a smaller share are ground
        - returns the label of each region, by number; 0 for what nothing known is connected to
        """
        ends, height = _lowest(
            np.concatenate([ends for ends, _ in self._passes], axis=1),
            np.concatenate([height for _, height in self._passes]),
        )
        ends, height = self._forest(ends, height)
        cells = self._cells(ends, height, shallow)
        pixels, covered = (
            np.bincount(cells, np.concatenate(parts)) for parts in (self._pixels, self._covered)
        )
        is_bare = (covered < least * pixels)[cells]
        is_bare[: self.labels + 1] = False
        bare = np.flatnonzero(is_bare)
        # A root lower than all else is joined to what is known, and ground to what is bare: the
        # tree holds all of these, so that without the root each part has one label.
        known = np.stack([np.zeros(self.labels, np.int64), np.arange(1, self.labels + 1)])
        ends = np.concatenate([known, np.stack([np.full(len(bare), GROUND), bare]), ends], axis=1)
        first = np.full(self.labels + len(bare), -np.inf)
        ends, _ = self._forest(*_lowest(ends, np.concatenate([first, height])))
        parts = self._parts(ends[:, ends[0] > 0])
        label_of = np.zeros(int(parts.max()) + 1, np.int32)
        label_of[parts[1 : self.labels + 1]] = np.arange(1, self.labels + 1)
        label_of[parts[0]] = 0
        return np.asarray(label_of[parts], np.int32)

    def _forest(
        self, ends: NDArray[np.int64], height: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the passes of the minimum spanning forest, the lowest first."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import minimum_spanning_tree

        order = np.argsort(height, kind="stable")
        # Ranks in place of heights: a height of 0 would be no pass at all.
        ranks = coo_matrix(
            (1 + np.arange(len(order)), tuple(ends[:, order])), 2 * (self.count + 1,)
        )
        kept = order[np.sort(minimum_spanning_tree(ranks.tocsr()).data.astype(np.int64)) - 1]
        return ends[:, kept], height[kept]

    def _parts(self, ends: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return by region which part of the graph it is in, with these passes alone."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        graph = coo_matrix((np.ones(ends.shape[1]), tuple(ends)), 2 * (self.count + 1,))
        return np.asarray(connected_components(graph, directed=False)[1], np.int32)

    def _cells(
        self, ends: NDArray[np.int64], height: NDArray[np.float32], shallow: float
    ) -> NDArray[np.int32]:
        """Return by region which cell it is in: regions joined by passes that are shallow.

        - `ends`, `height`: passes of the forest, the lowest first
        """
        from scipy.cluster.hierarchy import DisjointSet

        low = np.concatenate(self._lows).tolist()
        cells = DisjointSet(range(len(low)))
        joined = np.zeros(len(height), bool)
        for at, (one, other, high) in enumerate(zip(*ends.tolist(), height.tolist(), strict=True)):
            lows = low[cells[one]], low[cells[other]]
            if high - max(lows) < shallow:
                cells.merge(one, other)
                low[cells[one]] = min(lows)
                joined[at] = True
        return self._parts(ends[:, joined])


def _lowest(
    ends: NDArray[np.int64], height: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return each pair ``(2, n)`` once, with its lowest height."""
    order = np.lexsort((height, ends[1], ends[0]))
    ends, height = ends[:, order], height[order]
    new = np.ones(len(height), bool)
    new[1:] = (np.diff(ends) != 0).any(axis=0)
    return ends[:, new], height[new]
