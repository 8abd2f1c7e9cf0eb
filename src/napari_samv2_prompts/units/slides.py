"""A slide in pieces: finding all objects tile by tile, then painting the labels block by block.

Tiles are found on any number of workers and kept in files beside the result until that is there.
Each object is one tile's (``tiles.py``); two that a border shows twice are told by comparing
neighbours, and the numbers follow from how many objects each tile has.  So no pixel of the labels
is read again, and memory goes with a tile and not with the slide.

Not here: reading slides (``io.slides``), pictures and fields of a usual size (``files.py``,
``ome_zarr.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.candidates import Candidate, Selection
from napari_samv2_prompts.everything import candidates_in, joined, labels_from
from napari_samv2_prompts.io.found_files import found_key, read_candidates, write_candidates
from napari_samv2_prompts.io.ome_zarr import open_ngff
from napari_samv2_prompts.io.ome_zarr_labels import CHUNK, LabelGroup, sources, written_labels
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import picture_of, write_outlines
from napari_samv2_prompts.io.pixel_size import PixelSize, pixel_size_and_note
from napari_samv2_prompts.io.slides import Slide, open_slide, slide_of
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.tiles import OVERLAP, Tile, tiles_of
from napari_samv2_prompts.units.files import AllUnit
from napari_samv2_prompts.units.ome_zarr import FieldUnit, described
from napari_samv2_prompts.units.unit import Outcome, Standing, Unit, content_key

if TYPE_CHECKING:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

Run = Callable[[list[Any]], Iterator[Outcome]]
"""Does units, somewhere, and yields what became of each."""

BLOCK = 4 * CHUNK
"""Side of what is painted in one go: whole chunks, so that no two units write the same one."""
TOLD = 100_000
"""Objects of which the labels have scores: they are one text, which every reader takes in."""


@dataclass(frozen=True, slots=True)
class TileUnit:
    """One tile of a slide in which to find all objects; a :class:`.Unit`."""

    slide: Slide
    tile: Tile
    number: int  # of the tile, row by row from 0
    file: Path  # where its objects go
    selection: Selection
    content: str  # key of slide, weights and options

    @property
    def name(self) -> str:
        """The slide's name and the tile's number, from 1."""
        return f"{self.slide.image.name}, tile {self.number + 1}"

    def key(self, weights: str) -> str:
        """Say by content all that the objects depend on."""
        return content_key([self.content, repr(self.slide), repr(self.tile)])

    def standing(self, key: str) -> Standing:
        """Tell what is there of the objects."""
        found = found_key(self.file)
        return "absent" if found is None else "done" if found == key else "outdated"

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Find the tile's own objects."""
        with open_slide(self.slide.image, self.slide.channel) as opened:
            pixels = opened.read(self.tile.region, self.slide.limits)
        found = candidates_in(make_predictor(), pixels, self.tile, self.selection)
        found.sort(key=lambda item: (item.crop.top, item.crop.left))
        write_candidates(self.file, found, key or "")
        return Outcome(self, objects=len(found))


@dataclass(frozen=True, slots=True)
class Numbered:
    """The numbers of a tile's objects: one after the other, but for those that another tile has."""

    file: Path
    region: Region  # in which they lie
    first: int
    dropped: frozenset[int]  # places in the file

    def read(self) -> list[tuple[int, Candidate]]:
        """Return the objects with their numbers."""
        own = enumerate(read_candidates(self.file))
        return list(enumerate((item for n, item in own if n not in self.dropped), self.first))


@dataclass(frozen=True, slots=True)
class PaintUnit:
    """A block of the labels of a slide, at one of its levels; a :class:`.Unit`."""

    group: Path  # of the labels that are being written
    level: int
    shape: tuple[int, int]  # ``(height, width)`` of the slide
    block: Region  # in pixels of the level
    near: tuple[Numbered, ...] = field(repr=False)  # the objects that may reach into it

    @property
    def name(self) -> str:
        """The place of the block."""
        return f"labels at {self.block.top}, {self.block.left} of level {self.level}"

    def key(self, weights: str) -> str:
        """Nothing: what is painted twice is the same twice."""
        return ""

    def standing(self, key: str) -> Standing:
        """Not known: a block that another run painted may be half written."""
        return "absent"

    def run(self, make_predictor: Callable[[], SAMV2ImagePredictor], key: str | None) -> Outcome:
        """Paint the block, smaller objects over larger ones."""
        import zarr

        array: Any = zarr.open_array(str(self.group / str(self.level)), mode="r+")
        block = self.block
        rows = sources(self.shape[0], array.shape[-2])[block.top : block.bottom]
        columns = sources(self.shape[1], array.shape[-1])[block.left : block.right]
        painted = np.zeros(block.size, array.dtype)
        items = [pair for numbered in self.near for pair in numbered.read()]
        for number, item in sorted(items, key=lambda pair: (-pair[1].area, pair[0])):
            top, left, bottom, right = item.crop.box
            own_rows = slice(*np.searchsorted(rows, (top, bottom)))
            own_columns = slice(*np.searchsorted(columns, (left, right)))
            mask = item.crop.mask[np.ix_(rows[own_rows] - top, columns[own_columns] - left)]
            painted[own_rows, own_columns][mask] = number
        place = (0,) * (array.ndim - 2)
        array[(*place, *block.slices)] = painted
        return Outcome(self)


