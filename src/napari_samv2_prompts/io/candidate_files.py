"""Candidates of a tile in a file, whole or absent, with the key of what they were found in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.candidates import Candidate
from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.prompts import MaskCrop


def write_candidates(path: Path, found: Sequence[Candidate], key: str) -> None:
    """Write candidates: boxes, numbers, and masks a bit a pixel."""
    boxes = np.array([item.crop.box for item in found], np.int64).reshape(-1, 4)
    numbers = [(*item.point, item.score, item.stability, item.area) for item in found]
    bits = [np.packbits(item.crop.mask) for item in found]
    with written_whole(path) as part:
        np.savez(
            part,
            key=np.array(key),
            boxes=boxes,
            numbers=np.array(numbers, np.float64).reshape(-1, 5),
            lengths=np.array([len(item) for item in bits], np.int64),
            bits=np.concatenate(bits) if bits else np.empty(0, np.uint8),
        )


def read_candidates(path: Path) -> list[Candidate]:
    """Return the candidates of a file.

    - raises OSError if it can't be read
    - raises ValueError if it is damaged
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return _candidates_in(file)
    except OSError:
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        raise ValueError(
            f"{path} is damaged: delete it, and its part of the picture is searched again."
        ) from error


def _candidates_in(file: Mapping[str, NDArray[Any]]) -> list[Candidate]:
    boxes, numbers = file["boxes"].tolist(), file["numbers"].tolist()
    bits, ends = file["bits"], np.cumsum(file["lengths"])
    found = []
    for (top, left, bottom, right), row, packed in zip(
        boxes, numbers, np.split(bits, ends[:-1]) if len(ends) else [], strict=True
    ):
        shape = bottom - top, right - left
        if not 0 < shape[0] * shape[1] <= 8 * packed.size:
            raise ValueError("a mask has more pixels than bits")
        mask = np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)
        x, y, score, stability, area = row
        found.append(Candidate(MaskCrop(top, left, mask), (x, y), score, stability, int(area)))
    return found


def read_candidates_key(path: Path) -> str | None:
    """Return the key of a file; None if no whole one is there."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file["key"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be written again
        return None
