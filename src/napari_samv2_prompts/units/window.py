"""What the window has done elsewhere: values that find, or follow, and yield parts as they come.

They make what the window's own work makes (``engine.Generation``, ``engine.Propagation``), in the
same way, from the file that the window shows.

Not here: sending them (``parts.py``), which there are to do (the engine), embedding planes
(``embeddings.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from napari_samv2_prompts.engine import Chunk, ModelChoice, Propagation, Tools
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.io.file_views import FileViews
from napari_samv2_prompts.propagation import Method, Partition
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.tile_search import TileSearch


@dataclass(frozen=True, slots=True, eq=False)
class SearchUnit:
    """A tile in which to find objects; its parts are :class:`.Chunk`."""

    seen: FileViews
    plane: Plane
    region: Region  # of the tile
    side: int | None  # see :attr:`.ImageView.side`
    number: int  # of the tile
    search: TileSearch

    @property
    def name(self) -> str:
        """The file's name and the tile's number, from 1."""
        return f"{self.seen.image.name}, tile {self.number + 1}"

    def parts(self, tools: Tools) -> Iterator[Any]:
        """Search."""
        with self.seen.opened() as view_of:
            embedding = tools.embed(view_of(self.plane).within(self.region, self.side))
        for candidates in self.search(tools.predictor, embedding, ()):
            yield Chunk(self.number, tuple(candidates))
        yield Chunk(self.number, whole=True)


@dataclass(frozen=True, slots=True, eq=False)
class FollowUnit:
    """Objects to follow through planes; its parts are :class:`.Filled`."""

    seen: FileViews
    planes: tuple[Plane, ...]  # all planes along the axis
    sides: InputSides
    partition: Partition
    method: Method

    @property
    def name(self) -> str:
        """The file's name, and which planes."""
        wanted = self.partition.wanted
        return f"{self.seen.image.name}, planes {wanted.first} to {wanted.last}"

    def parts(self, tools: Tools) -> Iterator[Any]:
        """Follow."""
        partition = self.partition
        with self.seen.opened() as view_of:
            request = Propagation(
                [view_of(plane) for plane in self.planes], ModelChoice(), self.sides,
                lambda: partition.anchors, partition.wanted, partition.found, method=self.method,
            )  # fmt: skip
            for step in request.steps(tools):
                yield step.part
