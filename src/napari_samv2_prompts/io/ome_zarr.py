"""OME-Zarr files opened by their own metadata: images, and the fields of plates.

A reader that goes by names alone may open the labels in place of the image.  Metadata that others
consolidated is not looked at: it may be older than the file.

Not here: what the metadata mean (``ngff.py``), writing labels (``ome_zarr_labels.py``), other kinds
of files (``opening.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_samv2_prompts.io.channels import channel_of
from napari_samv2_prompts.io.ngff import Multiscale, multiscale_of, plate_wells, well_fields
from napari_samv2_prompts.io.pixel_size import PixelSize, pixel_size_of_layer

if TYPE_CHECKING:
    from numpy.typing import NDArray

_METADATA = ("zarr.json", ".zgroup", ".zarray")
_MOST_PIECES = 1_000_000
"""Planes or chunks of an array; whoever lists more than these runs out of memory."""


@dataclass(frozen=True, slots=True, eq=False)
class NgffImage:
    """An image of an OME-Zarr file."""

    path: Path  # of its group
    described: Multiscale
    group: Any
    array: Any  # the full size; read when it is indexed
    pixel_size: PixelSize | None
    note: str = ""  # what is wrong with the metadata, in a sentence; empty if nothing is

    @property
    def zarr_format(self) -> Literal[2, 3]:
        """2 for NGFF up to 0.4, 3 from 0.5 on."""
        return 3 if self.group.metadata.zarr_format == 3 else 2

    @property
    def axes(self) -> str:
        """A letter an axis; ValueError if the last two are not y and x."""
        return self.described.axes(self.array.ndim)

    def lazy(self) -> Any:
        """Return the full size as a dask array; see :meth:`read` for what reading it raises."""
        import dask.array

        chunks = getattr(self.array, "shards", None) or self.array.chunks
        return dask.array.from_array(  # type: ignore[no-untyped-call]
            _Readable(self.array, self.path.name), chunks, name=False
        )

    def levels(self) -> list[Any]:
        """Return the arrays of all sizes that are there, the full one first."""
        import zarr

        named = [self.group.get(level.path) for level in self.described.levels[1:]]
        return [
            self.array,
            *(a for a in named if isinstance(a, zarr.Array) and a.ndim == self.array.ndim),
        ]

    def planes(self) -> list[tuple[int, ...]]:
        """Return the places of all planes on the axes before y and x, but for that of channels."""
        sizes = [
            n for n, axis in zip(self.array.shape, self.axes, strict=True) if axis not in "cyx"
        ]
        return list(product(*map(range, sizes)))

    def channel(self, wanted: str | None) -> int | slice | None:
        """Return which channel is meant; see :func:`.channel_of`."""
        axes, names = self.axes, self.described.channels
        count = self.array.shape[axes.index("c")] if "c" in axes else 0
        return channel_of(wanted, count, names, bytes_=self.array.dtype == np.uint8)

    def read(
        self,
        plane: tuple[int, ...],
        channel: int | slice | None,
        rows: slice,
        columns: slice,
        level: Any = None,
    ) -> NDArray[Any]:
        """Return a part of a plane: (h, w), or (h, w, 3) for colours.

        - `plane`: one of :meth:`planes`
        - `channel`: from :meth:`channel`
        - `level`: one of :meth:`levels`; the full size if not given
        - raises ValueError if the file is damaged there
        - raises OSError or MemoryError if it can't be read
        """
        numbers = iter(plane)
        index = [channel if axis == "c" else next(numbers) for axis in self.axes[:-2]]
        array = self.array if level is None else level
        part = _Readable(array, self.path.name)[(*index, rows, columns)]
        return np.moveaxis(part, 0, -1) if isinstance(channel, slice) else part


@dataclass(frozen=True, slots=True)
class _Readable:
    """A zarr array that says in a sentence what is wrong with it."""

    array: Any
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return int(self.array.ndim)

    @property
    def dtype(self) -> np.dtype[Any]:
        kind: np.dtype[Any] = np.dtype(self.array.dtype)
        return kind

    def __getitem__(self, index: Any) -> NDArray[Any]:
        try:
            return np.asarray(self.array[index])
        except (OSError, MemoryError):
            raise
        except Exception as error:  # what codecs raise is as various as they are
            raise ValueError(f"{self.name} is damaged ({_short(error)}).") from error


def _check_pieces(name: str, array: Any) -> None:
    """Refuse an array, by its metadata alone, that has too many pieces to be looked at."""
    chunks = getattr(array, "shards", None) or array.chunks
    if min(chunks, default=1) < 1:
        raise ValueError(f"{name!r} is damaged (its chunks have no pixels)")
    pieces = prod(-(-n // c) for n, c in zip(array.shape, chunks, strict=True))
    if max(pieces, prod(array.shape[:-2])) > _MOST_PIECES:
        shape = " x ".join(map(str, array.shape))
        raise ValueError(
            f"{name!r} says that it has {shape} pixels in {pieces} chunks; "
            f"more than {_MOST_PIECES} planes or chunks can't be opened"
        )


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def is_zarr(path: Path) -> bool:
    """Tell a folder that is a zarr group or array from one that holds files."""
    return path.is_dir() and (
        path.suffix.lower() == ".zarr" or any((path / name).is_file() for name in _METADATA)
    )


def is_zarr_array(path: Path) -> bool:
    """Tell a folder that is a single zarr array, without a group around it."""
    import zarr

    try:
        return path.is_dir() and bool(zarr.open_array(str(path), mode="r").shape)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is nothing that can be opened
        return False


def open_ngff(path: Path) -> NgffImage | None:
    """Return the image of an OME-Zarr group; None if it is no such group.

    - raises ValueError if the metadata name no array that is there, or one whose own metadata are
      damaged
    - raises OSError if it can't be read
    """
    import zarr

    group = _group(path)
    described = None if group is None else multiscale_of(group.attrs.asdict())
    if group is None or described is None:
        return None
    name = described.levels[0].path
    try:
        array = group.get(name)
    except OSError:
        raise
    except Exception as error:  # damaged metadata raise almost anything
        raise ValueError(f"{name!r} is damaged ({_short(error)})") from error
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{name!r}, which its metadata names, is no array")  # noqa: TRY004
    _check_pieces(name, array)
    try:
        step, units = described.step(array.ndim), described.units
        size = None
        if step is not None and len(units) == array.ndim and None not in units[-2:]:
            size = pixel_size_of_layer(step, units)
        return NgffImage(path, described, group, array, size)
    except ValueError as error:
        note = f"{path.name}: its pixel size is left out, since it can't be read ({error})."
        return NgffImage(path, described, group, array, None, note)


def find_images(path: Path) -> tuple[list[Path], list[str]]:
    """Find the images of an OME-Zarr file: of a plate or a well the fields, or the only one.

    - `path`: a plate, a well, an image, or what bioformats2raw writes: numbered images
    - returns `images`: groups below `path`, or `path` itself, in the order of the metadata
    - returns `problems`: what is named and can't be read, in sentences
    - raises ValueError if it is none of them
    """
    group = _group(path)
    if group is None:
        raise ValueError(f"{path.name} is not a readable OME-Zarr file.")
    attributes = group.attrs.asdict()
    try:
        wells, fields = plate_wells(attributes), well_fields(attributes)
        if wells is not None:
            return _fields_of(path, wells)
        if fields is not None:
            return [path / field for field in fields], []
        if multiscale_of(attributes) is not None:
            return [path], []
    except ValueError as error:
        raise ValueError(f"{path.name} is not a readable OME-Zarr file ({error}).") from error
    numbered = [path / str(n) for n in range(len(list(path.iterdir()))) if is_zarr(path / str(n))]
    if numbered:
        return numbered, []
    raise ValueError(f"{path.name} holds neither an image nor a plate, by its NGFF metadata.")


def _fields_of(plate: Path, wells: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    images: list[Path] = []
    problems = []
    for well in wells:
        group = _group(plate / well)
        try:
            fields = None if group is None else well_fields(group.attrs.asdict())
            if fields is None:
                raise ValueError("there is no such well in the file")
            images += [plate / well / field for field in fields]
        except ValueError as error:
            problems.append(f"{plate.name}: the well {well} is left out: {error}.")
    return images, problems


def _group(path: Path) -> Any:
    """Open a group; None if it is an array, or no zarr at all."""
    import zarr

    try:
        return zarr.open_group(str(path), mode="r", use_consolidated=False)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is nothing that can be opened
        return None
