"""The file of prompts, as pydantic models: what stands in it, and nothing else.

The models are the format: their fields change with ``VERSION`` and with nothing inside the program.
Here: the models, values to them and back.  Not here: reading and writing (``record_files.py``), the
values (``records.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.packed_arrays import PackedArray
from napari_samv2_prompts.io.records import (
    Accept,
    Ask,
    Choose,
    Divide,
    EndHere,
    Follow,
    Picture,
    Point,
    Predict,
    Record,
    Remove,
    Shape,
    Step,
    file_name,
)
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.propagation import Method, Wanted
from napari_samv2_prompts.regions import Region

__all__ = ["FORMAT", "VERSION", "RecordFile", "StepFile", "step_file", "step_of"]

FORMAT: Literal["napari-samv2-prompts"] = "napari-samv2-prompts"
VERSION: Literal[3] = 3

Pair = tuple[float, float]
Box = tuple[float, float, float, float]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class PlaneFile(_Model):
    """A plane: its axes for rows and columns, the place on the others, height and width."""

    axes: tuple[int, int]
    index: tuple[int | None, ...]
    shape: tuple[int, int]

    @classmethod
    def of(cls, plane: Plane) -> PlaneFile:
        """Return what a file says of a plane."""
        return cls(axes=plane.axes, index=plane.index, shape=plane.shape)

    def value(self) -> Plane:
        """Return the plane; ValueError if it can't be one."""
        return Plane(self.axes, self.index, self.shape)


class RegionFile(_Model):
    """A part of a plane, in whole pixels, half open."""

    top: int
    left: int
    bottom: int
    right: int


class PictureFile(_Model):
    """What the model saw of a plane; see :class:`.Picture`."""

    limits: Pair | None = None
    gamma: float = 1.0
    region: RegionFile | None = None
    side: int | None = None
    channels: bool = False

    @classmethod
    def of(cls, picture: Picture) -> PictureFile:
        """Return what a file says of a picture."""
        part = picture.region
        region = None
        if part is not None:
            region = RegionFile(top=part.top, left=part.left, bottom=part.bottom, right=part.right)
        return cls(
            limits=picture.limits, gamma=picture.gamma, region=region, side=picture.side,
            channels=picture.channels,
        )  # fmt: skip

    def value(self) -> Picture:
        """Return the picture."""
        part = self.region
        region = None if part is None else Region(part.top, part.left, part.bottom, part.right)
        return Picture(self.limits, self.gamma, region, self.side, self.channels)


class ModelFile(_Model):
    """Which weights: a name, or the name of a file of the user's own."""

    name: str | None = "nano"
    checkpoint: str | None = None

    @classmethod
    def of(cls, model: ModelChoice) -> ModelFile:
        """Return what is true of a model on any machine."""
        file = model.checkpoint and file_name(model.checkpoint)
        return cls(name=model.name, checkpoint=file or None)

    def value(self) -> ModelChoice:
        """Return the choice; ValueError if the file is none."""
        return ModelChoice(self.name, Path(file_name(self.checkpoint)) if self.checkpoint else None)


class PromptFile(_Model):
    """All that was said about one object of a plane."""

    object: int
    points: tuple[Pair, ...] = ()
    labels: tuple[int, ...] = ()
    box: Box | None = None
    mask: PackedArray | None = None
    mask_box: Box | None = None

    @classmethod
    def of(cls, ask: Ask) -> PromptFile:
        """Return what a file says of a prompt."""
        return cls(
            object=ask.object, points=ask.points, labels=ask.labels, box=_floats(ask.box),
            mask=None if ask.mask is None else PackedArray.of(np.asarray(ask.mask)),
            mask_box=_floats(ask.mask_box),
        )  # fmt: skip

    def value(self) -> Ask:
        """Return the prompt."""
        mask = None if self.mask is None else self.mask.array()
        return Ask(self.object, self.points, self.labels, self.box, mask, self.mask_box)


def _floats(box: tuple[float, ...] | None) -> Box | None:
    if box is None:
        return None
    x0, y0, x1, y1 = map(float, box)
    return x0, y0, x1, y1


class PredictedFile(_Model):
    """Objects of a plane were predicted together."""

    step: Literal["predicted"]
    plane: PlaneFile
    prompts: tuple[PromptFile, ...]
    picture: PictureFile = PictureFile()
    model: ModelFile = ModelFile()
    policy: Policy = "keep"


class ChosenFile(_Model):
    """Another candidate was chosen for an object."""

    step: Literal["chosen"]
    plane: PlaneFile
    object: int
    candidate: int


class RemovedFile(_Model):
    """Objects lost their last prompt: on a plane, or on all of them."""

    step: Literal["removed"]
    objects: tuple[int, ...]
    plane: PlaneFile | None = None


class AcceptedFile(_Model):
    """The labels of objects were kept and their prompts cleared."""

    step: Literal["accepted"]
    objects: tuple[int, ...]


