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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.regions import Region

from .competition import main_components
from .patches import around, as_grey, depth, pasted, taken, union
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
        # Planes are read once: those of a stack on a disk take their time.
        seen = [_Outline.of(stack, plane, crop) for plane, crop in known[::every]]
        told = [heights for one in seen if (heights := one.standing_out()) is not None]
        if not told:
            return None
        bright, dark = np.median(told, axis=0)
        if max(bright, dark) <= SEEN:
            return None
        within = np.median([one.within(bright=bright > dark) for one in seen])
        return cls(stack, bool(bright > dark)) if within > RIM else None

    def fitted(self, planes: range, known: Masks) -> dict[int, dict[int, MaskCrop]]:
        """Return the masks of some planes, fitted to the walls.

        - `planes`: they may go beyond the stack's last one
        - `known`: all masks as they were followed, on these planes and up to `REACH` beyond
        - returns those of `planes`; a mask of which nothing is left stays as it was
        """
        planes = range(planes.start, min(planes.stop, self.stack.shape[0]))
        result: dict[int, dict[int, MaskCrop]] = {plane: {} for plane in planes}
        slab = self._beside(planes)
        windows = self._windows({plane: known[plane] for plane in slab if plane in known})
        seen: dict[Region, dict[int, NDArray[np.uint8]]] = {window: {} for window in windows}
        for plane in slab:  # one after the other, since few of them are kept by whoever reads
            for window, pictures in seen.items():
                pictures[plane] = _read(self.stack, plane, window)
        for window, pictures in seen.items():
            step = max(1, VOXELS // (window.size[0] * window.size[1]))
            for start in range(0, len(planes), step):
                part = planes[start : start + step]
                for plane, number, crop in self._fitted_in(window, pictures, part, known):
                    result[plane][number] = crop
        return result

    def _beside(self, planes: range) -> range:
        """Return some planes, and those beside them that are looked at."""
        return range(max(planes.start - REACH, 0), min(planes.stop + REACH, self.stack.shape[0]))

    def _fitted_in(
        self,
        window: Region,
        pictures: Mapping[int, NDArray[np.uint8]],
        planes: range,
        known: Masks,
    ) -> Iterator[tuple[int, int, MaskCrop]]:
        """Yield plane, object and mask of what lies in a window."""
        slab = self._beside(planes)
        grey = np.stack([as_grey(pictures[plane]) for plane in slab])
        inside = [
            {n: crop for n, crop in known.get(plane, {}).items() if _meets(crop, window)}
            for plane in slab
        ]
        labels, numbers = _flooded(grey, inside, window, bright=self.bright)
        for plane in planes:
            for number, crop in inside[plane - slab.start].items():
                mask = labels[plane - slab.start] == numbers[number]
                # Noise makes outlines ragged: of nine pixels most decide.
                smooth = ndimage.uniform_filter(mask.astype(np.float32), 3) > 0.5
                kept = main_components(smooth, pasted(crop, window).astype(np.float32))
                yield plane, number, taken(kept, window) if kept.any() else crop

    def _windows(self, known: Masks) -> list[Region]:
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
                return joined
            boxes = joined


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """A mask that is known, and the picture around it."""

    crop: MaskCrop
    window: Region
    grey: NDArray[np.float32]

    @classmethod
    def of(cls, stack: Stack, plane: int, crop: MaskCrop) -> _Outline:
        window = around(crop, 2 * int(UNSURE), stack.shape[1:])
        return cls(crop, window, as_grey(_read(stack, plane, window)))

    def standing_out(self) -> tuple[float, float] | None:
        """How much brighter, and how much darker, an outline is than both of its sides."""
        deep = depth(pasted(self.crop, self.window))
        grey = ndimage.gaussian_filter(self.grey, 1.0)
        inside, outline = deep > min(2.5, 0.6 * float(deep.max())), np.abs(deep) <= 1
        outside = (deep < -2.5) & (deep > -6.5)
        if not (inside.any() and outline.any() and outside.any()):
            return None
        within, on, beyond = (float(np.median(grey[part])) for part in (inside, outline, outside))
        spread = float(grey[deep > -6.5].std()) + 1
        return min(on - within, on - beyond) / spread, min(within - on, beyond - on) / spread

    def within(self, *, bright: bool) -> float:
        """How far within the middle of the walls around it the mask ends, in pixels."""
        labels, _ = _flooded(self.grey[None], [{1: self.crop}], self.window, bright=bright)
        mask = labels[0] == 1
        outline = mask & (depth(mask) < 1)
        return float((mask.sum() - self.crop.area) / max(outline.sum(), 1))


def _flooded(
    grey: NDArray[np.float32],
    masks: Sequence[Mapping[int, MaskCrop]],
    window: Region,
    *,
    bright: bool,
) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Return labels ``(planes, h, w)`` of a window, and each object's label.

    - `grey`: array of shape (planes, h, w)
    - `masks`: of the objects, plane by plane
    """
    from skimage.segmentation import watershed  # importing it takes long enough to be noticed

    numbers: dict[int, int] = {}
    markers, near = np.zeros(grey.shape, np.int32), np.zeros(grey.shape, bool)
    for place, crops in enumerate(masks):
        for number, crop in crops.items():
            label = numbers.setdefault(number, len(numbers) + 1)
            _mark(markers, near, place, crop, label, window)
    edge = ~near & ndimage.binary_dilation(near, np.ones((1, 3, 3), bool))
    markers[edge] = len(numbers) + 1  # the ground
    height = ndimage.gaussian_filter(grey, (0, SMOOTH, SMOOTH))
    flooded = watershed(height if bright else -height, markers, mask=near | edge)
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


def _read(stack: Stack, plane: int, window: Region) -> NDArray[np.uint8]:
    return stack.read(plane, slice(window.top, window.bottom), slice(window.left, window.right))


def _meets(crop: MaskCrop, window: Region) -> bool:
    return crop.area > 0 and window.touches(Region(*crop.box))


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
