"""A state as one file, and back: prompts, answers and what is remembered, without the film.

A safetensors file holds numbers only, so reading one executes nothing.  It is whole or absent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .memory import Memory, MemoryBank
from .state import Answer, PointPrompts, TrackedObject, VideoState

__all__ = ["read_state", "write_state"]

FORMAT = 1


def write_state(state: VideoState, path: Path) -> None:
    """Write what is known of a film's objects; prompts must have been remembered before.

    Raises
    ------
    ValueError
        If there are prompts that are not remembered yet.
    """
    tensors: dict[str, Tensor] = {}
    objects = []
    for place, (number, item) in enumerate(state.objects.items()):
        if item.pending:
            raise ValueError("Prompts that are not remembered yet cannot be saved.")
        objects.append(_described(number, item))
        tensors.update({f"{place}/{key}": value for key, value in _tensors(item)})
    described = {
        "format": FORMAT,
        "model": state.model,
        "frames": state.num_frames,
        "size": state.size,
        "objects": objects,
    }
    part = path.with_name(f"{path.name}.part")
    contiguous = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, part, {"state": json.dumps(described)})
    os.replace(part, path)


def read_state(state: VideoState, path: Path) -> None:
    """Fill the state of a film that was just opened with what a file knows.

    Raises
    ------
    ValueError
        If the file is damaged, or of another film or model.
    FileNotFoundError
        If there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        _require_same(state, described, path)
        objects = {
            entry["number"]: _object(entry, place, tensors, state.storage)
            for place, entry in enumerate(described["objects"])
        }
    except (SafetensorError, LookupError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not a state that was saved, or is damaged.") from error
    state.objects.clear()
    state.objects.update(objects)


def _require_same(state: VideoState, described: Mapping[str, Any], path: Path) -> None:
    if described["format"] != FORMAT:
        raise ValueError(f"{path.name} is of another version of this package.")
    if described["model"] != state.model:
        raise ValueError(
            f"{path.name} was saved with {described['model']}, and this predictor is "
            f"{state.model}: what one remembers means nothing to the other."
        )
    film = described["frames"], tuple(described["size"])
    if film != (state.num_frames, state.size):
        raise ValueError(
            f"{path.name} belongs to a film of {film[0]} frames of {film[1][1]} x {film[1][0]} "
            f"pixels; this one has {state.num_frames} of {state.size[1]} x {state.size[0]}."
        )


def _described(number: int, item: TrackedObject) -> dict[str, Any]:
    return {
        "number": int(number),
        "prompts": {
            frame: "points" if isinstance(prompt, PointPrompts) else "mask"
            for frame, prompt in item.prompts.items()
        },
        "answers": {
            frame: (answer.score, answer.object_score, answer.prompted)
            for frame, answer in item.answers.items()
        },
        "conditioning": list(item.bank.conditioning),
        "directions": item.directions,
        "recent": list(item.recent),
        "limit": item.bank.limit,
    }


def _tensors(item: TrackedObject) -> list[tuple[str, Tensor]]:
    named = []
    for frame, prompt in item.prompts.items():
        if isinstance(prompt, PointPrompts):
            named.append((f"coords/{frame}", torch.from_numpy(prompt.coords)))
            named.append((f"labels/{frame}", torch.from_numpy(prompt.labels)))
        else:
            named.append((f"mask/{frame}", torch.from_numpy(np.packbits(prompt, axis=1))))
            named.append((f"width/{frame}", torch.tensor(prompt.shape[1])))
    for frame, answer in item.answers.items():
        named.append((f"logits/{frame}", answer.logits))
    for frame, memory in {**item.bank.tracked, **item.bank.conditioning}.items():
        named.append((f"pointer/{frame}", memory.pointer))
        if memory.features is not None:
            named.append((f"map/{frame}", memory.features))
    return named


def _object(
    entry: Mapping[str, Any], place: int, tensors: Mapping[str, Tensor], device: torch.device
) -> TrackedObject:
    def found(kind: str, frame: str) -> Tensor:
        return tensors[f"{place}/{kind}/{frame}"]

    item = TrackedObject()
    for frame, kind in entry["prompts"].items():
        if kind == "points":
            coords, labels = found("coords", frame).numpy(), found("labels", frame).numpy()
            item.prompts[int(frame)] = PointPrompts(coords, labels)
        else:
            width = int(found("width", frame))
            bits = np.unpackbits(found("mask", frame).numpy(), axis=1, count=width)
            item.prompts[int(frame)] = bits.astype(bool)
    prompted = set(entry["conditioning"])
    conditioning: dict[int, Memory] = {}
    tracked: dict[int, Memory] = {}
    for frame, (score, object_score, sure) in entry["answers"].items():
        logits = found("logits", frame).to(device)
        item.answers[int(frame)] = Answer(logits, score, object_score, sure)
        features = tensors.get(f"{place}/map/{frame}")
        features = None if features is None else features.to(device)
        memory = Memory(found("pointer", frame).to(device), features, object_score)
        (conditioning if int(frame) in prompted else tracked)[int(frame)] = memory
    item.bank = MemoryBank(conditioning, tracked, entry["limit"])
    item.directions = {int(frame): back for frame, back in entry["directions"].items()}
    item.recent.extend(entry["recent"])
    return item