class FollowedFile(_Model):
    """Objects were followed along an axis; see :class:`.Follow`.  Since version 3."""

    step: Literal["followed"]
    plane: PlaneFile
    axis: int
    first: int
    last: int
    direction: Literal["forward", "back", "both"] = "both"
    objects: tuple[int, ...]
    stop_when_lost: bool = True
    parts: int
    begun: bool = True
    picture: PictureFile = PictureFile()
    model: ModelFile = ModelFile()
    policy: Policy = "keep"
    method: Method = "auto"

    @classmethod
    def of(cls, step: Follow) -> FollowedFile:
        """Return what a file says of following."""
        wanted = step.wanted
        return cls(
            step="followed", plane=PlaneFile.of(step.plane), axis=step.axis, first=wanted.first,
            last=wanted.last, direction=wanted.direction,
            objects=tuple(sorted(wanted.objects or ())), stop_when_lost=wanted.stop_when_lost,
            parts=step.parts, begun=step.begun, picture=PictureFile.of(step.picture),
            model=ModelFile.of(step.model), policy=step.policy, method=step.method,
        )  # fmt: skip

    def value(self) -> Follow:
        """Return the step."""
        wanted = Wanted(
            self.first, self.last, self.direction, frozenset(self.objects), self.stop_when_lost
        )
        return Follow(
            self.plane.value(), self.axis, wanted, self.parts, self.begun, self.picture.value(),
            self.model.value(), self.policy, self.method,
        )  # fmt: skip


class EndedFile(_Model):
    """An object is not on a plane, nor beyond it along an axis.  Since version 3."""

    step: Literal["ended"]
    plane: PlaneFile
    axis: int
    object: int


class DividedFile(_Model):
    """An object ended before a plane, and others came from it.  Since version 3."""

    step: Literal["divided"]
    plane: PlaneFile
    axis: int
    object: int
    daughters: tuple[int, ...]


StepFile = Annotated[
    PredictedFile
    | ChosenFile
    | RemovedFile
    | AcceptedFile
    | FollowedFile
    | EndedFile
    | DividedFile,
    Field(discriminator="step"),
]


class PointFile(_Model):
    """A click in a Points layer, in data coordinates of the image."""

    object: int
    at: tuple[float, ...]
    positive: bool = True


class ShapeFile(_Model):
    """A shape in a Shapes layer, in data coordinates of the image."""

    object: int
    kind: str
    vertices: tuple[tuple[float, ...], ...]


class RecordFile(_Model):
    """All of the file."""

    format: Literal["napari-samv2-prompts"]
    version: Literal[2, 3]
    written_by: str = ""
    image: str
    shape: tuple[int, ...]
    steps: tuple[StepFile, ...]
    points: tuple[PointFile, ...] = ()
    shapes: tuple[ShapeFile, ...] = ()

    @classmethod
    def of(cls, record: Record, written_by: str) -> RecordFile:
        """Return the file of a record."""
        return cls(
            format=FORMAT, version=VERSION, written_by=written_by, image=record.image,
            shape=record.shape, steps=tuple(step_file(step) for step in record.steps),
            points=tuple(PointFile(object=p.object, at=p.at, positive=p.positive)
                         for p in record.points),
            shapes=tuple(ShapeFile(object=s.object, kind=s.kind, vertices=s.vertices)
                         for s in record.shapes),
        )  # fmt: skip

    def value(self) -> Record:
        """Return the record; ValueError if a plane or a prompt can't be one."""
        return Record(
            self.image, self.shape, tuple(step_of(step) for step in self.steps),
            tuple(Point(p.object, p.at, p.positive) for p in self.points),
            tuple(Shape(s.object, s.kind, s.vertices) for s in self.shapes),
        )  # fmt: skip


def step_file(step: Step) -> StepFile:
    """Return what a file says of a step."""
    if isinstance(step, Predict):
        return PredictedFile(
            step="predicted",
            plane=PlaneFile.of(step.plane),
            prompts=tuple(PromptFile.of(ask) for ask in step.asks),
            picture=PictureFile.of(step.picture),
            model=ModelFile.of(step.model),
            policy=step.policy,
        )
    if isinstance(step, Choose):
        plane = PlaneFile.of(step.plane)
        return ChosenFile(step="chosen", plane=plane, object=step.object, candidate=step.candidate)
    if isinstance(step, Remove):
        where = None if step.plane is None else PlaneFile.of(step.plane)
        return RemovedFile(step="removed", objects=step.objects, plane=where)
    if isinstance(step, Accept):
        return AcceptedFile(step="accepted", objects=step.objects)
    if isinstance(step, Follow):
        return FollowedFile.of(step)
    plane = PlaneFile.of(step.plane)
    if isinstance(step, EndHere):
        return EndedFile(step="ended", plane=plane, axis=step.axis, object=step.object)
    return DividedFile(
        step="divided", plane=plane, axis=step.axis, object=step.object, daughters=step.daughters
    )


def step_of(step: StepFile) -> Step:
    """Return the step that a file says."""
    if isinstance(step, PredictedFile):
        asks = tuple(prompt.value() for prompt in step.prompts)
        return Predict(
            step.plane.value(), asks, step.picture.value(), step.model.value(), step.policy
        )
    if isinstance(step, ChosenFile):
        return Choose(step.plane.value(), step.object, step.candidate)
    if isinstance(step, RemovedFile):
        return Remove(step.objects, None if step.plane is None else step.plane.value())
    if isinstance(step, AcceptedFile):
        return Accept(step.objects)
    if isinstance(step, FollowedFile):
        return step.value()
    if isinstance(step, EndedFile):
        return EndHere(step.plane.value(), step.axis, step.object)
    return Divide(step.plane.value(), step.axis, step.object, step.daughters)
