"""Whose each pixel is in a window of a stack, from heights, what is known and what was followed.

Two rounds go through the planes, some at a time: the first finds regions and how they lie
together, the second gives them to objects.

Here: :class:`Basin`.  Not here: where heights come from (``walls.py``), how regions are joined
(``flooding.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.regions import Region

from .cells import ROOM, in_its_cell
from .competition import main_components
from .flooding import GROUND, RegionGraph, regions_of
from .patches import depth
from .values import Masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 24
"""How far an object may reach beyond what was followed, in pixels."""
APART = 3
"""Pixels that the next plane is taken to be away."""
UNSURE = 6.0
"""How far the outline of what is known may be wrong, in pixels."""
SURE = 0.5
"""But what is deeper inside than this share of the deepest place is certain."""
STEP = 0.05
"""Share of the walls' height by which a minimum is lower than what is around it."""
SHALLOW = 0.1
"""Share of the walls' height that noise may reach within a cell."""
BARE = 0.2
"""A cell of which less than this share was followed is nobody's."""
BESIDE = REACH // APART
"""Planes that are as near."""
KEPT = 2**25
"""Pixels of regions that are kept from the first round to the second; others are found again."""


class Basin:
    """A window of some planes on its way through both rounds.

    - `level`: how high walls are
    - `certain`, `followed`: masks that are known, and those that are to be fitted
    - `in_cells`: whether walls are so clear that known masks are held to them
    """

    def __init__(
        self,
        window: Region,
        level: float,
        planes: range,
        certain: Masks,
        followed: Masks,
        *,
        in_cells: bool = False,
    ) -> None:
        self.window, self._level, self._planes, self._in_cells = window, level, planes, in_cells
        self._certain, self._followed = (
            {plane: _meeting(masks[plane], window) for plane in planes if plane in masks}
            for masks in (certain, followed)
        )
        self._own = {number for crops in self._followed.values() for number in crops}
        self._likely = self._beyond_ends()
        numbers = self._own | {n for crops in self._certain.values() for n in crops}
        self._numbers = dict(enumerate(sorted(numbers), GROUND + 1))
        self._labels = {number: label for label, number in self._numbers.items()}
        self._graph = RegionGraph(GROUND + len(numbers))
        self._first: dict[int, int] = {}  # number of the first region of each slab
        self._kept: dict[int, NDArray[np.int32]] = {}
        self._last: tuple[NDArray[np.int32], NDArray[np.float32]] | None = None
        self._label_of: NDArray[np.int32] | None = None

    def survey(self, slab: range, height: NDArray[np.float32]) -> None:
        """Find the regions of a slab, one after the other: heights ``(planes, h, w)``."""
        self._first[slab.start] = self._graph.count + 1
        regions = self._regions(slab, height)
        covered = np.stack([self._covered(plane, likely=True) for plane in slab])
        self._graph.add(regions, height, covered, self._last)
        self._last = regions[-1], height[-1]
        if sum(each.size for each in self._kept.values()) + regions.size <= KEPT:
            self._kept[slab.start] = regions

    def keeps(self, slab: range) -> bool:
        """Tell whether a slab's regions are still known."""
        return slab.start in self._kept

    def masks(
        self, slab: range, height: NDArray[np.float32] | None = None
    ) -> Iterator[tuple[int, int, MaskCrop]]:
        """Yield plane, object and mask of what is in a slab, once all are surveyed.

        Heights are needed again if the regions were not kept.
        """
        if self._label_of is None:
            self._label_of = self._graph.settled(SHALLOW * self._level, BARE)
        regions = self._kept.pop(slab.start, None)
        if regions is None:
            assert height is not None
            regions = self._regions(slab, height)
        for plane, labels in zip(slab, self._label_of[regions], strict=True):
            for label, box in enumerate(ndimage.find_objects(labels), 1):
                number = self._numbers.get(label)
                if box is not None and number in self._own:
                    top, left = self.window.top + box[0].start, self.window.left + box[1].start
                    crop = _smoothed(labels[box] == label)
                    if crop.area:
                        yield plane, number, crop.moved(top, left)

    def _regions(self, slab: range, height: NDArray[np.float32]) -> NDArray[np.int32]:
        within = self._within(slab)
        known = np.zeros(height.shape, np.int32)
        known[within & ~ndimage.binary_erosion(within, np.ones((1, 3, 3)), border_value=1)] = GROUND
        for labels, near, high, plane in zip(known, within, height, slab, strict=True):
            for number, crop in self._certain.get(plane, {}).items():
                cut = self._in_cells and not self._is_in_a_row(plane, number)
                box, sure = _sure(crop, self.window, high if cut else None)
                labels[box][sure & near[box]] = self._labels[number]
        first = self._first[slab.start]
        return regions_of(height, known, within, STEP * self._level, first)

    def _is_in_a_row(self, plane: int, number: int) -> bool:
        """Tell whether an object is known on a plane beside this one, too."""
        return any(number in self._certain.get(at, {}) for at in (plane - 1, plane + 1))

    def _within(self, slab: range) -> NDArray[np.bool_]:
        """Return what lies near the objects to be fitted, on its plane or on those beside it."""
        near = range(slab.start - BESIDE, slab.stop + BESIDE)
        away = {plane: self._away(plane) for plane in near if plane in self._planes}
        within = np.zeros((len(slab), *self.window.size), bool)
        for step in range(-BESIDE, BESIDE + 1):
            reach = REACH**2 - (APART * step) ** 2
            for place, plane in enumerate(slab):
                if plane + step in away:
                    within[place] |= away[plane + step] <= np.sqrt(reach)
        return within

    def _beyond_ends(self) -> dict[int, list[MaskCrop]]:
        """Return where objects may be on planes on which they were not followed, near others."""
        known: dict[int, dict[int, MaskCrop]] = {number: {} for number in self._own}
        for masks in (self._certain, self._followed):
            for plane, crops in masks.items():
                for number in self._own & crops.keys():
                    known[number][plane] = crops[number]
        likely: dict[int, list[MaskCrop]] = {}
        for crops in known.values():
            near = {
                plane + way * step: crop
                for step in range(BESIDE, 0, -1)
                for way in (1, -1)
                for plane, crop in crops.items()
            }  # the nearest comes last, and stays
            for plane in near.keys() - crops.keys():
                likely.setdefault(plane, []).append(near[plane])
        return likely

    def _away(self, plane: int) -> NDArray[np.float32]:
        """Return how far each pixel is from the objects to be fitted."""
        covered = self._covered(plane, self._own)
        if not covered.any():
            return np.full(covered.shape, np.inf, np.float32)
        return np.asarray(ndimage.distance_transform_edt(~covered), np.float32)

    def _covered(
        self, plane: int, numbers: set[int] | None = None, *, likely: bool = False
    ) -> NDArray[np.bool_]:
        """Return what the masks of objects cover, of all by default.

        - `likely`: also where they are likely to be
        """
        covered = np.zeros(self.window.size, bool)
        for masks in (self._certain, self._followed):
            for number, crop in masks.get(plane, {}).items():
                if numbers is None or number in numbers:
                    covered |= crop.within(self.window)
        for crop in self._likely.get(plane, ()) if likely else ():
            covered |= crop.within(self.window)
        return covered


def _meeting(crops: Mapping[int, MaskCrop], window: Region) -> dict[int, MaskCrop]:
    return {n: c for n, c in crops.items() if c.area and window.touches(Region(*c.box))}


def is_sure(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Tell which pixels of a mask are certain."""
    inside = depth(mask) + 0.5
    return inside > min(UNSURE, SURE * float(inside.max()))


def _sure(
    crop: MaskCrop, window: Region, height: NDArray[np.float32] | None
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Return the part of a window where a mask is, and which of its pixels are certain.

    - `height`: of the window, if the mask may reach into other cells
    """
    box = Region(*crop.box).grown(ROOM).common(window)
    mask, place = crop.within(box), box.slices_in(window)
    return place, is_sure(mask if height is None else in_its_cell(mask, height[place]))


def _smoothed(mask: NDArray[np.bool_]) -> MaskCrop:
    """Return a mask without what noise made of its outline: of nine pixels most decide."""
    padded = np.pad(mask, 1).astype(np.float32)
    smooth = ndimage.uniform_filter(padded, 3)[1:-1, 1:-1] > 0.5
    return cropped(main_components(smooth, smooth.astype(np.float32)))
