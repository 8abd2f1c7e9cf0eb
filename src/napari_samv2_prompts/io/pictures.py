"""Image files in, label images and pictures out, for scripts.

Here: one plane of numbers as the network takes it, and what is drawn of labels.  Not here: opening
files (``opening.py``), the 8-bit view of a layer (``images``).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.images import as_array, check_real, render
from napari_samv2_prompts.io.formats import palette_entries
from napari_samv2_prompts.io.opening import OpenedImage, open_image
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.prompts import Masks


def read_picture(path: str | Path, channel: str | int | None = None) -> NDArray[np.uint8]:
    """Read a grey or RGB picture as the predictor takes it.

    - `path`: whatever a reader plugin of napari's opens; see :func:`.open_image`.  An alpha channel
      is dropped; other numbers than 8 bit are stretched, with a few of the darkest and brightest
      pixels saturated.
    - `channel`: which one of several; see :meth:`.OpenedImage.of_channel`
    - returns an array of shape (H, W) or (H, W, 3), uint8
    - raises ValueError if the file is not a single picture
    - raises OSError or MemoryError if the file cannot be read
    - warns (FileWarning) of what the user should know of the file
    """
    opened = open_image(path).of_channel(channel)
    for note in opened.notes:
        warnings.warn(note, FileWarning, stacklevel=2)
    return picture_of(opened)


def picture_in(
    image: str | Path | ArrayLike, channel: str | int | None = None
) -> NDArray[np.uint8]:
    """Return what a script gives as picture, a file or an array, as the predictor takes it.

    - `channel`: of a file, see :func:`read_picture`
    - raises ValueError, OSError or MemoryError as :func:`read_picture`, and for the channel of an
      array
    """
    if isinstance(image, str | Path):
        return read_picture(image, channel)
    if channel is not None:
        raise ValueError("A channel is chosen of a file: give the array of that channel alone.")
    return as_picture(image)


def picture_of(opened: OpenedImage) -> NDArray[np.uint8]:
    """Return an image that was opened as the predictor takes it; see :func:`read_picture`."""
    return as_picture(np.asarray(opened.data), opened.name, rgb=opened.rgb)


def as_picture(
    given: Any, name: str = "The image", *, rgb: bool | None = None
) -> NDArray[np.uint8]:
    """Bring an array of a single picture to what the predictor takes; see :func:`read_picture`.

    - `given`: array of shape (H, W), (H, W, 3) or (H, W, 4), of real numbers, or lists of them;
      further axes in front that have one place are left out
    - `name`: what the message calls it
    - `rgb`: whether the last axis is colours; by its length if not given
    - raises ValueError if it is not a single picture of numbers
    """
    array = np.asarray(as_array(given, name))
    check_real(array.dtype, name)
    shape = array.shape
    if rgb is None:
        rgb = array.ndim > 2 and shape[-1] in (3, 4)
    if not rgb and array.ndim > 2 and shape[-1] == 1 and max(shape[:-2]) > 1:
        array = array[..., 0]
    while array.ndim > 2 + rgb and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 + rgb or not array.size:
        raise ValueError(
            f"{name} has the shape {shape}, which is not one grey or RGB picture: save the plane "
            "to be segmented as a file of its own, or follow objects through it (--through)."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).any():
        raise ValueError(f"{name} holds no numbers, only NaN or infinity.")
    return render(array, rgb, limits_of(array.dtype), alpha=False)


def limits_of(dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """Return the values that are black and white in :func:`as_picture`; None: percentiles."""
    return {"uint8": (0.0, 255.0), "bool": (0.0, 1.0)}.get(dtype.name)


def read_image(path: str | Path) -> NDArray[Any]:
    """Read an image file as it is, stacks too; see :func:`read_picture` for the errors."""
    return np.asarray(open_image(path).data)


def read_labels(path: str | Path) -> NDArray[Any]:
    """Read a file of labels as it is stored: entries of a palette are numbers, and no colours.

    Fiji writes a palette into every 8-bit image that is shown in colours of its own.

    Raises as :func:`read_picture`.
    """
    opened = open_image(path)
    if opened.rgb and opened.path.is_file():
        entries = palette_entries(opened.path)
        if entries is not None:
            return entries
    return np.asarray(opened.data)


def label_image(masks: Masks) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Paint each object's best mask with the object's number.

    Where masks lie over each other the smaller one is painted last, so that none disappears.

    Returns an array of shape (H, W), uint16; uint32 if an object's number needs it.
    """
    highest = max(masks.objects, default=0)
    labels = np.zeros(masks.image_size, np.uint16 if highest < 1 << 16 else np.uint32)
    best = [(item.object, item.crops[item.best]) for item in masks]
    for number, crop in sorted(best, key=lambda pair: -pair[1].area):
        labels[crop.slices][crop.mask] = number
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


def outline_endings() -> tuple[str, ...]:
    """Return how a name may end that :func:`write_outlines` writes to, the usual ones first."""
    from PIL import Image

    kinds = Image.registered_extensions()
    return (".png", ".jpg", *(ending for ending, kind in kinds.items() if kind in Image.SAVE))


def _colours(count: int) -> NDArray[np.float64]:
    """Return RGB colours for the labels 0 to `count`, neighbours in number far apart in hue."""
    hue = (np.arange(count + 1) * 0.618033988749895) % 1  # golden ratio: never repeats
    wheel = np.abs((hue[:, None] * 6 + np.array([0, 4, 2])) % 6 - 3) - 1
    return np.asarray(55 + 200 * wheel.clip(0, 1))
