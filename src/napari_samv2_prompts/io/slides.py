"""Reading a picture region by region: slides that are too large to be read whole.

A part that is read is what :func:`.as_picture` would make of the whole, cut out.  Files that can't
be read in parts are read whole.

Not here: which parts (``tiles.py``), files that hold stacks (``window_layers.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.images import percentile_limits, to_uint8
from napari_samv2_prompts.io.formats import facts_of
from napari_samv2_prompts.io.ome_zarr import NgffImage, is_zarr, open_ngff
from napari_samv2_prompts.io.opening import choose_reader, open_image
from napari_samv2_prompts.io.pictures import picture_of
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TIFF = (".tif", ".tiff")
_ENOUGH = 64_000_000  # pixels of a coarser level that tell the contrast of the full size


@dataclass(frozen=True, slots=True)
class Slide:
    """A picture in a file, and its contrast: a value that travels to workers."""

    image: Path
    shape: tuple[int, int]  # ``(height, width)``
    channel: str | None = None  # which one of several; see :func:`.channel_of`
    # Values that are black and white; None where they are 8 bit already.
    limits: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OpenSlide:
    """A picture that can be read in parts."""

    shape: tuple[int, int]  # ``(height, width)``
    # ``(rows, columns) -> array of shape (h, w) or (h, w, 3)``, of any real numbers.
    raw: Callable[[slice, slice], NDArray[Any]]
    sample: Callable[[], NDArray[Any]]  # returns an array whose contrast is that of the picture

    def read(self, region: Region, limits: tuple[float, float] | None) -> NDArray[np.uint8]:
        """Return a region as the model takes it."""
        part = _colours(self.raw(*region.slices))
        if limits is not None:
            return to_uint8(part, limits)
        return part.astype(np.uint8) * np.uint8(255) if part.dtype == np.bool_ else part


def slide_of(image: Path, channel: str | None = None) -> Slide:
    """Look at a picture: its shape and contrast.

    - raises ValueError if the file is not a single picture, or damaged
    - raises OSError or MemoryError if it can't be read
    """
    with open_slide(image, channel) as opened:
        sample = _colours(opened.sample())
        plain = sample.dtype in (np.uint8, np.bool_)
        return Slide(image, opened.shape, channel, None if plain else percentile_limits(sample))


@contextmanager
def open_slide(image: Path, channel: str | None = None) -> Iterator[OpenSlide]:
    """Open a picture to be read in parts."""
    if is_zarr(image):
        found = open_ngff(image)
        if found is not None:
            yield _of_ngff(found, channel)
            return
    elif (
        channel is None
        and image.suffix.lower() in _TIFF
        and find_spec("zarr") is not None
        and _is_plain(image)
    ):
        import tifffile
        import zarr

        with tifffile.TiffFile(image) as file, file.series[0].aszarr(level=0) as store:
            array: Any = zarr.open(store, mode="r")
            yield _of_array(array)
            return
    opened = open_image(image).of_channel(channel)
    data = np.asarray(opened.data)
    picture = picture_of(opened)
    if picture.shape == data.shape:  # the numbers themselves, whose contrast is yet to be taken
        yield _of_array(data)
    else:
        yield _of_array(picture)


def _colours(pixels: NDArray[Any]) -> NDArray[Any]:
    """Leave an alpha channel out."""
    return pixels[..., :3] if pixels.ndim == 3 else pixels


def _of_array(array: Any) -> OpenSlide:
    height, width = array.shape[:2]
    return OpenSlide(
        (int(height), int(width)),
        lambda rows, columns: np.asarray(array[rows, columns]),
        lambda: np.asarray(array[:1, :1] if array.dtype == np.uint8 else array[:]),
    )


def _of_ngff(image: NgffImage, wanted: str | None) -> OpenSlide:
    name = image.path.name
    try:
        channel, planes = image.channel(wanted), image.planes()
    except ValueError as error:
        raise ValueError(f"{name}: {error}.") from error
    if len(planes) > 1:
        raise ValueError(f"{name} has {len(planes)} planes, and a slide has one.")
    height, width = image.array.shape[-2:]

    def sample() -> NDArray[Any]:
        whole = slice(None)
        if image.array.dtype == np.uint8:
            return image.read(planes[0], channel, slice(0, 1), slice(0, 1))
        for level in image.levels():
            if level.shape[-1] * level.shape[-2] <= _ENOUGH:
                return image.read(planes[0], channel, whole, whole, level)
        return image.read(planes[0], channel, slice(0, 8000), slice(0, 8000))

    return OpenSlide(
        (int(height), int(width)),
        lambda rows, columns: image.read(planes[0], channel, rows, columns),
        sample,
    )


def _is_plain(image: Path) -> bool:
    """Tell whether the numbers in a TIFF file are the picture's, row by row."""
    try:
        facts = facts_of(image)
    except Exception:  # noqa: BLE001 - reading it whole will say what is wrong
        return False
    plain = facts is not None and facts.orientation == 1
    kind = (facts.axes, facts.colours) if facts is not None else ("", "")
    known = kind in (("YX", "grey"), ("YXS", "rgb")) and choose_reader(image) == "napari"
    return plain and known
