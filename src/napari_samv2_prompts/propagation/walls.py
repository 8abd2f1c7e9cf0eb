"""Fitting what was followed to the walls between objects: membranes that are seen in the picture.

Followed from plane to plane, an outline slips across a wall and never comes back.  Looked at
together, several planes put it right: what is deep inside an object's masks is taken to be certain,
and so is what is far from all of them; all between is flooded from there in the order of the
picture's brightness, so that the floods meet on the walls (a watershed of markers: Meyer and
Beucher, J. Vis. Commun. Image Represent. 1990).

Here: :class:`Walls`.  Where objects have no walls, as nuclei on dark ground, there is none.

Not here: which masks are fitted, and when (``run.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.regions import Region

from .competition import main_components
from .patches import around, depth, pasted, taken, union
from .values import Anchors, Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

REACH = 4
"""Planes on either side that are looked at beside those to be fitted."""
UNSURE = 4.0
"""How far an outline may be wrong, in pixels."""
SURE = 0.5
"""But what is deeper inside than this share of the deepest place is certain."""
APART = 3.0
"""Pixels that the next plane is taken to be away."""
SMOOTH = 0.8
"""Deviation of the smoothing of each plane, in pixels."""
SEEN = -0.3
"""How much walls stand out at least, in deviations of the picture around an object."""
VOXELS = 2**22
"""Pixels of planes that are fitted at once, about: they take some 40 bytes each."""
ASKED = 64
"""Anchors that are asked for walls at most."""
RIM = -0.5
"""Median from which on, in pixels, masks end within the middle of walls, or little beyond it: else
these are rims that belong to the objects."""

Masks = Mapping[int, Mapping[int, MaskCrop]]
"""Plane: object: its mask there."""


@dataclass(frozen=True, slots=True, eq=False)
class Walls:
    """Walls that are brighter, or darker, than what lies on either side of them."""

    stack: Stack
    bright: bool

    @classmethod
    def of(cls, stack: Stack, anchors: Anchors) -> Walls | None:
        """Look for walls around the masks that are known; None if there are none."""
        known = [
            (plane, crop)
            for planes in anchors.values()
            for plane, crop in planes.items()
            if crop.area
        ]
        every = max(1, -(-len(known) // ASKED))
        known.sort(key=lambda each: (each[0], each[1].box))
        seen = [_standing_out(stack, plane, crop) for plane, crop in known[::every]]
        told = [each for each in seen if each is not None]
        if not told:
            return None
        bright, dark = np.median(told, axis=0)
        if max(bright, dark) <= SEEN:
            return None
        walls = cls(stack, bool(bright > dark))
        within = np.median([walls._ending(plane, crop) for plane, crop in known[::every]])
        return walls if within > RIM else None

    def fitted(self, planes: range, known: Masks) -> dict[int, dict[int, MaskCrop]]:
        """Return the masks of some planes, fitted to the walls.

        - `known`: all masks as they were followed, on these planes and up to `REACH` beyond
        - returns those of `planes`; a mask of which nothing is left stays as it was
        """
        result: dict[int, dict[int, MaskCrop]] = {plane: {} for plane in planes}
        slab = self._beside(planes)
        for window in self._windows({plane: known[plane] for plane in slab if plane in known}):
            height, width = window.size
            step = max(1, VOXELS // (height * width))
            for start in range(planes.start, planes.stop, step):
                part = planes[start - planes.start : start - planes.start + step]
                for plane, number, crop in self._fitted_in(window, part, known):
                    result[plane][number] = crop
        return result

    def _beside(self, planes: range) -> range:
        """Return some planes, and those beside them that are looked at."""
        return range(max(planes.start - REACH, 0), min(planes.stop + REACH, self.stack.shape[0]))

    def _fitted_in(
        self, window: Region, planes: range, known: Masks
    ) -> Iterator[tuple[int, int, MaskCrop]]:
        """Yield plane, object and mask of what lies in a window."""
        slab = self._beside(planes)
        labels, numbers = self._flooded(slab, known, window)
        for plane in planes:
            for number, crop in known.get(plane, {}).items():
                if crop.area and _meets(crop, window):
                    mask = labels[plane - slab.start] == numbers[number]
                    # Noise makes outlines ragged: of nine pixels most decide.
                    smooth = ndimage.uniform_filter(mask.astype(np.float32), 3) > 0.5
                    kept = main_components(smooth, pasted(crop, window).astype(np.float32))
                    yield plane, number, taken(kept, window) if kept.any() else crop

    def _ending(self, plane: int, crop: MaskCrop) -> float:
        """How far within the middle of the walls around it a mask ends, in pixels."""
        box = around(crop, 2 * int(UNSURE), self.stack.shape[1:])
        labels, _ = self._flooded(range(plane, plane + 1), {plane: {1: crop}}, box)
        mask = labels[0] == 1
        outline = mask & (depth(mask) < 1)
        return float((mask.sum() - crop.area) / max(outline.sum(), 1))

    def _windows(self, known: Masks) -> Iterator[Region]:
        """Cut the planes into rectangles that hold objects lying together."""
        covered = np.zeros(self.stack.shape[1:], bool)
        for crops in known.values():
            for crop in crops.values():
                if crop.area:
                    box = around(crop, 2 * int(UNSURE), covered.shape)
                    covered[box.top : box.bottom, box.left : box.right] = True
        boxes = [
            Region(rows.start, columns.start, rows.stop, columns.stop)
            for rows, columns in ndimage.find_objects(ndimage.label(covered)[0])
        ]
        while True:  # rectangles around pieces may overlap
            joined = _joined(boxes)
            if len(joined) == len(boxes):
                return iter(joined)
            boxes = joined

    def _flooded(
        self, slab: range, known: Masks, window: Region
    ) -> tuple[NDArray[np.int32], dict[int, int]]:
        """Return labels ``(planes, h, w)`` of a window, and each object's label."""
        from skimage.segmentation import watershed  # importing it takes long enough to be noticed

        numbers: dict[int, int] = {}
        markers = np.zeros((len(slab), *window.size), np.int32)
        near = np.zeros(markers.shape, bool)
        for place, plane in enumerate(slab):
            for number, crop in known.get(plane, {}).items():
                if crop.area and _meets(crop, window):
                    label = numbers.setdefault(number, len(numbers) + 1)
                    _mark(markers, near, place, crop, label, window)
        ground = len(numbers) + 1
        edge = ~near & ndimage.binary_dilation(near, np.ones((1, 3, 3), bool))
        markers[edge] = ground
        grey = np.stack([_grey(self.stack, plane, window) for plane in slab])
        height = ndimage.gaussian_filter(grey, (0, SMOOTH, SMOOTH))
        flooded = watershed(height if self.bright else -height, markers, mask=near | edge)
        return np.asarray(flooded, np.int32), numbers


