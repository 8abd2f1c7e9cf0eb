"""What was found of objects, plane by plane, in files: whole or absent, with their inputs' key.

Here: all that a partition gave in one file, and :class:`FilledFolder` with a file for each plane.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.prompts import MaskCrop
from napari_samv2_prompts.propagation import End, Filled, Section


def write_filled(path: Path, parts: Sequence[Filled], key: str) -> None:
    """Write what planes gained, in order: numbers, and masks a bit a pixel."""
    rows = [(n, number, s) for n, part in enumerate(parts) for number, s in part.sections.items()]
    boxes = [(n, number, *s.crop.box) for n, number, s in rows]
    bits = [np.packbits(s.crop.mask) for _, _, s in rows]
    ends = [[(e.object, e.way, e.between, e.reason) for e in part.ends] for part in parts]
    with written_whole(path) as whole:
        np.savez(
            whole,
            key=np.array(key),
            planes=np.array([part.plane for part in parts], np.int64),
            ends=np.array(json.dumps(ends)),
            between=np.array(json.dumps([s.between for _, _, s in rows])),
            boxes=np.array(boxes, np.int64).reshape(-1, 6),
            numbers=np.array([(s.score, s.doubt) for _, _, s in rows], np.float64).reshape(-1, 2),
            lengths=np.array([len(item) for item in bits], np.int64),
            bits=np.concatenate(bits) if bits else np.empty(0, np.uint8),
        )


def read_filled(path: Path) -> list[Filled]:
    """Return what a file holds.

    Raises OSError or ValueError if it can't be read.
    """
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        planes, boxes = file["planes"].tolist(), file["boxes"].tolist()
        ends, between = (json.loads(str(file[name])) for name in ("ends", "between"))
        numbers, bits, stops = file["numbers"].tolist(), file["bits"], np.cumsum(file["lengths"])
    sections: list[dict[int, Section]] = [{} for _ in planes]
    masks = np.split(bits, stops[:-1]) if len(stops) else []
    for row, (score, doubt), keys, packed in zip(boxes, numbers, between, masks, strict=True):
        part, number, top, left, bottom, right = row
        shape = bottom - top, right - left
        mask = np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)
        sections[part][number] = Section(MaskCrop(top, left, mask), score, doubt, _keys(keys))
    return [
        Filled(plane, found, tuple(End(n, plane, way, _keys(k), why) for n, way, k, why in of))
        for plane, found, of in zip(planes, sections, ends, strict=True)
    ]


def read_filled_key(path: Path) -> str | None:
    """Return the key of a file; None if no whole one is there."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file["key"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be written again
        return None


class FilledFolder:
    """What planes gained, as it comes: work that ends in the middle goes on from there.

    - `folder`: made when it is first needed
    - `key`: of all that the results depend on; others are left out
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._key = folder, key

    def read(self) -> list[Filled]:
        """Return what is there, in the order in which it came."""
        files = sorted(self._folder.glob("[0-9]*.npz"))
        return [
            part
            for file in files
            if read_filled_key(file) == self._key
            for part in read_filled(file)
        ]

    def noted(self, parts: Iterable[Filled]) -> Iterator[Filled]:
        """Yield what planes gain, each once it is in a file.

        Raises OSError if it can't be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        there = len(list(self._folder.glob("[0-9]*.npz")))
        for number, part in enumerate(parts, there):
            write_filled(self._folder / f"{number:08d}.npz", [part], self._key)
            yield part

    def remove(self) -> None:
        """Delete it, with whatever is left in it."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _keys(told: Any) -> Any:
    return tuple(None if key is None else (key[0], key[1]) for key in told)
