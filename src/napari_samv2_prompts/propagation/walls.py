"""Fitting what was followed to the walls between objects: membranes that are seen in the picture.

Followed from plane to plane, an outline slips across a wall and never comes back.  Looked at
together, all planes put it right: from what is known for certain the picture is flooded in the
order of its brightness, so that the floods meet on the walls (``flooding.py``).  What was followed
says how far objects reach at most, and which cells around them are nobody's.

Dark walls are membranes in an electron micrograph, perhaps, where much else is dark: if the
outlines that are known stand out better by it, a small network says how high they are
(``borders.py``).  Bright ones are what was stained, and little else is.

Here: :class:`Walls`.  Where objects have no walls, as nuclei on dark ground, there is none.

Not here: which masks are fitted, and when (``fitting.py``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import ndimage

from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.regions import Region, union

from .basins import REACH, UNSURE, Basin, is_sure
from .borders import AROUND, BAND, borders
from .patches import around, as_grey, depth
from .values import Anchors, Masks, Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMOOTH = 0.8
"""Deviation of the smoothing of each plane, in pixels."""
VOXELS = 2**22
"""Pixels of planes that are flooded at once, about: they take some 60 bytes each."""
SEEN = -0.3
"""How much walls stand out at least, in deviations of the picture around an object."""
ASKED = 64
"""Objects whose anchors are asked for walls at most."""
COMPARED = 16
"""And for whether the network finds them better, which takes longer."""
LEARNT = 20.0
"""Level where the network finds walls, in logits: cells are told apart by shares of it."""
RIM = -0.5
"""Median from which on, in pixels, masks end within the middle of walls, or little beyond it: else
these are rims that belong to the objects."""


@dataclass(frozen=True, slots=True, eq=False)
class Walls:
    """Walls that are brighter, or darker, than what lies on either side of them.

    - `level`: how much: in grey values, or in logits where the network finds them
    """

    stack: Stack
    bright: bool
    level: float
    learnt: bool = False
    judges: ClassVar[bool] = True

    @classmethod
    def of(cls, stack: Stack, anchors: Anchors) -> Walls | None:
        """Look for walls around the masks that are known; None if there are none."""
        # The largest of each object: walls that are cut along their length tell nothing.
        largest = (
            max(planes.items(), key=lambda e: (e[1].area, -e[0])) for planes in anchors.values()
        )
        known = [(plane, crop) for plane, crop in largest if crop.area]
        every = max(1, -(-len(known) // ASKED))
        known.sort(key=lambda each: (each[0], each[1].box))
        # Planes are read once: those of a stack on a disk take their time.
        seen = [_Outline.of(stack, plane, crop) for plane, crop in known[::every]]
        told = [heights for one in seen if (heights := one.standing_out()) is not None]
        if not told:
            return None
        bright, dark, level = np.median(told, axis=0)
        if max(bright, dark) <= SEEN:
            return None
        within = np.median([one.within(bright=bright > dark) for one in seen])
        if within <= RIM:
            return None
        found = cls(stack, bool(bright > dark), float(level))
        return found if found.bright else found._or_learnt(seen, dark)

    def _or_learnt(self, seen: Sequence[_Outline], dark: float) -> Walls:
        """Return what the network finds if outlines stand out more by it than they are dark."""
        learnt = replace(self, level=LEARNT, learnt=True)
        small = [one for one in seen if one.grey.size <= BAND]
        some = small[:: max(1, -(-len(small) // COMPARED))]
        again = [heights for one in some if (heights := one.by(learnt).standing_out()) is not None]
        clear = np.median([bright for bright, _, _ in again]) if again else SEEN
        return learnt if clear > dark else self

    def fitted(self, planes: range, certain: Masks, followed: Masks) -> Iterator[Masks | None]:
        """Fit masks to the walls; see :meth:`.Fitter.fitted`."""
        planes = range(max(planes.start, 0), min(planes.stop, self.stack.shape[0]))
        result: dict[int, dict[int, MaskCrop]] = {plane: {} for plane in planes}
        basins = [
            Basin(window, self.level, planes, certain, followed, in_cells=self.learnt)
            for window in _windows(followed, self.stack.shape[1:])
        ]
        area = sum(basin.window.size[0] * basin.window.size[1] for basin in basins)
        step = max(1, VOXELS // max(area, 1))
        slabs = [planes[at : at + step] for at in range(0, len(planes), step)]
        for slab in slabs:
            heights = yield from self._heights(slab, [basin.window for basin in basins])
            for basin, height in zip(basins, heights, strict=True):
                basin.survey(slab, height)
            yield None
        for slab in slabs:
            missing = [basin for basin in basins if not basin.keeps(slab)]
            heights = yield from self._heights(slab, [basin.window for basin in missing])
            again = dict(zip(missing, heights, strict=True))
            for basin in basins:
                for plane, number, crop in basin.masks(slab, again.get(basin)):
                    result[plane][number] = crop
            yield None
        yield result

    def _heights(
        self, slab: range, windows: Sequence[Region]
    ) -> Generator[None, None, list[NDArray[np.float32]]]:
        """Return the heights in each window, ``(planes, h, w)``: walls stand out.

        Yields now and then if it takes its time.
        """
        # One plane after the other, since few of them are kept by whoever reads them.
        read: dict[int, list[NDArray[np.float32]]] = {}
        heights: list[list[NDArray[np.float32]]] = [[] for _ in windows]
        done = 0
        for plane in slab if windows else ():
            near = self._looked_at(plane)
            for at in near:
                if at not in read:
                    read[at] = [as_grey(self.stack.read(at, *each.slices)) for each in windows]
            read = {at: read[at] for at in near}
            for place, own in enumerate(heights):
                parts = []
                for part in self._height([read[at][place] for at in near]):
                    parts.append(part)
                    done += part.size
                    if self.learnt and done >= BAND:
                        done = 0
                        yield None
                own.append(np.concatenate(parts))
        return [np.stack(own) for own in heights]

    def seen(self, plane: int, window: Region) -> NDArray[np.float32]:
        """Return the heights in a window of a plane."""
        near = self._looked_at(plane)
        read = {at: as_grey(self.stack.read(at, *window.slices)) for at in sorted(set(near))}
        return np.concatenate(list(self._height([read[at] for at in near])))

    def _looked_at(self, plane: int) -> list[int]:
        """Return the planes that heights are found from: mirrored at the ends of the stack."""
        if not self.learnt:
            return [plane]
        last = self.stack.shape[0] - 1
        near = np.abs(np.arange(plane - AROUND, plane + AROUND + 1))
        return [int(at) for at in (last - np.abs(last - near)).clip(0)]

    def _height(self, near: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the heights in grey values of the planes that are looked at, row after row."""
        if self.learnt:
            yield from borders(np.stack(near))
        else:
            height = np.asarray(ndimage.gaussian_filter(near[0], SMOOTH), np.float32)
            yield height if self.bright else -height


