"""Masks that were found without being asked for, and which of them to keep: numpy only.

A :class:`Candidate` is one proposed object.  :class:`Candidates` holds many together with how much
they overlap, so that choosing among them again - another least score, another overlap - is a matter
of milliseconds and never needs the model.

Not here: proposing them (``samv2.automatic_masks``, ``samv2.find_all``), writing labels
(``masks.py``).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop

if TYPE_CHECKING:
    from numpy.typing import NDArray

Order = Literal["best", "wholes", "parts"]

SMALLER = 0.8
"""Largest area of a part, as a share of the whole's."""
INSIDE = 0.7
"""Share of a part that lies in the whole."""
FILLED = 0.5
"""Share of the whole that its parts cover together."""
BETTER = 1.5
"""By how much the summed scores of the parts have to be above the whole's."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One object that was found."""

    crop: MaskCrop  # its mask, in pixels of the image
    point: tuple[float, float]  # the click ``(x, y)`` that it answers
    score: float  # predicted IoU
    stability: float  # IoU of the masks that a somewhat higher and a somewhat lower threshold give
    area: int  # pixels of the mask

    def moved(self, rows: int, columns: int) -> Candidate:
        """Bring it from the pixels of a part of an image to the image's."""
        x, y = self.point
        return replace(self, crop=self.crop.moved(rows, columns), point=(x + columns, y + rows))


@dataclass(frozen=True, slots=True)
class Selection:
    """What a candidate must be to be kept."""

    min_score: float = 0.6  # least predicted IoU
    min_stability: float = 0.5
    # In pixels.
    min_area: float = 0.0
    max_area: float = np.inf
    # Largest share that a mask may have in common with another one, of the smaller of the two.
    max_overlap: float = 0.15
    # Which of two that overlap more stays: the one with the better score, the larger one, or the
    # smaller one. With "best" one mask gives way to several in it that score clearly more together:
    # it is a clump of objects.
    order: Order = "best"

    def __post_init__(self) -> None:
        """Refuse an order that there is not, and numbers that would leave nothing or no choice."""
        for name in ("min_score", "min_stability", "max_overlap"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value:g}: it is from 0 to 1.")
        if not 0 <= self.min_area <= self.max_area:
            raise ValueError(
                f"min_area is {self.min_area:g} and max_area {self.max_area:g}: give areas in "
                "pixels, from 0, the smaller one first."
            )
        if self.order not in get_args(Order):
            listed = ", ".join(get_args(Order))
            raise ValueError(f"There is no order {self.order!r}; choose one of {listed}.")