def _mark(
    markers: NDArray[np.int32],
    near: NDArray[np.bool_],
    place: int,
    crop: MaskCrop,
    label: int,
    window: Region,
) -> None:
    """Mark the inside of a mask, and what it may reach, on its plane and on those next to it."""
    box = around(crop, int(UNSURE) + 1, (window.bottom, window.right))
    box = Region(max(box.top, window.top), max(box.left, window.left), box.bottom, box.right)
    mask = pasted(crop, box)
    inside = depth(mask) + 0.5
    rows = slice(box.top - window.top, box.bottom - window.top)
    columns = slice(box.left - window.left, box.right - window.left)
    markers[place, rows, columns][inside > min(UNSURE, SURE * float(inside.max()))] = label
    beside = float(np.sqrt(UNSURE**2 - APART**2))
    for other, reach in ((place, UNSURE), (place - 1, beside), (place + 1, beside)):
        if 0 <= other < len(near):
            near[other, rows, columns] |= inside > 1 - reach


def _grey(stack: Stack, plane: int, window: Region) -> NDArray[np.float32]:
    part = stack.read(plane, slice(window.top, window.bottom), slice(window.left, window.right))
    return np.asarray(part if part.ndim == 2 else part.mean(axis=2), np.float32)


def _standing_out(stack: Stack, plane: int, crop: MaskCrop) -> tuple[float, float] | None:
    """How much brighter, and how much darker, an outline is than both of its sides."""
    window = around(crop, 8, stack.shape[1:])
    deep = depth(pasted(crop, window))
    grey = ndimage.gaussian_filter(_grey(stack, plane, window), 1.0)
    inside, outline = deep > min(2.5, 0.6 * float(deep.max())), np.abs(deep) <= 1
    outside = (deep < -2.5) & (deep > -6.5)
    if not (inside.any() and outline.any() and outside.any()):
        return None
    within, on, beyond = (float(np.median(grey[part])) for part in (inside, outline, outside))
    spread = float(grey[deep > -6.5].std()) + 1
    return min(on - within, on - beyond) / spread, min(within - on, beyond - on) / spread


def _meets(crop: MaskCrop, window: Region) -> bool:
    return window.touches(Region(*crop.box))


def _joined(boxes: list[Region]) -> list[Region]:
    """Return rectangles, those that overlap an earlier one joined to it."""
    joined: list[Region] = []
    for box in boxes:
        for place, other in enumerate(joined):
            if box.touches(other):
                joined[place] = union([box, other])
                break
        else:
            joined.append(box)
    return joined