@dataclass(frozen=True, slots=True, eq=False)
class _Outline:
    """A mask that is known, and the picture around it."""

    plane: int
    crop: MaskCrop
    window: Region
    grey: NDArray[np.float32]

    @classmethod
    def of(cls, stack: Stack, plane: int, crop: MaskCrop) -> _Outline:
        window = around(crop, 2 * int(UNSURE), stack.shape[1:])
        return cls(plane, crop, window, as_grey(stack.read(plane, *window.slices)))

    def by(self, walls: Walls) -> _Outline:
        """Return it with heights of walls in place of the picture."""
        return replace(self, grey=walls.seen(self.plane, self.window))

    def standing_out(self) -> tuple[float, float, float] | None:
        """How much brighter, and how much darker, an outline is than both of its sides.

        In deviations of the picture; and how far from what is inside, in grey values.
        """
        deep = depth(self.crop.within(self.window))
        grey = ndimage.gaussian_filter(self.grey, 1.0)
        inside, outline = deep > min(2.5, 0.6 * float(deep.max())), np.abs(deep) <= 1
        outside = (deep < -2.5) & (deep > -6.5)
        if not (inside.any() and outline.any() and outside.any()):
            return None
        within, on, beyond = (float(np.median(grey[part])) for part in (inside, outline, outside))
        spread = float(grey[deep > -6.5].std()) + 1
        bright, dark = min(on - within, on - beyond), min(within - on, beyond - on)
        return bright / spread, dark / spread, abs(on - within)

    def within(self, *, bright: bool) -> float:
        """How far within the middle of the walls around it the mask ends, in pixels."""
        from skimage.segmentation import watershed

        own = self.crop.within(self.window)
        near = depth(own) > 0.5 - UNSURE
        edge = ~near & ndimage.binary_dilation(near, np.ones((3, 3), bool))
        markers = np.where(is_sure(own), 2, edge * 1)
        height = ndimage.gaussian_filter(self.grey, SMOOTH)
        mask = watershed(height if bright else -height, markers, mask=near | edge) == 2
        outline = mask & (depth(mask) < 1)
        return float((mask.sum() - self.crop.area) / max(outline.sum(), 1))


def _windows(masks: Masks, shape: tuple[int, int]) -> list[Region]:
    """Cut the planes into rectangles that hold objects lying together."""
    covered = np.zeros(shape, bool)
    for crops in masks.values():
        for crop in crops.values():
            if crop.area:
                box = around(crop, REACH + 2, shape)
                covered[box.slices] = True
    boxes = [
        Region(rows.start, columns.start, rows.stop, columns.stop)
        for rows, columns in ndimage.find_objects(ndimage.label(covered)[0])
    ]
    while True:  # rectangles around pieces may overlap
        joined = _joined(boxes)
        if len(joined) == len(boxes):
            return joined
        boxes = joined


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
