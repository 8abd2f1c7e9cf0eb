"""Masks that were found, in files: whole or absent, with the key of what they were found in.

Here: the candidates of a tile, all that a partition gave, and :class:`FilledFolder` with a file for
each plane.  A mask takes a bit a pixel.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.candidates import Candidate
from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import End, Filled, Section


def _write(path: Path, key: str, crops: Sequence[MaskCrop], **arrays: Any) -> None:
    bits = [np.packbits(crop.mask) for crop in crops]
    with written_whole(path) as part:
        np.savez(
            part,
            key=np.array(key),
            lengths=np.array([len(item) for item in bits], np.int64),
            bits=np.concatenate(bits) if bits else np.empty(0, np.uint8),
            **arrays,
        )


def _masks_in(file: Mapping[str, NDArray[Any]]) -> list[MaskCrop]:
    """Return the masks; the last four columns of ``boxes`` say where they lie."""
    bits, ends = file["bits"], np.cumsum(file["lengths"])
    packed = np.split(bits, ends[:-1]) if len(ends) else []
    crops = []
    for (top, left, bottom, right), own in zip(file["boxes"][:, -4:].tolist(), packed, strict=True):
        shape = bottom - top, right - left
        if not 0 <= shape[0] * shape[1] <= 8 * own.size:
            raise ValueError("a mask has more pixels than bits")
        mask = np.unpackbits(own, count=shape[0] * shape[1]).reshape(shape).astype(bool)
        crops.append(MaskCrop(top, left, mask))
    return crops


def found_key(path: Path) -> str | None:
    """Return the key of a file; None if no whole one is there."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file["key"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is to be written again
        return None


# --- candidates of a tile -----------------------------------------------------------------------


def write_candidates(path: Path, found: Sequence[Candidate], key: str) -> None:
    """Write candidates: boxes, numbers and masks."""
    numbers = [(*item.point, item.score, item.stability, item.area) for item in found]
    _write(
        path, key, [item.crop for item in found],
        boxes=np.array([item.crop.box for item in found], np.int64).reshape(-1, 4),
        numbers=np.array(numbers, np.float64).reshape(-1, 5),
    )  # fmt: skip


def read_candidates(path: Path) -> list[Candidate]:
    """Return the candidates of a file.

    - raises OSError if it can't be read
    - raises ValueError if it is damaged
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            rows = zip(_masks_in(file), file["numbers"].tolist(), strict=True)
            return [
                Candidate(crop, (x, y), score, stability, int(area))
                for crop, (x, y, score, stability, area) in rows
            ]
    except OSError:
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        raise ValueError(
            f"{path} is damaged: delete it, and its part of the picture is searched again."
        ) from error


# --- what planes gained -------------------------------------------------------------------------


def write_filled(path: Path, parts: Sequence[Filled], key: str) -> None:
    """Write what planes gained, in order: numbers and masks."""
    rows = [(n, number, s) for n, part in enumerate(parts) for number, s in part.sections.items()]
    before = [(row, s.followed) for row, (_, _, s) in enumerate(rows) if s.followed is not None]
    boxes = [(n, number, *s.crop.box) for n, number, s in rows]
    boxes += [(row, 0, *crop.box) for row, crop in before]
    ends = [[(e.object, e.plane, e.way, e.between, e.reason) for e in part.ends] for part in parts]
    _write(
        path, key, [s.crop for _, _, s in rows] + [crop for _, crop in before],
        planes=np.array([part.plane for part in parts], np.int64),
        ends=np.array(json.dumps(ends)),
        between=np.array(json.dumps([s.between for _, _, s in rows])),
        boxes=np.array(boxes, np.int64).reshape(-1, 6),
        numbers=np.array([(s.score, s.doubt) for _, _, s in rows], np.float64).reshape(-1, 2),
        rough=np.array([s.rough for _, _, s in rows], bool),
        fitted_to=np.array([s.fitted_to for _, _, s in rows], np.str_),
    )  # fmt: skip


def read_filled(path: Path) -> list[Filled]:
    """Return what a file holds.

    Raises OSError or ValueError if it can't be read.
    """
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        planes, boxes, crops = file["planes"].tolist(), file["boxes"].tolist(), _masks_in(file)
        ends, between = (json.loads(str(file[name])) for name in ("ends", "between"))
        numbers, rough = file["numbers"].tolist(), file["rough"].tolist()
        fitted_to = file["fitted_to"].tolist()
    count = len(numbers)
    followed = {box[0]: crop for box, crop in zip(boxes[count:], crops[count:], strict=True)}
    sections: list[dict[int, Section]] = [{} for _ in planes]
    for row, (box, (score, doubt), keys) in enumerate(
        zip(boxes[:count], numbers, between, strict=True)
    ):
        known = crops[row], score, doubt, _keys(keys), rough[row], followed.get(row)
        sections[box[0]][box[1]] = Section(*known, fitted_to[row])
    return [
        Filled(plane, found, tuple(End(n, at, way, _keys(k), why) for n, at, way, k, why in of))
        for plane, found, of in zip(planes, sections, ends, strict=True)
    ]


def _keys(told: Any) -> Any:
    return tuple(None if key is None else (key[0], key[1]) for key in told)


class FilledFolder:
    """What planes gained, as it comes: work that ends in the middle goes on from there.

    - `folder`: made when it is first needed
    - `key`: of all that the results depend on; others are left out
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder, self._key = folder, key

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.npz"))

    def read(self) -> list[Filled]:
        """Return what is there, in the order in which it came."""
        files = [file for file in self._files() if found_key(file) == self._key]
        return [part for file in files for part in read_filled(file)]

    def noted(self, parts: Iterable[Filled]) -> Iterator[Filled]:
        """Yield what planes gain, each once it is in a file.

        Raises OSError if it can't be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(self._files())
        for part in parts:
            if part.tells_something:
                write_filled(self._folder / f"{number:08d}.npz", [part], self._key)
                number += 1
            yield part

    def remove(self) -> None:
        """Delete it, with whatever is left in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
