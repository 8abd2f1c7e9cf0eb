"""A stack in a file, for workers that read the planes which they work on.

Not here: what a stack looks like (``images``), opening whole files (``opening.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.window_layers import lazily


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack in a file, and its contrast: a value that travels."""

    image: Path
    place: int  # of the axis of planes in the file
    limits: tuple[float, float] | None  # see :class:`.StackPicture`
    digest: str  # of shape and first plane: what is to be found in the file

    @classmethod
    def of(cls, image: Path, place: int, stack: StackPicture) -> StackFile:
        """Return what a stack that was read from a file is known by."""
        return cls(image, place, stack.limits, _digest(stack.planes))

    @contextmanager
    def opened(self) -> Iterator[StackPicture]:
        """Open the file: lazily where that gives the same numbers, else as a whole.

        - raises ValueError if it is another stack by now, or damaged
        - raises OSError or MemoryError if it can't be read
        """
        with lazily(self.image, None, 0) as data:
            planes = None if isinstance(data, tuple) else _Turned(data, self.place)
            if planes is None or _digest(planes) != self.digest:
                planes = _Turned(open_image(self.image).data, self.place)
                if _digest(planes) != self.digest:
                    raise ValueError(f"{self.image.name} was changed: begin again.")
            yield StackPicture(planes, self.limits)


class _Turned:
    """An array, lazy or not, with the axis of planes first."""

    def __init__(self, data: Any, place: int) -> None:
        shape = list(data.shape)
        self._data, self._place = data, place
        self.shape = (shape.pop(place), *shape) if place < len(shape) else ()
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        plane, *others = index
        others[self._place : self._place] = [plane]
        return np.asarray(self._data[tuple(others)])


def _digest(planes: Any) -> str:
    digest = blake2b(repr(tuple(planes.shape)).encode(), digest_size=16)
    if len(planes.shape) >= 3:
        first = np.asarray(planes[0, slice(None), slice(None)])
        digest.update(str(first.dtype).encode())
        digest.update(first.tobytes())
    return digest.hexdigest()