class Candidates:
    """Candidates of one image, growing, and the areas that they have in common."""

    def __init__(self, found: Iterable[Candidate] = ()) -> None:
        self._items: list[Candidate] = []
        self._boxes = np.empty((0, 4), np.intp)
        self._numbers = np.empty((0, 3))  # score, stability, area
        self._shared: list[dict[int, float]] = []  # with an earlier one, of the smaller's area
        self.extend(found)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._items)

    def __getitem__(self, index: int) -> Candidate:
        """Return one of them, in the order in which they were found."""
        return self._items[index]

    def __iter__(self) -> Iterator[Candidate]:
        """Go through all of them, in the order in which they were found."""
        return iter(self._items)

    def overlap_of(self, candidate: Candidate) -> float:
        """Return the largest share that one more would have in common with one of these."""
        return max(self._overlaps(candidate, self._boxes).values(), default=0.0)

    def extend(self, found: Iterable[Candidate]) -> None:
        """Add candidates; empty masks are passed over."""
        new = [candidate for candidate in found if candidate.area]
        if not new:
            return
        boxes = np.concatenate([self._boxes, [candidate.crop.box for candidate in new]])
        for number, candidate in enumerate(new, start=len(self._items)):
            self._shared.append(self._overlaps(candidate, boxes[:number]))
            self._items.append(candidate)
        self._boxes = boxes
        numbers = [(item.score, item.stability, item.area) for item in new]
        self._numbers = np.concatenate([self._numbers, numbers])

    def _overlaps(self, candidate: Candidate, boxes: NDArray[np.intp]) -> dict[int, float]:
        """Return the shares in common with each earlier candidate that it touches."""
        top, left, bottom, right = candidate.crop.box
        near = (
            (boxes[:, 0] < bottom)
            & (boxes[:, 2] > top)
            & (boxes[:, 1] < right)
            & (boxes[:, 3] > left)
        )
        shared = {}
        for other in np.flatnonzero(near).tolist():
            item = self._items[other]
            if common := intersection(candidate.crop, item.crop):
                shared[other] = common / min(candidate.area, item.area)
        return shared

    def select(self, selection: Selection) -> list[int]:
        """Choose which to keep.

        Returns indices, those that won over others first.
        """
        score, stability, area = self._numbers.T
        fit = (score >= selection.min_score) & (stability >= selection.min_stability)
        fit &= (area >= selection.min_area) & (area <= selection.max_area)
        rank = {"best": -score * stability, "wholes": -area, "parts": area}[selection.order]
        order = np.argsort(rank, kind="stable")
        ranked = order[fit[order]].tolist()
        kept: dict[int, None] = {}
        beaten: set[int] = set()
        touching = self._touching(selection.max_overlap)
        for index in ranked:
            if index not in beaten:
                kept[index] = None
                beaten.update(touching.get(index, ()))
        if selection.order == "best":
            place = {index: number for number, index in enumerate(ranked)}
            for whole in list(kept):
                if parts := self._parts(whole, kept, touching, place):
                    del kept[whole]
                    kept.update(dict.fromkeys(parts))
            return sorted(kept, key=place.__getitem__)
        return list(kept)

    def _parts(
        self,
        whole: int,
        kept: Container[int],
        touching: Mapping[int, Sequence[int]],
        place: Mapping[int, int],
    ) -> list[int]:
        """Return two or more masks that fill one and are better together, or nothing."""
        weights = self._numbers[:, 0] * self._numbers[:, 1]
        areas = self._numbers[:, 2]
        parts: list[int] = []
        inside = total = 0.0
        fit = [index for index in touching.get(whole, ()) if index in place]
        for part in sorted(fit, key=place.__getitem__):
            share = self._shared[max(part, whole)].get(min(part, whole), 0.0)
            others = touching.get(part, ())
            if areas[part] > SMALLER * areas[whole] or share < INSIDE:
                continue
            if any(other != whole and (other in kept or other in parts) for other in others):
                continue
            parts.append(part)
            inside += share * areas[part]
            total += weights[part]
        enough = inside >= FILLED * areas[whole] and total >= BETTER * weights[whole]
        return parts if len(parts) > 1 and enough else []

    def _touching(self, limit: float) -> dict[int, list[int]]:
        """Return for each candidate those that it has more in common with than is allowed."""
        pairs: dict[int, list[int]] = {}
        for index, shared in enumerate(self._shared):
            for other, share in shared.items():
                if share > limit:
                    pairs.setdefault(index, []).append(other)
                    pairs.setdefault(other, []).append(index)
        return pairs


def intersection(one: MaskCrop, other: MaskCrop) -> int:
    """Return how many pixels two masks have in common."""
    top, left = max(one.top, other.top), max(one.left, other.left)
    bottom, right = min(one.box[2], other.box[2]), min(one.box[3], other.box[3])
    if top >= bottom or left >= right:
        return 0
    first, second = (
        crop.mask[top - crop.top : bottom - crop.top, left - crop.left : right - crop.left]
        for crop in (one, other)
    )
    return int(np.count_nonzero(first & second))


def box_nms(
    boxes: NDArray[np.float32], scores: Sequence[float] | NDArray[np.float32], threshold: float
) -> list[int]:
    """Keep the boxes that no better one covers too much of (greedy non-maximum suppression).

    - `boxes`: array of shape (N, 4), float32; ``x0, y0, x1, y1``; the area is ``(x1 - x0) * (y1 -
      y0)``, as published
    - `scores`: equal ones keep their order
    - `threshold`: largest IoU with a box that was kept
    - returns indices in falling score
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-np.asarray(scores, np.float32), kind="stable")
    kept: list[int] = []
    while order.size:
        first, rest = int(order[0]), order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        common = np.clip(high - low, 0, None).prod(axis=1)
        # Boxes of a single pixel's width have no area: they suppress nothing.
        union = area[first] + area[rest] - common
        iou = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
        order = rest[iou <= np.float32(threshold)]
    return kept