@dataclass(frozen=True, slots=True)
class SlideWork:
    """All that is to be done for a slide."""

    unit: AllUnit | FieldUnit  # the slide as one piece: what its labels are, and where they go
    slide: Slide
    tiles: tuple[Tile, ...]
    key: str  # of the unit
    parts: Path  # folder of what the tiles' objects are kept in meanwhile

    def find(self, run: Run) -> Iterator[Outcome]:
        """Find the objects of all tiles that are not found yet, and yield what became of each."""
        assert self.unit.selection is not None
        self.parts.mkdir(exist_ok=True)
        yield from run(
            [
                TileUnit(self.slide, tile, n, self._file(n), self.unit.selection, self.key)
                for n, tile in enumerate(self.tiles)
            ]
        )

    def write(self, run: Run, *, with_key: bool = True) -> Outcome:
        """Write the labels, once all tiles are found, and remove the tiles' files.

        Raises ValueError, OSError or MemoryError if a block was not painted, or the disk fails.
        """
        if isinstance(self.unit, FieldUnit):
            outcome = self._into_image(self.unit, run)
        else:
            outcome = self._into_file(self.unit, self.key if with_key else None)
        shutil.rmtree(self.parts, ignore_errors=True)
        return outcome

    def _file(self, number: int) -> Path:
        return self.parts / f"{number}.npz"

    def _numbered(self) -> Iterator[tuple[Numbered, list[Candidate]]]:
        """Yield the numbers of each tile's objects, and the objects that are kept."""
        assert self.unit.selection is not None
        counts: list[list[Candidate]] = []

        def parts() -> Iterator[tuple[Tile, list[Candidate]]]:
            for n, tile in enumerate(self.tiles):
                counts.append(read_candidates(self._file(n)))
                yield tile, counts[-1]

        first = 1
        for n, kept in enumerate(joined(parts(), self.unit.selection.max_overlap)):
            there = {id(item) for item in kept}
            dropped = frozenset(p for p, item in enumerate(counts.pop()) if id(item) not in there)
            yield Numbered(self._file(n), self.tiles[n].region, first, dropped), kept
            first += len(kept)

    def _into_file(self, unit: AllUnit, key: str | None) -> Outcome:
        found = [item for _, kept in self._numbered() for item in kept]
        labels = labels_from(found, self.slide.shape)
        if unit.outlines is not None:
            opened = open_image(unit.image).of_channel(unit.channel)
            write_outlines(unit.outlines, picture_of(opened), labels)
        size, notes = _pixel_size(unit.image)
        unit.write(found, labels, size, key)
        return Outcome(unit, objects=len(found), notes=notes)

    def _into_image(self, unit: FieldUnit, run: Run) -> Outcome:
        image = open_ngff(unit.image)
        assert image is not None  # it was read for its tiles
        numbered: list[Numbered] = []
        properties: list[dict[str, Any]] = []
        count = 0
        for one, kept in self._numbered():
            numbered.append(one)
            count += len(kept)
            if count <= TOLD:
                properties += described(kept, one.first)
        notes = [image.note] if image.note else []
        if count > TOLD:
            properties = []
            notes.append(f"{unit.name}: of more than {TOLD} objects no scores are written.")
        with written_labels(image, unit.labels) as group:
            for outcome in run(list(self._blocks(group, numbered))):
                if outcome.error:
                    raise OSError(f"{outcome.unit.name}: {outcome.error}")
            group.finish(self.key, properties)
        return Outcome(unit, objects=count, notes=tuple(notes))

    def _blocks(self, group: LabelGroup, numbered: Iterable[Numbered]) -> Iterator[Unit]:
        near = list(numbered)
        for level, array in enumerate(group.levels):
            height, width = array.shape[-2:]
            rows, columns = (
                sources(full, n) for full, n in zip(self.slide.shape, (height, width), strict=True)
            )
            for top in range(0, height, BLOCK):
                for left in range(0, width, BLOCK):
                    block = Region(top, left, min(top + BLOCK, height), min(left + BLOCK, width))
                    seen = Region(
                        int(rows[block.top]),
                        int(columns[block.left]),
                        int(rows[block.bottom - 1]) + 1,
                        int(columns[block.right - 1]) + 1,
                    )
                    own = tuple(one for one in near if one.region.touches(seen))
                    yield PaintUnit(group.path, level, self.slide.shape, block, own)


def _pixel_size(image: Path) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Return the pixel size of a slide, and what the user should know of it.

    Of a TIFF file only its tags are read: it may be larger than the memory.
    """
    if image.suffix.lower() in (".tif", ".tiff"):
        size, note = pixel_size_and_note(image)
        return size, (note,) if note else ()
    opened = open_image(image)
    return opened.pixel_size, opened.notes


def plan_slide(unit: AllUnit | FieldUnit, side: int, key: str) -> SlideWork | None:
    """Return the work of a picture that is larger than one tile; None if it is not, or no slide.

    - `unit`: to find all objects
    - `side`: of a tile: the model's largest input
    - `key`: of the unit
    - raises ValueError, OSError or MemoryError if the picture can't be read
    """
    if isinstance(unit, FieldUnit):
        image = open_ngff(unit.image)
        if image is None or len(image.planes()) > 1:
            return None
        shape = image.array.shape[-2:]
    else:
        with open_slide(unit.image, unit.channel) as opened:
            shape = opened.shape
    tiles = tiles_of((int(shape[0]), int(shape[1])), side, int(side * OVERLAP))
    if len(tiles) < 2:
        return None
    parts = (
        unit.image / f".{unit.labels}.tiles"
        if isinstance(unit, FieldUnit)
        else unit.labels.with_name(f"{unit.labels.name}.tiles")
    )
    return SlideWork(unit, slide_of(unit.image, unit.channel), tuple(tiles), key, parts)
