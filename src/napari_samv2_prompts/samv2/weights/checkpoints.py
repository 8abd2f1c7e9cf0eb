"""Read a checkpoint file and load it into a network, or say in one sentence why not.

The wrong model, the wrong size and missing tensors are recognised here.  Formats of files are
:mod:`.files`; where files come from is :mod:`.registry` and :mod:`.download`; who builds a network
for a checkpoint is :mod:`.build`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.memory_parts import (
    MEMORY_PREFIXES,
    add_memory,
    drop_memory,
)
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network

from .files import read_content
from .meta_init import init_on_meta
from .registry import USE_PUBLISHED, CheckpointError
from .variants import DEFAULT_VERSION, VARIANTS

_log = logging.getLogger(__name__)

_WRAPPERS = ("model", "state_dict", "model_state_dict", "model_state")
_PREFIXES = ("module.", "_orig_mod.", "model.")  # left by DataParallel, torch.compile, trainers
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_TRUNK = "image_encoder.trunk."
_POINTER_TIME = "obj_ptr_tpos_proj.weight"  # a video part that only version 2.1 has
_FOREIGN = (  # (what a key starts with, what the file then is)
    ("image_encoder.blocks.", "a SAM 1 checkpoint"),
    ("image_encoder.layers.", "a MobileSAM checkpoint"),
    ("vision_encoder.", "a checkpoint in the layout of the transformers library"),
    ("image_encoder.trunk.body.", "a checkpoint of another trunk than Hiera (EdgeTAM)"),
    ("backbone.vision_backbone.", "a SAM 3 checkpoint"),
    ("detector.", "a SAM 3 checkpoint"),
)


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """What a checkpoint file holds."""

    path: Path  # the file it was read from
    # By published name, on the CPU, in the number type of the file; mapped from disk where the
    # format allows it.
    tensors: dict[str, Tensor]
    variant: Variant  # the variant recognised from names and shapes
    notes: tuple[str, ...]  # what a user may want to know, in sentences


def read_state(path: str | PathLike[str], *, mapped: bool = True) -> CheckpointState:
    """Read a checkpoint and recognise its variant; nothing in the file is ever executed.

    - `path`: a ``.pt``, ``.pth`` or ``.safetensors`` file in the published layout: a state dict,
      bare or under ``"model"``, in float32, float16, bfloat16 or float64, with or without
      ``module.``
    - `mapped`: whether tensors may be mapped from disk, see :func:`.read_content`
    - raises CheckpointError if the file is none of that; the message says what it is and what to do
    """
    path = Path(path).expanduser()
    tensors, notes = _unwrap(path, read_content(path, mapped=mapped))
    variant = _recognise(path, tensors)
    return CheckpointState(path, tensors, variant, tuple(notes))


def load(network: SAMV2Network, path: str | PathLike[str]) -> None:
    """Load a checkpoint strictly into a network of the same size; the log has its notes.

    - `network`: as :mod:`.build` makes it.  It keeps its own number type and device; without memory
      yet (on the meta device), it takes over the tensors that were read, as float32 on the CPU.
    - `path`: see :func:`read_state`
    - raises CheckpointError if the file cannot be read, is of another size than the network, or
      lacks tensors
    """
    # Not mapped, so that the network does not hang on to a file that may be replaced.
    state = read_state(path, mapped=False)
    if state.variant.size != network.variant.size:
        raise CheckpointError(
            f"{state.path.name} holds the model {state.variant.size!r}, not "
            f"{network.variant.size!r}: choose {state.variant.size!r} with this file, or another "
            "file."
        )
    notes = state.notes
    if network.variant.has_memory and not _fit_memory(network, state):
        notes += ("The file has no memory for films; for images it needs none.",)
    _require_same_tensors(state, network)
    if network.no_mem_embed.is_meta:
        tensors = {key: tensor.float() for key, tensor in state.tensors.items()}
        network.load_state_dict(tensors, strict=True, assign=True)
    else:
        network.load_state_dict(state.tensors, strict=True)
    for note in notes:
        _log.info("%s: %s", state.path.name, note)


def _fit_memory(network: SAMV2Network, state: CheckpointState) -> bool:
    """Give a network the parts of the memory that the file has: those of its version, or none."""
    filled = any(key.startswith(MEMORY_PREFIXES) for key in state.tensors)
    version = state.variant.version if filled else network.variant.version
    if (filled, version) == (network.has_memory, network.variant.version):
        return filled
    drop_memory(network)
    network.variant = replace(network.variant, version=version)
    if filled:
        device = network.no_mem_embed.device
        with init_on_meta() if network.no_mem_embed.is_meta else nullcontext():
            add_memory(network, network.variant)
        network.to(device)
    return filled


def _unwrap(path: Path, content: Any) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors by their plain names, and notes on what was left out."""
    notes = []
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    entries = dict(content) if isinstance(content, Mapping) else {}
    tensors = {str(k): v for k, v in entries.items() if isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path.name} holds no named tensors: {USE_PUBLISHED}.")
    if len(tensors) < len(entries):
        notes.append(f"{len(entries) - len(tensors)} entries that are not tensors were left out.")
    for prefix in (*_PREFIXES, *_PREFIXES):
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    wrong = {value.dtype for value in tensors.values()} - set(_DTYPES)
    if wrong:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in wrong))
        raise CheckpointError(
            f"{path.name} holds {names} numbers, perhaps of a quantised model: use a file in "
            "float32, float16 or bfloat16."
        )
    stored = {value.dtype for value in tensors.values()} - {torch.float32}
    if stored:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in stored))
        notes.append(f"The file stores {names} numbers.")
    return tensors, notes


