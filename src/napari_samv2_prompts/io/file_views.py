"""Planes of an image file as the window shows them, for whoever has the file and no window.

Not here: opening the file (``window_layers.py``), what a view is (``images``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView, render_plane
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
