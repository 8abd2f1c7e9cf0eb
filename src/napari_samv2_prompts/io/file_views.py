"""Planes of an image file as the window shows them, and stacks, for workers without a window.

Not here: opening the file (``window_layers.py``), what a view is (``images``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView, StackPicture, render_plane
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.window_layers import lazily
from napari_samv2_prompts.regions import Region

SAMPLED = 512
"""Side of the part of a plane by which a picture is known."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of a picture, by which it is known that another file holds the same one."""

    plane: Plane
    region: Region
    digest: str


@dataclass(frozen=True, slots=True)
class FileViews:
    """An image layer of a file, and the contrast in which it is seen: a value that travels."""

    image: Path
    layer: int = 0  # which of the layers that the file opens as
    rgb: bool = False
    # Values that are black and white; None for percentiles of each plane.
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    reader: str | None = None  # the plugin that reads the file
    sample: Sample | None = None  # what is to be seen in the file
    # In place of reading the file.
    data: Any = field(default=None, compare=False, repr=False)

    @contextmanager
    def opened(self) -> Iterator[Callable[[Plane], ImageView]]:
        """Open the file, and hand out what gives the view of a plane.

        - raises ValueError if it is no image, or another picture than was meant
        - raises OSError or MemoryError if it can't be read
        """
        if self.data is not None:
            yield partial(self._view, self.data)
            return
        with lazily(self.image, self.reader, self.layer) as data:
            view = partial(self._view, data)
            known = self.sample
            if known is not None and sample_of(view(known.plane), known.plane) != known:
                raise ValueError(
                    f"{self.image.name} holds another picture than the window shows: save what was "
                    "changed, and open that file."
                )
            yield view

    def _view(self, data: Any, plane: Plane) -> ImageView:
        look = {"rgb": self.rgb, "limits": self.limits, "gamma": self.gamma}
        return ImageView(
            picture=plane,
            shape=plane.shape,
            region=Region.whole(plane.shape),
            render=partial(render_plane, data, plane, **look),  # type: ignore[arg-type]
        )


def sample_of(view: ImageView, plane: Plane) -> Sample:
    """Return what a picture is known by: the middle of a plane."""
    top, left = (max(0, (length - SAMPLED) // 2) for length in view.shape)
    height, width = view.shape
    region = Region(top, left, min(top + SAMPLED, height), min(left + SAMPLED, width))
    pixels = view.within(region, None).read()
    digest = blake2b(f"{view.shape} {pixels.shape}".encode(), digest_size=16)
    digest.update(pixels.tobytes())
    return Sample(plane, region, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack in a file, and its contrast: a value that travels."""

    image: Path
    axes: tuple[int, int, int]  # of planes, rows and columns in the file
    limits: tuple[float, float] | None  # see :class:`.StackPicture`
    digest: str  # of shape and first plane: what is to be found in the file
    channel: str | None = None  # which one it is of those that the file holds; None: all it holds

    @classmethod
    def of(
        cls,
        image: Path,
        axes: tuple[int, int, int],
        stack: StackPicture,
        channel: str | None = None,
    ) -> StackFile:
        """Return what a stack that was read from a file is known by."""
        return cls(image, axes, stack.limits, _digest(stack.planes), channel)

    @contextmanager
    def opened(self) -> Iterator[StackPicture]:
        """Open the file: lazily where that gives the same numbers, else as a whole.

        - raises ValueError if it is another stack by now, or damaged
        - raises OSError or MemoryError if it can't be read
        """
        with lazily(self.image, None, 0) if self.channel is None else nullcontext() as data:
            lazy = data is not None and not isinstance(data, tuple)
            planes = _Turned(data, self.axes) if lazy else None
            if planes is None or _digest(planes) != self.digest:
                planes = _Turned(open_image(self.image).of_channel(self.channel).data, self.axes)
                if _digest(planes) != self.digest:
                    raise ValueError(f"{self.image.name} was changed: begin again.")
            yield StackPicture(planes, self.limits)


class _Turned:
    """An array, lazy or not, with the axis of planes first, without others of one place."""

    def __init__(self, data: Any, axes: tuple[int, int, int]) -> None:
        shape = data.shape
        self._data, self._axes = data, axes
        fits = max(axes) < len(shape)
        self.shape = (*(shape[axis] for axis in axes), *shape[max(axes) + 1 :]) if fits else ()
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> Any:
        whole: list[Any] = [0] * (max(self._axes) + 1)
        for axis, wanted in zip(self._axes, index, strict=True):
            whole[axis] = wanted
        return np.asarray(self._data[tuple(whole)])


def _digest(planes: Any) -> str:
    digest = blake2b(repr(tuple(planes.shape)).encode(), digest_size=16)
    if len(planes.shape) >= 3:
        first = np.asarray(planes[0, slice(None), slice(None)])
        digest.update(str(first.dtype).encode())
        digest.update(first.tobytes())
    return digest.hexdigest()
