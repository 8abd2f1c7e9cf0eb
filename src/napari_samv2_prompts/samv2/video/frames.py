"""The frames of a film, read when they are needed: an array, a list of images, or a folder.

Not here: what a frame becomes for the network (``preprocess.py``), files of films: a folder of
pictures is what every tool can write.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_samv2_prompts.samv2.inference.preprocess import check_image

_SUFFIXES = (".jpg", ".jpeg", ".png")
_FILMS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".gif")


class Frames(Protocol):
    """A film: so many frames of one size."""

    @property
    def size(self) -> tuple[int, int]:
        """``(height, width)`` of every frame."""
        ...

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def read(self, index: int) -> NDArray[np.uint8]:
        """Return a frame, ``(H, W)`` or ``(H, W, 3)``."""
        ...


class _Array:
    """Frames of anything that is indexed by their number: numpy, zarr, dask, a list of images."""

    def __init__(self, frames: Any) -> None:
        self._frames = frames
        first = _frame(frames, 0)
        self.size = (first.shape[0], first.shape[1])

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> NDArray[np.uint8]:
        image = _frame(self._frames, index)
        _require_size(f"frame {index}", (image.shape[0], image.shape[1]), self.size)
        return image


class _Folder:
    """Pictures of a folder in the order of the numbers in their names."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.size = _size_of(paths[0])
        for path in paths[1:]:
            _require_size(path.name, _size_of(path), self.size)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, index: int) -> NDArray[np.uint8]:
        path = self._paths[index]
        with _opened(path) as picture:
            if picture.mode.startswith(("I", "F")):
                raise ValueError(
                    f"{path.name} has more than 8 bits: save the frames as 8-bit pictures, with "
                    "the contrast that you want the model to see."
                )
            grey = picture.mode in ("L", "1", "LA")
            image = _converted(picture, "L" if grey else "RGB", path)
        _require_size(path.name, (image.shape[0], image.shape[1]), self.size)
        return image


def open_frames(video: Any) -> Frames:
    """Open a film without reading more than its first frame.

    - `video`: array-like of shape (T, H, W) or (T, H, W, 3), uint8; sequence of images; or path; of
      a folder of JPEG or PNG files, numbered by the last number in their names
    - raises ValueError if there are no frames, or they are of other shapes, sizes or number types
    - raises FileNotFoundError if there is no such folder
    """
    if isinstance(video, str | PathLike):
        return _Folder(_numbered(Path(video).expanduser()))
    shape = getattr(video, "shape", None)
    if shape is not None and (len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] != 3)):
        raise ValueError(
            f"A film must have shape (T, H, W) or (T, H, W, 3), not {tuple(shape)}: frames first, "
            "and three channels last where it has colours."
        )
    if not hasattr(video, "__getitem__") or not hasattr(video, "__len__"):
        raise ValueError(
            f"A film is an array, a list of images or a folder, not {type(video).__name__}."
        )
    if len(video) == 0:
        raise ValueError("The film is empty: it has no frames.")
    frames = _Array(video)
    if isinstance(video, list | tuple):
        for index, image in enumerate(video):
            _require_size(f"frame {index}", np.shape(image)[:2], frames.size)
    return frames


def to_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Stretch a frame to the network's square as the published video loader does: bicubic, 8 bit.

    The published image predictor resizes otherwise, bilinearly (:func:`.to_pixels`).
    """
    if image.shape[:2] == (side, side):
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def _frame(frames: Any, index: int) -> NDArray[np.uint8]:
    try:
        return check_image(np.asarray(frames[index]))
    except ValueError as error:
        raise ValueError(f"Frame {index} of the film does not fit. {error}") from None


def _require_size(what: str, size: Sequence[int], expected: tuple[int, int]) -> None:
    if tuple(size) != expected:
        height, width = size
        raise ValueError(
            f"All frames of a film must be of one size: {what} is {width} x {height} pixels, the "
            f"first one {expected[1]} x {expected[0]}."
        )


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"{path.name} is not a picture that can be read: {error}.") from error


def _converted(picture: Image.Image, mode: str, path: Path) -> NDArray[np.uint8]:
    try:
        return np.asarray(picture.convert(mode))
    # What decoders raise over damaged pictures is as various as they are.
    except (OSError, SyntaxError, ValueError, IndexError, struct.error, zlib.error) as error:
        raise ValueError(f"{path.name} is damaged: {error}.") from error


def _size_of(path: Path) -> tuple[int, int]:
    with _opened(path) as picture:
        return picture.height, picture.width


def _numbered(folder: Path) -> list[Path]:
    """Return the pictures of a folder by the last number in their names: 2 comes before 10."""
    if folder.suffix.lower() in _FILMS:
        raise ValueError(
            f"{folder.name} is a film file: write its frames to a folder first, for example with "
            f"ffmpeg -i {folder.name} -start_number 0 frames/%05d.jpg"
        )
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    numbers: dict[Path, int] = {}
    for path in folder.iterdir():
        if path.suffix.lower() not in _SUFFIXES or path.name.startswith("."):
            continue
        found = re.findall(r"\d+", path.stem)
        if not found:
            raise ValueError(f"{path.name} has no number, so its place in the film is unknown.")
        numbers[path] = int(found[-1])
    if not numbers:
        raise ValueError(f"The folder {folder} holds no numbered JPEG or PNG files.")
    return sorted(numbers, key=lambda path: (numbers[path], path.name))
