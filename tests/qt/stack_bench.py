"""A film of two bright discs on a viewer model, with stand-ins for the model and for walls.

The tests of following on it are in ``through_stack``; others take parts of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.bench import Bench
from tests.fakes import ManualRunner, SyncRunner
from tests.propagation.fakes import BrightModel

from napari_samv2_prompts._qt.cluster import ClusterHelp
from napari_samv2_prompts._qt.propagation import StackPropagation
from napari_samv2_prompts.io.recorder import Recorder
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation.values import Masks
from napari_samv2_prompts.propagation.walls import Walls

if TYPE_CHECKING:
    import pytest

PLANES = 7


class Bright(BrightModel):
    """As the session wants it."""

    device, device_reason, packing, remembers = "cpu", "because this is a test", None, False

    def embed(self, image, progress=None, image_size=None):
        if progress is not None:
            progress(0.5)
        return super().embed(image if image.ndim == 2 else image[..., 0])


def film(shape=(PLANES, 50, 60)):
    """A bright disc of radius 7 that moves right by two a plane, and one that stays."""
    rng = np.random.default_rng(0)
    image = rng.normal(40, 5, shape)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    for plane in range(PLANES):
        for row, column in ((14, 14 + 2 * plane), (36, 40)):
            image[..., plane, :, :][..., (rows - row) ** 2 + (columns - column) ** 2 <= 49] = 200
    return image.clip(0, 255).astype(np.uint8)


class Stack(Bench):
    def __init__(self, image=None, runner=None) -> None:
        image = film() if image is None else image
        super().__init__(image.shape, runner)
        self.image.data = image
        self.image.contrast_limits = (0, 255)
        self.factory.predictor = Bright()
        self.recorder = Recorder(self.session, lambda: "keep")
        self.through = StackPropagation(
            self.viewer, self.controller, self.recorder, ClusterHelp(SyncRunner(), str, str)
        )
        self.make_layers()

    def go(self, plane: int) -> None:
        self.viewer.dims.set_current_step(self.viewer.dims.ndim - 3, plane)
        self.controller.refresh()

    def planes_of(self, number: int) -> list[int]:
        return np.flatnonzero((self.labels.data == number).any((-2, -1)).ravel()).tolist()

    def close(self) -> None:
        self.through.close()
        self.controller.close()


def waiting(image: np.ndarray | None = None) -> tuple[Stack, ManualRunner]:
    """Return a stack with an object, and the runner that finishes nothing by itself."""
    runner = ManualRunner()
    bench = Stack(image, runner)
    runner.finish_all()
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    runner.finish_all()
    return bench, runner


def thinned(self: Walls, planes: range, certain: Masks, followed: Masks) -> Iterator[Masks | None]:
    """Take last rows off masks: as many as there are masks on these planes and beside them."""
    yield None

    def rows(plane: int) -> int:
        beside = (plane - 1, plane, plane + 1)
        return sum(len(masks.get(at, ())) for masks in (certain, followed) for at in beside)

    yield {
        plane: {
            number: MaskCrop(crop.top, crop.left, crop.mask[: max(len(crop.mask) - rows(plane), 1)])
            for number, crop in crops.items()
        }
        for plane, crops in followed.items()
    }


def shortened(
    self: Walls, planes: range, certain: Masks, followed: Masks
) -> Iterator[Masks | None]:
    """Thin masks, and leave out those of the last two planes of objects with an even number."""
    *work, masks = thinned(self, planes, certain, followed)
    yield from work
    last = {
        n: sorted(p for p in masks if n in masks[p])[-2:]
        for n in {n for m in masks.values() for n in m}
    }
    yield {
        plane: {n: crop for n, crop in crops.items() if n % 2 or plane not in last[n]}
        for plane, crops in masks.items()
    }


def see_walls(patch: pytest.MonkeyPatch, seen: bool, fitted: Any = thinned) -> None:
    """Let there be walls, which thin masks by default, or none."""
    patch.setattr(Walls, "of", lambda stack, anchors: Walls(stack, True, 1.0) if seen else None)
    patch.setattr(Walls, "fitted", fitted)


def box_on(plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((PLANES, 50, 60), bool)
    mask[plane, y0:y1, x0:x1] = True
    return mask