def _recognise(path: Path, tensors: Mapping[str, Tensor]) -> Variant:
    """Find the variant whose trunk has these widths and this many blocks."""
    for start, what in _FOREIGN:
        if any(key.startswith(start) for key in tensors):
            raise CheckpointError(f"{path.name} is {what}, which does not fit: {USE_PUBLISHED}.")
    patch = tensors.get(f"{_TRUNK}patch_embed.proj.weight")
    numbers = {
        int(key.removeprefix(f"{_TRUNK}blocks.").split(".")[0])
        for key in tensors
        if key.startswith(f"{_TRUNK}blocks.")
    }
    if patch is None or not numbers:
        example = next(iter(tensors))
        raise CheckpointError(
            f"{path.name} is a checkpoint of some other model (its first tensor is {example!r}): "
            f"{USE_PUBLISHED}."
        )
    shape = (patch.shape[0], max(numbers) + 1)
    is_2_0 = any(key.startswith("memory_") for key in tensors) and _POINTER_TIME not in tensors
    version = "2.0" if is_2_0 else DEFAULT_VERSION
    fitting = [row for row in VARIANTS.values() if (row.embed_dim, sum(row.blocks)) == shape]
    fitting.sort(key=lambda row: row.version != version)
    if not fitting:
        raise CheckpointError(
            f"{path.name} has a SAM 2 trunk of {shape[1]} blocks and width {shape[0]}, which is no "
            f"size that this package knows: {USE_PUBLISHED}."
        )
    return fitting[0]


def _require_same_tensors(state: CheckpointState, network: SAMV2Network) -> None:
    """Refuse missing, misshapen and unknown tensors in a sentence instead of a list of them all."""
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    bad = [k for k, s in shapes.items() if k not in state.tensors or state.tensors[k].shape != s]
    if bad:
        raise CheckpointError(
            f"{state.path.name} is incomplete for the model {network.variant.size!r}: {len(bad)} "
            f"of {len(shapes)} tensors are missing or of another shape, {bad[0]!r} first; "
            f"{USE_PUBLISHED}."
        )
    unknown = [key for key in state.tensors if key not in shapes]
    if unknown:
        raise CheckpointError(
            f"{state.path.name} holds {len(unknown)} tensors that the model "
            f"{network.variant.size!r} does not have, {unknown[0]!r} first: save the weights "
            "without them, or use one of the published files."
        )
