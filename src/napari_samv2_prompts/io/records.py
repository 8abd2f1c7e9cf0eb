"""What was asked of the model, in a file beside the labels, from which they can be made again.

A :class:`Record` is the list of steps that led to the labels, in order, and the prompts that are
still there.  The same steps on the same image give the same labels, bit for bit, on the same
machine.  What was painted or undone by hand is not in it.

Of weights of the user's own a file of prompts holds the name alone: which file that is says who
loads it (:func:`with_weights`), so that no file opens another.

Here: the values.  Not here: their file (``record_files.py``), making a record
(``io/recorder.py``), running one (``replaying.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath

from napari_samv2_prompts.engine import ModelChoice
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import PromptBatch
from napari_samv2_prompts.propagation import Method, Wanted
from napari_samv2_prompts.regions import Region


@dataclass(frozen=True, slots=True)
class Picture:
    """What the model saw of a plane."""

    # Values that were black and white; None by percentiles of the plane.
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    region: Region | None = None  # the part that was embedded; None for the whole plane
    side: int | None = None  # side of the model's input that it was read for; None for every pixel
    channels: bool = False  # whether it was all visible channels: then the picture depends on them
    alpha: bool = True  # whether what is transparent was black, as in the viewer


@dataclass(frozen=True, slots=True, eq=False)
class Predict:
    """Objects of a plane were predicted together."""

    plane: Plane
    prompts: PromptBatch
    picture: Picture = field(default_factory=Picture)
    model: ModelChoice = field(default_factory=ModelChoice)
    policy: Policy = "keep"
    # Where their masks overlap the smallest is seen, and not the one of the highest number.
    smaller_above: bool = False


@dataclass(frozen=True, slots=True)
class Choose:
    """Another candidate was chosen for an object."""

    plane: Plane
    object: int
    candidate: int


@dataclass(frozen=True, slots=True)
class Remove:
    """Objects lost their last prompt: on a plane, or on all of them."""

    objects: tuple[int, ...]
    plane: Plane | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    """The labels of objects were kept and their prompts cleared."""

    objects: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Follow:
    """Objects were followed through planes, or went on being followed."""

    plane: Plane  # one of them; the others differ in the index on `axis`
    axis: int
    wanted: Wanted  # which planes, and which objects
    # How many results came before something else was done, or it ended: the rest of what is missing
    # was not found then.
    parts: int
    begun: bool = True  # whether this is the beginning of a run, or the rest of the one before
    # What the model saw of each plane; without a region.
    picture: Picture = field(default_factory=Picture)
    model: ModelChoice = field(default_factory=ModelChoice)
    policy: Policy = "keep"
    method: Method = "auto"


@dataclass(frozen=True, slots=True)
class EndHere:
    """An object is not on a plane, nor beyond it along an axis."""

    plane: Plane
    axis: int
    object: int


@dataclass(frozen=True, slots=True)
class Divide:
    """An object ended before a plane, and others came from it."""

    plane: Plane
    axis: int
    object: int
    daughters: tuple[int, ...]


Step = Predict | Choose | Remove | Accept | Follow | EndHere | Divide


@dataclass(frozen=True, slots=True)
class Point:
    """A click in a Points layer, in data coordinates of the image."""

    object: int
    at: tuple[float, ...]
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape in a Shapes layer, in data coordinates of the image."""

    object: int
    kind: str
    vertices: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """Everything that led to the labels of an image."""

    image: str  # name of the image: a help to the reader
    shape: tuple[int, ...]  # of the image, without the channels of RGB
    steps: tuple[Step, ...]  # in their order
    # The prompts that are in the layers now.
    points: tuple[Point, ...] = ()
    shapes: tuple[Shape, ...] = ()

    @property
    def model(self) -> ModelChoice | None:
        """The model that was used last; None if nothing was predicted."""
        models = [step.model for step in self.steps if isinstance(step, Predict | Follow)]
        return models[-1] if models else None

    def check(self, shape: Iterable[int]) -> None:
        """Raise ValueError for an image of another shape."""
        here = tuple(shape)
        if here != self.shape:
            raise ValueError(
                f"The prompts were saved for an image of {_by(self.shape)} pixels "
                f"({self.image}), not of {_by(here)}: choose that image."
            )


def own_weights(record: Record) -> tuple[str, ...]:
    """Return the names of the files of the user's own weights, in the order of their use."""
    models = [step.model for step in record.steps if isinstance(step, Predict | Follow)]
    return tuple(dict.fromkeys(file_name(m.checkpoint) for m in models if m.checkpoint))


def with_weights(record: Record, given: str | Path | None) -> Record:
    """Return a record that is to be done with weights that the user points at.

    - `given`: the file, whatever its name, or the folder with all files; of no concern to a record
      without weights of the user's own
    - raises ValueError if a file that the record needs is not given; the message has its name
    """
    wanted = own_weights(record)
    if given is not None and Path(given).is_dir():
        here = {path.name: path for path in Path(given).iterdir() if path.is_file()}
    else:
        here = {} if given is None or len(wanted) != 1 else {wanted[0]: Path(given)}
    missing = ", ".join(name for name in wanted if name not in here)
    if missing:
        raise ValueError(
            f"The prompts were made with weights of your own, {missing}, which are not looked for: "
            "pass the file, or the folder of several, as checkpoint (--checkpoint in a shell)."
        )
    return with_models(
        record,
        lambda m: replace(m, checkpoint=here[file_name(m.checkpoint)]) if m.checkpoint else m,
    )


def with_models(record: Record, change: Callable[[ModelChoice], ModelChoice]) -> Record:
    """Return a record with each model changed."""
    steps = tuple(
        replace(step, model=change(step.model)) if isinstance(step, Predict | Follow) else step
        for step in record.steps
    )
    return replace(record, steps=steps)


def file_name(path: str | Path) -> str:
    """Return the last part of a path of any system."""
    name = PureWindowsPath(path).name
    if not name:
        raise ValueError(f"{str(path)!r} is no file of weights.")
    return name


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
