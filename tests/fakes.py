"""Stand-ins for the model and the worker, so that tests say exactly what happens when."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from uuid import NAMESPACE_OID, uuid5

import numpy as np
from napari.components import Dims
from napari.layers import Points, Shapes
from numpy.typing import NDArray

from napari_samv2_prompts.engine import (
    Cancelled,
    Done,
    Failed,
    ModelChoice,
    OnDone,
    OnReport,
    Outcome,
    Partial,
    Place,
    Report,
    State,
    Stopped,
    Task,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.layers import Chosen, read_tables, write_tables
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks, Prompt, PromptBatch
from napari_samv2_prompts.regions import Extent, Region

RADIUS = 5.0
LOGITS = 16


@dataclass
class FakeEmbedding:
    image: NDArray[np.uint8]
    nbytes: int = 2_000_000
    logits_size: int = LOGITS
    image_size: tuple[int, int] = (0, 0)  # that of the image by default

    def __post_init__(self) -> None:
        self.image_size = self.image_size if any(self.image_size) else self.image.shape[:2]

    def halved(self) -> FakeEmbedding:
        return replace(self, nbytes=self.nbytes // 2)

    def from_afar(self) -> FakeEmbedding:
        return self


def adopt(layer: Points | Shapes, first: int = 1) -> None:
    """Give a prompt layer its columns, as the window does; `first` is the first free number."""
    chosen = Chosen(**{"points" if isinstance(layer, Points) else "shapes": layer})
    tables = read_tables(
        chosen, Dims(ndim=layer.ndim), lambda used: max(first, max(used, default=0) + 1)
    )
    write_tables(chosen, tables)


PLANE = Plane((0, 1), (None, None), (64, 64))


def place(name: object = "p") -> Place:
    """Return the place of layers of their own."""
    return Place(PLANE, labels=uuid5(NAMESPACE_OID, str(name)))


class FakeView(ImageView):
    """Black pixels; remembers that they were read."""

    __setattr__ = object.__setattr__  # type: ignore[assignment]

    def __init__(
        self,
        key: Hashable,
        size: tuple[int, int] = (64, 64),
        reads: list[Hashable] | None = None,
        error: Exception | None = None,
        region: Region | None = None,
    ) -> None:
        super().__init__(key, size, region or Region.whole(size), render=lambda **_: None)
        self.reads = [] if reads is None else reads
        self.error = error

    def read(self) -> NDArray[np.uint8]:
        self.reads.append(self.picture)
        if self.error is not None:
            raise self.error
        return np.zeros((*self.region.size, 3), np.uint8)

    def within(self, region: Region, side: int | None) -> FakeView:
        return FakeView(self.picture, self.shape, self.reads, self.error, region)

    def holding(self, extent: Extent) -> FakeView:
        return self.within(self.region.holding(extent, self.shape), None)


class FakePacking:
    """Keeps nothing but the size of the picture."""

    fingerprint = "fake"

    def pack(self, embedding: FakeEmbedding, key: str) -> bytes:
        height, width = embedding.image.shape[:2]
        return f"fake {key} {height} {width} {embedding.nbytes}".encode()

    def unpack(self, data: bytes, key: str) -> FakeEmbedding:
        kind, found, height, width, nbytes = data.decode(errors="replace").split()
        if (kind, found) != ("fake", key):
            raise ValueError("This is something else.")
        return FakeEmbedding(np.zeros((int(height), int(width), 3), np.uint8), int(nbytes))


class FakePredictor:
    """Answers with a disc around each positive click, and the filled box; minus negative discs.

    A lone click has three candidates, of one, two and three radii, scored 0.9, 0.8, 0.7.
    """

    device = "cpu"
    device_reason = "because this is a test"
    packing: FakePacking
    remembers = False

    def __init__(self) -> None:
        self.images: list[NDArray[np.uint8]] = []
        self.batches: list[PromptBatch] = []
        self.packing = FakePacking()
        self.previews: list[Prompt] = []

    def embed(
        self,
        image: NDArray[np.uint8],
        progress: Callable[[float], object] | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> FakeEmbedding:
        if progress is not None:
            progress(0.5)
        self.images.append(image)
        return FakeEmbedding(image, image_size=image_size or image.shape[:2])

    def decode(
        self, embedding: FakeEmbedding, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        self.batches.append(batch)
        size = embedding.image_size
        for prompt in batch:
            assert prompt.mask is None or prompt.mask.shape == (LOGITS, LOGITS)
        return Masks(tuple(self._item(prompt, size) for prompt in batch), size)

    def recall(self) -> object:
        raise ValueError("This model has no memory.")

    def preview(self, embedding: FakeEmbedding, prompt: Prompt) -> NDArray[np.float32]:
        """Answer with logits of the image's own size: 1 in the best mask, -1 outside."""
        self.previews.append(prompt)
        return np.where(fake_mask(prompt, embedding.image_size), 1, -1).astype(np.float32)

    @staticmethod
    def _item(prompt: Prompt, size: tuple[int, int]) -> ItemMasks:
        factors = (1.0, 2.0, 3.0) if prompt.is_ambiguous else (1.0,)
        crops = tuple(crop_of(fake_mask(prompt, size, RADIUS * factor)) for factor in factors)
        scores = np.array([0.9, 0.8, 0.7][: len(factors)], np.float32)
        logits = np.stack(
            [np.full((LOGITS, LOGITS), i + 1, np.float32) for i in range(len(factors))]
        )
        return ItemMasks(prompt.object, crops, scores, logits, 5.0)


