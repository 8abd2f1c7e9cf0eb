"""What a TIFF, PNG or JPEG file says of its own numbers, and the numbers as a viewer shows them.

A reader hands out the numbers as stored: the entries of a palette, colours in separate planes,
an alpha beside a grey.  Here is what the file says about them (:class:`Facts`), and their colours
(:func:`as_shown`).  Not here: reading the numbers (``opening.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.io.ome_xml import channel_names

if TYPE_CHECKING:
    from tifffile import TiffFile

_TIFF = (".tif", ".tiff")
# Of Pillow's modes those whose numbers are no grey or RGB, and what they are converted to.
_CONVERTED = {"LA": "L", "La": "L", "PA": "RGB", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_ORIENTATION = 0x0112
_ROOM = 2  # times its own size is what a picture takes while it is read


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """What a file says of its numbers."""

    shape: tuple[int, ...]  # of the array that a reader makes of it
    axes: str = ""  # a letter an axis, "S" for colours; empty if unknown
    # "rgb", "grey", "palette", "white" (0 is white), "cmyk", or a mode of Pillow's that is to be
    # converted.
    colours: str = ""
    palette: NDArray[np.uint8] | None = None  # shape (N, 3)
    orientation: int = 1  # of EXIF: 1 is upright as stored
    size: int = 0  # bytes that the numbers take
    # How many samples of a pixel are neither grey nor colours, nor said to be an alpha.
    others: int = 0
    channels: tuple[str, ...] = ()  # names of the channels, as far as the file tells them
    images: int = 1  # how many of the same size the file holds, of which readers take the first


class Shown(NamedTuple):
    """The numbers of a file as a viewer shows them."""

    data: NDArray[Any]
    rgb: bool | None  # whether the last axis is colours; None where the file does not say
    axes: str  # a small letter an axis, "s" for colours, "c" for channels; empty if unknown


def facts_of(path: Path) -> Facts | None:
    """Return what a file says of its numbers; None if it is of a format not known here.

    - raises MemoryError if the numbers take more memory than is free
    - raises any kind of error if the file is damaged
    """
    if path.suffix.lower() in _TIFF:
        facts: Facts | None = _facts_of_tiff(path)
    else:
        facts = _facts_of_pillow(path)
    if facts is not None:
        _require_room(facts)
    return facts


def _require_room(facts: Facts) -> None:
    from psutil import virtual_memory

    free = virtual_memory().available
    if facts.size * _ROOM > free:
        raise MemoryError(
            f"it takes {facts.size * _ROOM / 1e9:.1f} GB to read, and {free / 1e9:.1f} GB of "
            "memory are free"
        )


@contextmanager
def trusting_pillow() -> Iterator[None]:
    """Let Pillow open pictures of any size: its limit is for what strangers upload to a server."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _facts_of_pillow(path: Path) -> Facts | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            colours = picture.mode if picture.mode in _CONVERTED else ""
            n_bytes = picture.width * picture.height * len(picture.getbands())
            wide = 4 if picture.mode in ("I", "F") else 2 if picture.mode.startswith("I;16") else 1
            orientation = picture.getexif().get(_ORIENTATION, 1)
            return Facts(
                (picture.height, picture.width), "", colours, None,
                _as_orientation(orientation), n_bytes * wide,
            )  # fmt: skip
    except UnidentifiedImageError:
        if path.suffix.lower() in Image.registered_extensions():
            raise ValueError("it is in no format of pictures") from None
        return None


def _as_orientation(value: Any) -> int:
    return int(value) if value in range(1, 9) else 1


