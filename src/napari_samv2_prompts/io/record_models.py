"""The file of prompts, as pydantic models: what stands in it, and nothing else.

The models are the format: their fields change with ``VERSION`` and with nothing inside the program.
Here: the models, values to them and back.  Not here: reading and writing (``record_files.py``), the
values (``records.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.packed_arrays import PackedArray
from napari_samv2_prompts.io.records import (
    Accept,
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
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.propagation import Method, Wanted
from napari_samv2_prompts.regions import Region

FORMAT: Literal["napari-samv2-prompts"] = "napari-samv2-prompts"
VERSION: Literal[4] = 4

Pair = tuple[float, float]
Box = tuple[float, float, float, float]


class _Model(BaseModel):
    """What a file says of a value: its fields, by the same names but where a model says others."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, from_attributes=True
    )
    makes: ClassVar[type[Any]]  # the value

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return what a file says of a value."""
        return cls.model_validate(value)

    def value(self) -> Any:
        """Return the value; ValueError if it can't be one."""
        names = type(self).model_fields.keys() - {"step"}
        return self.makes(**{name: _value(getattr(self, name)) for name in names})


def _value(said: Any) -> Any:
    if isinstance(said, tuple):
        return tuple(map(_value, said))
    return said.value() if isinstance(said, _Model | PackedArray) else said


class PlaneFile(_Model):
    """A plane: its axes for rows and columns, the place on the others, height and width."""

    makes = Plane
    axes: tuple[int, int]
    index: tuple[int | None, ...]
    shape: tuple[int, int]


class RegionFile(_Model):
    """A part of a plane, in whole pixels, half open."""

    makes = Region
    top: int
    left: int
    bottom: int
    right: int


class PictureFile(_Model):
    """What the model saw of a plane; see :class:`.Picture`."""

    makes = Picture
    limits: Pair | None = None
    gamma: float = 1.0
    region: RegionFile | None = None
    side: int | None = None
    channels: bool = False
    alpha: bool = True


class ModelFile(_Model):
    """Which weights: a name, or the name of a file of the user's own, true on any machine."""

    name: str | None = "nano"
    checkpoint: str | None = None

    @field_validator("checkpoint", mode="before")
    @classmethod
    def _named(cls, path: object) -> object:
        return file_name(path) if isinstance(path, Path) else path

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
    def of(cls, value: Prompt) -> Self:
        """Return what a file says of a prompt."""
        return cls(
            object=value.object, points=tuple(map(tuple, value.points.tolist())),
            labels=tuple(value.labels.tolist()), box=value.box,
            mask=None if value.mask is None else PackedArray.of(value.mask),
            mask_box=value.mask_box,
        )  # fmt: skip

    def value(self) -> Prompt:
        """Return the prompt; ValueError if it can't be one."""
        points, labels = np.reshape(self.points, (-1, 2)), np.array(self.labels)
        return Prompt(self.object, points, labels, self.box, _value(self.mask), self.mask_box)


class PredictedFile(_Model):
    """Objects of a plane were predicted together."""

    step: Literal["predicted"] = "predicted"
    plane: PlaneFile
    prompts: tuple[PromptFile, ...]
    picture: PictureFile = PictureFile()
    model: ModelFile = ModelFile()
    policy: Policy = "keep"
    smaller_above: bool = False

    @classmethod
    def of(cls, value: Predict) -> Self:
        """Return what a file says of predicting."""
        return cls(
            plane=PlaneFile.of(value.plane), prompts=tuple(map(PromptFile.of, value.prompts)),
            picture=PictureFile.of(value.picture), model=ModelFile.of(value.model),
            policy=value.policy, smaller_above=value.smaller_above,
        )  # fmt: skip

    def value(self) -> Predict:
        """Return the step."""
        return Predict(
            self.plane.value(), PromptBatch(_value(self.prompts)), self.picture.value(),
            self.model.value(), self.policy, self.smaller_above,
        )  # fmt: skip


class ChosenFile(_Model):
    """Another candidate was chosen for an object."""

    makes = Choose
    step: Literal["chosen"] = "chosen"
    plane: PlaneFile
    object: int
    candidate: int


class RemovedFile(_Model):
    """Objects lost their last prompt: on a plane, or on all of them."""

    makes = Remove
    step: Literal["removed"] = "removed"
    objects: tuple[int, ...]
    plane: PlaneFile | None = None


class AcceptedFile(_Model):
    """The labels of objects were kept and their prompts cleared."""

    makes = Accept
    step: Literal["accepted"] = "accepted"
    objects: tuple[int, ...]


class FollowedFile(_Model):
    """Objects were followed along an axis; see :class:`.Follow`.  Since version 3."""

    step: Literal["followed"] = "followed"
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
    def of(cls, value: Follow) -> Self:
        """Return what a file says of following."""
        wanted = value.wanted
        return cls(
            plane=PlaneFile.of(value.plane), axis=value.axis, first=wanted.first,
            last=wanted.last, direction=wanted.direction,
            objects=tuple(sorted(wanted.objects or ())), stop_when_lost=wanted.stop_when_lost,
            parts=value.parts, begun=value.begun, picture=PictureFile.of(value.picture),
            model=ModelFile.of(value.model), policy=value.policy, method=value.method,
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

    makes = EndHere
    step: Literal["ended"] = "ended"
    plane: PlaneFile
    axis: int
    object: int


class DividedFile(_Model):
    """An object ended before a plane, and others came from it.  Since version 3."""

    makes = Divide
    step: Literal["divided"] = "divided"
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
_STEPS: dict[type[Any], Any] = {
    Predict: PredictedFile, Choose: ChosenFile, Remove: RemovedFile, Accept: AcceptedFile,
    Follow: FollowedFile, EndHere: EndedFile, Divide: DividedFile,
}  # fmt: skip


def step_file(step: Step) -> StepFile:
    """Return what a file says of a step."""
    said: StepFile = _STEPS[type(step)].of(step)
    return said


class PointFile(_Model):
    """A click in a Points layer, in data coordinates of the image."""

    makes = Point
    object: int
    at: tuple[float, ...]
    positive: bool = True


class ShapeFile(_Model):
    """A shape in a Shapes layer, in data coordinates of the image."""

    makes = Shape
    object: int
    kind: str
    vertices: tuple[tuple[float, ...], ...]


class RecordFile(_Model):
    """All of the file."""

    format: Literal["napari-samv2-prompts"]
    version: Literal[2, 3, 4]
    written_by: str = ""
    image: str
    shape: tuple[int, ...]
    steps: tuple[StepFile, ...]
    points: tuple[PointFile, ...] = ()
    shapes: tuple[ShapeFile, ...] = ()

    @classmethod
    def of_record(cls, record: Record, written_by: str) -> RecordFile:
        """Return the file of a record."""
        return cls(
            format=FORMAT, version=VERSION, written_by=written_by, image=record.image,
            shape=record.shape, steps=tuple(map(step_file, record.steps)),
            points=tuple(map(PointFile.of, record.points)),
            shapes=tuple(map(ShapeFile.of, record.shapes)),
        )  # fmt: skip

    def value(self) -> Record:
        """Return the record; ValueError if a plane or a prompt can't be one."""
        said = self.steps, self.points, self.shapes
        return Record(self.image, self.shape, *map(_value, said))
