"""Open a file of weights, whatever its format, or say in one sentence what it is instead.

PyTorch's two formats and safetensors, always without executing anything in the file.  What the
tensors mean is :mod:`.checkpoints`.
"""

from __future__ import annotations

import json
import pickle  # for the name of its error  # nosec B403
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .registry import USE_PUBLISHED, CheckpointError

_ZIP_HEAD = b"PK\x03\x04"
_PICKLE_HEAD = b"\x80"
_LEGACY_HEAD = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)  # PyTorch's format before zip


def read_content(path: Path, *, mapped: bool = True) -> Any:
    """Return what a file of weights holds, usually a mapping with tensors in it.

    - `mapped`: map tensors from disk where the format allows it, which takes no memory until they
      are used.  They must not outlive a change of the file.  If False, they are read into memory.
    - raises CheckpointError if the file is missing, cut short, damaged or something else altogether
    """
    _require_file(path)
    if not _is_safetensors(path):
        return _read_torch(path, mapped)
    tensors = _read_safetensors(path)
    return tensors if mapped else {name: tensor.clone() for name, tensor in tensors.items()}


def _require_file(path: Path) -> None:
    """Refuse what is plainly not a checkpoint from its first bytes."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder: name the .pt or .safetensors file in it.")
    if not path.exists():
        raise CheckpointError(f"There is no file {path}: check the path, or download the model.")
    try:
        with path.open("rb") as file:
            head = file.read(512).lstrip().lower()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}): check that you have access to it."
        ) from error
    if not head:
        raise CheckpointError(f"{path.name} is an empty file: download it again.")
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise CheckpointError(
            f"{path.name} is a web page, not a checkpoint (a log-in or error page was saved in its "
            "place): download it again."
        )
    if head.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path.name} is a Git LFS pointer, not the checkpoint itself: run `git lfs pull`, or "
            "download the file."
        )


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or (len(head) == 9 and head[8:] == b"{")


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        return load_file(path, device="cpu")
    except SafetensorError as error:
        if _safetensors_size(path) > path.stat().st_size:
            raise _truncated(path) from error
        raise CheckpointError(
            f"{path.name} is not a valid safetensors file ({error}): download it again, or give it "
            "the ending of what it is."
        ) from error


def _safetensors_size(path: Path) -> int:
    """Return the size in bytes that the header promises, or 0 if it has none."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > path.stat().st_size:
            return int(length) if length < 1 << 40 else 0
        try:
            header = json.loads(file.read(length))
            rows = [row for key, row in header.items() if key != "__metadata__"]
            end = max((int(row["data_offsets"][1]) for row in rows), default=0)
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ):
            return 0  # no header of this format
    return 8 + int(length) + end


def _read_torch(path: Path, mapped: bool) -> Any:
    with path.open("rb") as file:
        head = file.read(len(_LEGACY_HEAD))
    is_zip = head.startswith(_ZIP_HEAD)
    if is_zip and not zipfile.is_zipfile(path):
        raise _truncated(path)
    if not is_zip and head != _LEGACY_HEAD:
        if head.startswith(_PICKLE_HEAD):
            raise _has_objects(path)
        raise CheckpointError(f"{path.name} is not a checkpoint file: {USE_PUBLISHED}.")
    try:
        # Only the zip format can be mapped from disk instead of being read into memory.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and is_zip)
    except pickle.UnpicklingError as error:
        raise _has_objects(path) from error
    except Exception as error:  # damaged bytes make the reader raise almost anything
        raise CheckpointError(
            f"{path.name} is damaged, or not a checkpoint written by PyTorch "
            f"({_first_line(error)}): download it again."
        ) from error


def _has_objects(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} holds Python objects besides tensors, which could run code when read, so it "
        "was not opened: save its state dict alone, with torch.save or safetensors."
    )


def _truncated(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} is cut short ({path.stat().st_size / 1e6:.1f} MB of it are there): download "
        "it again."
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