def _facts_of_tiff(path: Path) -> Facts:
    from tifffile import TiffFile

    with TiffFile(path) as file:
        _require_end(file)
        series = file.series[0]
        page: Any = series.keyframe
        photometric = getattr(page.photometric, "name", "")
        palette = None
        if photometric == "PALETTE" and page.colormap is not None:
            table = np.asarray(page.colormap)
            palette = (table >> 8 if table.dtype.itemsize > 1 else table).T.astype(np.uint8)
        colours = {
            "RGB": "rgb", "YCBCR": "rgb", "PALETTE": "palette", "MINISWHITE": "white",
            "SEPARATED": "cmyk", "MINISBLACK": "grey",
        }.get(photometric, "")  # fmt: skip
        tag = page.tags.get(_ORIENTATION)
        return Facts(
            series.shape, series.axes, colours, palette,
            _as_orientation(1 if tag is None else tag.value), int(series.nbytes),
            sum(kind == 0 for kind in page.extrasamples),
            channel_names(file.ome_metadata or "") if file.is_ome else (),
            sum(other.shape == series.shape for other in file.series),
        )  # fmt: skip


def palette_entries(path: Path) -> NDArray[Any] | None:
    """Return which entry of its palette each pixel of a file has; None if the file has none."""
    if path.suffix.lower() in _TIFF:
        from tifffile import TiffFile

        with TiffFile(path) as file:
            page: Any = file.series[0].keyframe
            is_palette = getattr(page.photometric, "name", "") == "PALETTE"
            return np.asarray(file.series[0].asarray()) if is_palette else None
    from PIL import Image

    with trusting_pillow(), Image.open(path) as picture:
        return np.asarray(picture) if picture.mode == "P" else None


def _require_end(file: TiffFile) -> None:
    """Refuse pages that lead in a circle, which tifffile would follow until memory ends."""
    handle, tiff = file.filehandle, file.tiff
    order: Literal["little", "big"] = "big" if file.byteorder == ">" else "little"
    seen: set[int] = set()
    offset = int(file.pages.first.offset)
    while 0 < offset < handle.size:
        if offset in seen:
            raise ValueError("its pages lead in a circle")
        seen.add(offset)
        handle.seek(offset)
        tags = int.from_bytes(handle.read(tiff.tagnosize), order)
        handle.seek(offset + tiff.tagnosize + tags * tiff.tagsize)
        offset = int.from_bytes(handle.read(tiff.offsetsize), order)


def as_shown(array: NDArray[Any], facts: Facts, path: Path) -> Shown:
    """Return the numbers as a viewer shows them.

    - `array`: as a reader made it of the file
    - `path`: of the file, for formats that are converted when read
    """
    if facts.colours in _CONVERTED:
        return _converted(path, _CONVERTED[facts.colours])
    if not facts.axes or tuple(array.shape) != tuple(facts.shape):
        return Shown(array, None, "")
    axes = facts.axes.lower()
    axis = axes.find("s")
    if axis < 0:
        return _coloured(array, facts, axes)
    array, axes = np.moveaxis(array, axis, -1), axes.replace("s", "")
    if facts.colours == "cmyk" and array.shape[-1] >= 4:
        top = float(np.iinfo(array.dtype).max) if array.dtype.kind == "u" else 1.0
        light = (1 - array[..., :3] / top) * (1 - array[..., 3:4] / top)
        return Shown(np.rint(255 * light).astype(np.uint8), True, f"{axes}s")
    if facts.colours == "rgb" and array.shape[-1] >= 3:
        return Shown(array[..., : min(4, array.shape[-1])], True, f"{axes}s")
    if facts.colours == "grey" and facts.others:  # as microscopes write channels side by side
        return Shown(array[..., : 1 + facts.others], False, f"{axes}c")
    return _coloured(array[..., 0], facts, axes)  # grey, with an alpha beside it


def _coloured(array: NDArray[Any], facts: Facts, axes: str) -> Shown:
    if facts.palette is not None and array.dtype.kind in "bu":
        entries = np.minimum(array, len(facts.palette) - 1).astype(np.intp)
        return Shown(facts.palette[entries], True, f"{axes}s")
    if facts.colours == "white" and array.dtype.kind in "bu":
        return Shown(np.invert(array), False, axes)
    return Shown(array, False, axes)


def _converted(path: Path, mode: str) -> Shown:
    from PIL import Image

    with Image.open(path) as picture:
        coloured = mode == "RGB"
        return Shown(np.asarray(picture.convert(mode)), coloured, "yxs" if coloured else "yx")
