"""A method that needs no picture, and a model that finds what is bright."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.prompts import ItemMasks, Masks, PromptBatch
from napari_samv2_prompts.propagation import Anchors, Guess, History


def crop(top: int, left: int, height: int = 4, width: int = 5) -> MaskCrop:
    return MaskCrop(top, left, np.ones((height, width), bool))


ByPlane = Mapping[int, Mapping[int, MaskCrop]]


class Widening:
    """Makes each mask as wide as all on its plane and beside it are together.

    Objects with an odd number go on for a plane, others are not on their last one.
    """

    planes = 12
    judges = True

    def fitted(
        self, planes: range, certain: ByPlane, followed: ByPlane
    ) -> Iterator[ByPlane | None]:
        yield None

        def width(plane: int) -> int:
            near = [
                crop.mask.shape[1]
                for masks in (certain, followed)
                for step in (-1, 0, 1)
                for crop in masks.get(plane + step, {}).values()
            ]
            return sum(near)

        fitted: dict[int, dict[int, MaskCrop]] = {}
        for number in {n for crops in followed.values() for n in crops}:
            own = sorted(plane for plane, crops in followed.items() if number in crops)
            for plane in range(planes.start, min(planes.stop, self.planes)):
                near = min(own, key=lambda at: (abs(at - plane), at))
                if plane not in own and not (number % 2 and abs(near - plane) == 1):
                    continue
                if number % 2 or plane != own[-1] or len(own) == 1:
                    at = followed[near][number]
                    fitted.setdefault(plane, {})[number] = crop(at.top, at.left, 4, width(plane))
        yield fitted


@dataclass
class Drifting:
    """Moves every mask right by a column a plane; what is in `gone` is not there."""

    gone: frozenset[tuple[int, int]] = frozenset()
    fits: bool = False
    asked: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    def follow(
        self,
        plane: int,
        histories: Mapping[int, History],
        rivals: Sequence[MaskCrop],
        then: int | None = None,
    ) -> dict[int, Guess]:
        self.asked.append((plane, tuple(histories)))
        guesses = {}
        for number, history in histories.items():
            at, last = history.planes[-1]
            assert abs(at - plane) == 1
            # What the answer depends on shows in it: the company, the rivals, the way behind.
            score = len(histories) + len(rivals) / 10 + len(history.planes) / 100
            moved = MaskCrop(last.top, last.left + 1, last.mask)
            doubt = (number * 7 + plane * 3) % 10 / 10
            guesses[number] = Guess(moved, score, doubt, float((number, plane) in self.gone))
        return guesses

    def fitter(self, anchors: Anchors) -> Widening | None:
        return Widening() if self.fits else None


@dataclass(frozen=True, slots=True)
class WatchedPicture(StackPicture):
    """A stack that notes which planes are read."""

    read_planes: list[int] = field(default_factory=list)

    def read(self, plane, rows, columns):
        self.read_planes.append(plane)
        return StackPicture.read(self, plane, rows, columns)


@dataclass
class BrightEmbedding:
    image: np.ndarray
    nbytes: int = 1000
    logits_size: int = 64
    afar: bool = False

    def halved(self) -> BrightEmbedding:
        return self

    def from_afar(self) -> BrightEmbedding:
        return replace(self, afar=True)


class BrightModel:
    """Finds the bright pixels in a box."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.afar: list[bool] = []

    def embed(self, image: np.ndarray) -> BrightEmbedding:
        self.sizes.append(image.shape[:2])
        return BrightEmbedding(image)

    def decode(
        self, embedding: BrightEmbedding, batch: PromptBatch, multimask: bool | None = None
    ) -> Masks:
        self.afar.append(embedding.afar)
        height, width = embedding.image.shape
        side = embedding.logits_size
        rows = ((np.arange(side) + 0.5) * height / side).astype(int)
        columns = ((np.arange(side) + 0.5) * width / side).astype(int)
        items = []
        for prompt in batch:
            x0, y0, x1, y1 = prompt.box
            y, x = np.ogrid[:height, :width]
            inside = (x > x0) & (x < x1) & (y > y0) & (y < y1) & (embedding.image > 128)
            logits = np.where(inside, 6, -6)[np.ix_(rows, columns)].astype(np.float32)
            found = cropped(inside)
            scores = np.array([0.9 if inside.any() else 0.1], np.float32)
            items.append(ItemMasks(prompt.object, (found,), scores, logits[None], 5.0))
        return Masks(tuple(items), (height, width))