def fake_mask(prompt: Prompt, size: tuple[int, int], radius: float = RADIUS) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[: size[0], : size[1]]
    mask = np.zeros(size, bool)
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        mask |= (columns >= x0) & (columns <= x1) & (rows >= y0) & (rows <= y1)
    for positive in (True, False):
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            if bool(label) == positive:
                disc = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
                mask = mask | disc if positive else mask & ~disc
    return mask


def crop_of(mask: NDArray[np.bool_]) -> MaskCrop:
    if not mask.any():
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    return MaskCrop(top, left, mask[top : rows[-1] + 1, left : columns[-1] + 1])


class Factory:
    """Makes fake predictors and remembers what for."""

    def __init__(self) -> None:
        self.made: list[ModelChoice] = []
        self.predictor = FakePredictor()
        self.error: Exception | None = None

    def __call__(self, choice: ModelChoice, task: Task) -> FakePredictor:
        if self.error is not None:
            raise self.error
        self.made.append(choice)
        return self.predictor


def outcome_of(task: Task) -> Outcome:
    try:
        return Stopped() if task.cancelled else Done(task.job.run(task))
    except Cancelled:
        return Stopped()
    except Exception as error:  # noqa: BLE001  (whatever it is becomes a value)
        return Failed(error)


class SyncRunner:
    """Does every task at once, in the caller's thread."""

    def __init__(self) -> None:
        self.closed = 0

    def submit(self, task: Task, on_done: OnDone, on_report: OnReport) -> None:
        task.on_report = lambda report: on_report(task, report)
        on_done(task, outcome_of(task))

    def close(self) -> None:
        self.closed += 1


class ManualRunner:
    """Keeps tasks until the test lets one end: late, out of order, or with an error."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Task, OnDone, OnReport]] = []
        self.closed = 0

    def submit(self, task: Task, on_done: OnDone, on_report: OnReport) -> None:
        task.on_report = lambda report: on_report(task, report)
        self.jobs.append((task, on_done, on_report))

    @property
    def tasks(self) -> list[Task]:
        return [task for task, _, _ in self.jobs]

    @property
    def live(self) -> list[Task]:
        return [task for task in self.tasks if not task.cancelled]

    @property
    def states(self) -> list[State | None]:
        """What the user is told of the tasks that are not cancelled."""
        return [task.job.state for task in self.live]

    def finish(self, index: int = -1, outcome: Outcome | None = None) -> None:
        """End one task; a cancelled one still brings its result, as real work would."""
        task, on_done, _ = self.jobs.pop(index)
        stand_in = Task(task.job)  # which nobody has cancelled
        if not task.cancelled:
            stand_in.on_report = task.on_report
        on_done(task, Done(task.job.run(stand_in)) if outcome is None else outcome)

    def fail(self, error: Exception, index: int = -1) -> None:
        self.finish(index, Failed(error))

    def finish_in_turn(self) -> None:
        """End all tasks, and those that they lead to; see :meth:`finish`."""
        while self.jobs:
            self.finish(0)

    def run_to(self, count: int) -> None:
        """Let the last task come as far as so many partial results, which are delivered then."""
        task, _, on_report = self.jobs[-1]
        parts: list[Partial] = []

        def stop(report: Report) -> None:
            if isinstance(report, Partial):
                parts.append(report)
            if len(parts) == count:
                task.cancel()

        task.on_report = stop
        outcome_of(task)
        for part in parts:
            on_report(task, part)

    def finish_all(self) -> None:
        while self.jobs:
            task, on_done, _ = self.jobs.pop(0)
            on_done(task, outcome_of(task))

    def close(self) -> None:
        self.closed += 1
