"""Image files in, label images and pictures out, for scripts.

Inside napari its own readers and writers do this, and ``images`` makes the network's 8-bit view
of a layer; here are single pictures on disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.images import percentile_limits, to_uint8
from napari_samv2_prompts.io.files import written_whole
from napari_samv2_prompts.prompts import Masks

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["as_picture", "label_image", "read_image", "read_picture", "write_outlines"]

_TIFF = (".tif", ".tiff")


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """Read a grey or RGB picture as the predictor takes it.

    Parameters
    ----------
    path : path
        A TIFF file, or whatever Pillow reads. An alpha channel is dropped; other numbers than
        8 bit are stretched, with a few of the darkest and brightest pixels saturated.

    Returns
    -------
    array of shape (H, W) or (H, W, 3), uint8

    Raises
    ------
    ValueError
        If the file is not a single picture.
    OSError
        If the file cannot be read.
    """
    path = Path(path)
    return as_picture(_read(path), path.name)


def as_picture(array: NDArray[Any], name: str = "The image") -> NDArray[np.uint8]:
    """Bring an array of a single picture to what the predictor takes; see :func:`read_picture`.

    Parameters
    ----------
    array : array of shape (H, W), (H, W, 3) or (H, W, 4), of real numbers
    name : str
        What the message calls it.

    Raises
    ------
    ValueError
        If it is not a single picture of numbers.
    """
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} has values of type {array.dtype}, which are no real numbers.")
    if array.ndim == 3 and array.shape[2] in (3, 4):
        array = array[..., :3]
    elif array.ndim == 3 and 1 in array.shape:
        array = array.squeeze()
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise ValueError(
            f"{name} has the shape {array.shape}, which is not one grey or RGB picture: save "
            "the plane to be segmented as a file of its own."
        )
    if array.dtype == np.uint8:
        return array
    if not np.isfinite(array).any():
        raise ValueError(f"{name} holds no numbers, only NaN or infinity.")
    return to_uint8(array, percentile_limits(array))


def read_image(path: str | Path) -> NDArray[Any]:
    """Read an image file as it is, stacks too; see :func:`read_picture` for the errors."""
    return _read(Path(path))


def _read(path: Path) -> NDArray[Any]:
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    is_tiff = path.suffix.lower() in _TIFF
    try:
        return _read_tiff(path) if is_tiff else _read_with_pillow(path)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make the readers raise almost anything
        kind = "a readable TIFF file" if is_tiff else "a readable picture"
        raise ValueError(f"{path.name} is not {kind} ({error}).") from error


def _read_tiff(path: Path) -> NDArray[Any]:
    from tifffile import TiffFile

    with TiffFile(path) as file:
        _require_end(file)
        return np.asarray(file.asarray())


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


def _read_with_pillow(path: Path) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            indirect = picture.mode in ("P", "PA", "CMYK", "YCbCr", "1")
            return np.asarray(picture.convert("RGB") if indirect else picture)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path.name} is not a picture in a format known here.") from error


def label_image(masks: Masks) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Paint each object's best mask with the object's number.

    Where masks lie over each other the smaller one is painted last, so that none disappears.

    Returns
    -------
    array of shape (H, W), uint16; uint32 if an object's number needs it
    """
    highest = max(masks.objects, default=0)
    labels = np.zeros(masks.image_size, np.uint16 if highest < 1 << 16 else np.uint32)
    best = [(item.object, item.crops[item.best]) for item in masks]
    for number, crop in sorted(best, key=lambda pair: -pair[1].area):
        top, left, bottom, right = crop.box
        labels[top:bottom, left:right][crop.mask] = number
    return labels


def write_outlines(path: str | Path, image: NDArray[np.uint8], labels: NDArray[Any]) -> None:
    """Write the picture with each label tinted and outlined in its own colour."""
    from PIL import Image
    from skimage.segmentation import find_boundaries

    rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    shown = labels.astype(np.int64)
    tints = _colours(int(shown.max(initial=0)))[shown]
    weight = np.where(find_boundaries(shown, mode="inner"), 1.0, 0.35) * (shown > 0)
    mixed = rgb * (1 - weight[..., None]) + tints * weight[..., None]
    with written_whole(path) as part:
        Image.fromarray(mixed.round().astype(np.uint8)).save(part)


def _colours(count: int) -> NDArray[np.float64]:
    """Return RGB colours for the labels 0 to `count`, neighbours in number far apart in hue."""
    hue = (np.arange(count + 1) * 0.618033988749895) % 1  # golden ratio: never repeats
    wheel = np.abs((hue[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return np.asarray(55 + 200 * wheel.clip(0, 1))
