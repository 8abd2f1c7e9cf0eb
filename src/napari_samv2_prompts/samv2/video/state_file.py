"""A state as one file, and back: prompts, answers and what is remembered, without the film.

A safetensors file holds numbers only, so reading one executes nothing.  It is whole or absent.
What is no number stands in its metadata as JSON: the models here, with a format version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_samv2_prompts.files import written_whole

from .memory import Memory, MemoryBank
from .state import Answer, PointPrompts, TrackedObject, VideoState

FORMAT = 1

Count = Annotated[int, Field(ge=0, lt=2**31)]


class _Object(BaseModel):
    """One object: what is known on which frames, and the kind of each prompt."""

    model_config = ConfigDict(frozen=True)

    number: int
    prompts: dict[Count, Literal["points", "mask"]]
    answers: dict[Count, tuple[FiniteFloat, FiniteFloat, bool]]
    conditioning: list[Count]
    directions: dict[Count, bool]
    recent: list[Count]
    limit: Annotated[int, Field(ge=1)] | None

    @classmethod
    def of(cls, number: int, item: TrackedObject) -> _Object:
        """Describe an object."""
        return cls(
            number=number,
            prompts={
                frame: "points" if isinstance(prompt, PointPrompts) else "mask"
                for frame, prompt in item.prompts.items()
            },
            answers={
                frame: (answer.score, answer.object_score, answer.prompted)
                for frame, answer in item.answers.items()
            },
            conditioning=list(item.bank.conditioning),
            directions=item.directions,
            recent=list(item.recent),
            limit=item.bank.limit,
        )

    @property
    def frames(self) -> set[int]:
        """All frames that are named."""
        lists = (self.prompts, self.answers, self.conditioning, self.directions, self.recent)
        return {frame for each in lists for frame in each}


class _State(BaseModel):
    """A film, the model that looked at it, and the objects in it."""

    model_config = ConfigDict(frozen=True)

    format: int
    model: str
    frames: Count
    size: tuple[Count, Count]
    objects: list[_Object]


def write_state(state: VideoState, path: Path) -> None:
    """Write what is known of a film's objects; prompts must have been remembered before.

    Raises ValueError if there are prompts that are not remembered yet.
    """
    tensors: dict[str, Tensor] = {}
    for place, item in enumerate(state.objects.values()):
        if item.pending:
            raise ValueError("Prompts that are not remembered yet cannot be saved.")
        tensors.update({f"{place}/{key}": value for key, value in _tensors(item)})
    objects = [_Object.of(number, item) for number, item in state.objects.items()]
    described = _State(
        format=FORMAT, model=state.model, frames=state.num_frames, size=state.size, objects=objects
    )
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with written_whole(path) as part:
        save_file(contiguous, part, {"state": described.model_dump_json()})


def read_state(state: VideoState, path: Path) -> None:
    """Fill the state of a film that was just opened with what a file knows.

    - raises ValueError if the file is damaged, or of another film or model
    - raises FileNotFoundError if there is no such file
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    damaged = f"{path.name} is not a state that was saved, or is damaged."
    try:
        with safe_open(path, framework="pt") as file:
            described = _State.model_validate_json((file.metadata() or {})["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, LookupError, ValidationError) as error:
        raise ValueError(damaged) from error
    _require_same(state, described, path)
    try:
        objects = {
            entry.number: _object(entry, partial(_named, tensors, place), state)
            for place, entry in enumerate(described.objects)
        }
    except (LookupError, _Damaged) as error:
        raise ValueError(damaged) from error
    state.objects.clear()
    state.objects.update(objects)


def _named(tensors: Mapping[str, Tensor], place: int, name: str) -> Tensor:
    return tensors[f"{place}/{name}"]


class _Damaged(Exception):
    """Tensors that are not what the description says."""


def _require_same(state: VideoState, described: _State, path: Path) -> None:
    if described.format != FORMAT:
        raise ValueError(f"{path.name} is of another version of this package.")
    if described.model != state.model:
        raise ValueError(
            f"{path.name} was saved with {described.model}, and this predictor is "
            f"{state.model}: what one remembers means nothing to the other."
        )
    size, own = described.size, state.size
    if (described.frames, size) != (state.num_frames, own):
        raise ValueError(
            f"{path.name} belongs to a film of {described.frames} frames of {size[1]} x {size[0]} "
            f"pixels; this one has {state.num_frames} of {own[1]} x {own[0]}."
        )


def _tensors(item: TrackedObject) -> list[tuple[str, Tensor]]:
    named = []
    for frame, prompt in item.prompts.items():
        if isinstance(prompt, PointPrompts):
            named.append((f"coords/{frame}", torch.from_numpy(prompt.coords)))
            named.append((f"labels/{frame}", torch.from_numpy(prompt.labels)))
        else:
            named.append((f"mask/{frame}", torch.from_numpy(np.packbits(prompt, axis=1))))
    for frame, answer in item.answers.items():
        named.append((f"logits/{frame}", answer.logits))
    for frame, memory in {**item.bank.tracked, **item.bank.conditioning}.items():
        named.append((f"pointer/{frame}", memory.pointer))
        if memory.features is not None:
            named.append((f"map/{frame}", memory.features))
    return named


def _object(entry: _Object, tensor: Callable[[str], Tensor], state: VideoState) -> TrackedObject:
    """Put an object together again; ``tensor`` finds one of its tensors by name."""
    _require(all(frame < state.num_frames for frame in entry.frames))

    def found(kind: str, frame: int, dimensions: int) -> Tensor:
        value = tensor(f"{kind}/{frame}")
        _require(value.ndim == dimensions)
        return value

    item = TrackedObject()
    for frame, kind in entry.prompts.items():
        if kind == "points":
            coords, labels = found("coords", frame, 2), found("labels", frame, 1)
            _require(coords.shape == (len(labels), 2))
            item.prompts[frame] = PointPrompts(coords.numpy(), labels.numpy())
        else:
            bits = found("mask", frame, 2)
            height, width = state.size
            _require(bits.dtype == torch.uint8 and bits.shape == (height, -(-width // 8)))
            item.prompts[frame] = np.unpackbits(bits.numpy(), axis=1, count=width).astype(bool)
    conditioning: dict[int, Memory] = {}
    tracked: dict[int, Memory] = {}
    for frame, (score, object_score, prompted) in entry.answers.items():
        logits, pointer = found("logits", frame, 2), found("pointer", frame, 1)
        _require(logits.is_floating_point() and pointer.is_floating_point())
        item.answers[frame] = Answer(logits.to(state.storage), score, object_score, prompted)
        try:
            features = found("map", frame, 2).to(state.storage)
        except LookupError:
            features = None  # it was let go of
        memory = Memory(pointer.to(state.storage), features, object_score)
        (conditioning if frame in entry.conditioning else tracked)[frame] = memory
    item.bank = MemoryBank(conditioning, tracked, entry.limit)
    item.directions = dict(entry.directions)
    item.recent.extend(entry.recent)
    return item


def _require(holds: bool) -> None:
    if not holds:
        raise _Damaged
