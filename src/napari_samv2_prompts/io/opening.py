"""Image files through napari's reader plugins: what opens in the window opens in a script.

A reader gives what the viewer would make a layer of: numbers, scale and units.  Which reader it is
when there are several: the one that was named, else the one that napari's preferences name, else
one that is no part of napari, which somebody installed for a purpose.  An OME-Zarr image is read by
its metadata, so that labels do not depend on what is installed beside.

Not here: what a file says of its own numbers (``formats.py``), pictures as the model takes them
(``pictures.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.io.channels import COLOURS, RGB, channel_of
from napari_samv2_prompts.io.formats import Facts, as_shown, facts_of, trusting_pillow
from napari_samv2_prompts.io.ome_zarr import (
    NgffImage,
    find_images,
    is_zarr,
    is_zarr_array,
    open_ngff,
)
from napari_samv2_prompts.io.pixel_size import PixelSize, pixel_size_and_note, pixel_size_of_layer
from napari_samv2_prompts.words import counted

_BUILTIN = "napari"
_RGB_BY_SHAPE = (3, 4)
_COLOUR_NAMES = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, eq=False)
class OpenedImage:
    """An image file as the viewer would show it."""

    path: Path
    data: Any  # of a pyramid the full size; colours on the last axis.  It may be lazy.
    rgb: bool  # whether the last axis is colours
    # As the reader says by scale and units; None if it does not.
    pixel_size: PixelSize | None = None
    notes: tuple[str, ...] = ()  # sentences that the user should read
    axes: str = ""  # a letter an axis: t, c, z, y, x, s for colours or another; empty if unknown
    channels: tuple[str, ...] = ()  # names of the channels, as far as the file tells them
    channel: str | None = None  # which of them this is; None where it is all that the file holds

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def with_pixel_size(self) -> OpenedImage:
        """Return the image with the pixel size that its file tells, if its reader told none."""
        if self.pixel_size is not None or not self.path.is_file():
            return self
        size, note = pixel_size_and_note(self.path)
        return replace(self, pixel_size=size, notes=(*self.notes, note) if note else self.notes)

    def of_channel(self, wanted: str | int | None) -> OpenedImage:
        """Return one channel of the image, or three as colours.

        - `wanted`: see :func:`.channel_of`; of a picture in colours None means all of them
        - raises ValueError if there is no such channel, or several and none is named
        """
        if self.rgb and (wanted is None or str(wanted).lower() == RGB):
            return self
        axis = self.data.ndim - 1 if self.rgb else self.axes.find("c")
        if axis < 0 and wanted is not None and self.data.ndim > 2:
            raise ValueError(
                f"{self.name} does not say which of its axes is that of channels: save the channel "
                "as a file of its own."
            )
        count = 0 if axis < 0 else int(self.data.shape[axis])
        names = self.channels or (_COLOUR_NAMES if self.rgb else ())
        try:
            chosen = channel_of(wanted, count, names, bytes_=self.data.dtype == np.uint8)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}.") from error
        if chosen is None:
            return self
        rest = self.axes.replace("c", "").replace("s", "")
        if isinstance(chosen, slice):
            data = np.moveaxis(self.data, axis, -1)
            return replace(self, data=data, rgb=True, axes=f"{rest}s", channel=RGB)
        data = self.data[(slice(None),) * axis + (chosen,)]
        return replace(self, data=data, rgb=False, axes=rest, channel=str(chosen))


def open_image(path: str | Path, reader: str | None = None) -> OpenedImage:
    """Open an image file with a reader plugin of napari's.

    - `path`: a file, or a folder that is one image (``.zarr``)
    - `reader`: the plugin; see the module for the choice if there are several
    - raises ValueError if no reader takes the file, or it is damaged
    - raises OSError or MemoryError if it can't be read, or is larger than the memory that is free
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    with trusting_pillow():
        try:
            if reader is None and path.is_dir() and (image := _ngff(path)) is not None:
                return _of_ngff(path, image)
            chosen = choose_reader(path, reader)
            facts = facts_of(path) if chosen == _BUILTIN and path.is_file() else None
            return _opened(path, _read(path, chosen), facts)
        except MemoryError as error:
            reason = str(error) or "there is not enough memory for it"
            raise MemoryError(f"{path.name}: {reason}.") from error
        except Exception as error:  # damaged bytes make the readers raise almost anything
            if isinstance(error, OSError) and error.errno is not None:
                raise
            kind = "TIFF file" if path.suffix.lower() in (".tif", ".tiff") else "picture"
            raise ValueError(f"{path.name} is not a readable {kind} ({_short(error)}).") from error


def _ngff(path: Path) -> NgffImage | None:
    """Return an OME-Zarr image, or the only one in a file; None if it is no such file.

    Raises ValueError if the file holds several, as a plate does.
    """
    image = open_ngff(path)
    if image is not None or not is_zarr(path):
        return image
    try:
        images = find_images(path)[0]
    except ValueError:
        return None  # a reader plugin may know what it is
    if len(images) > 1:
        example = images[0].relative_to(path.parent).as_posix()
        raise ValueError(f"it holds {len(images)} images: name one of them, {example} for instance")
    return open_ngff(images[0]) if images else None


def _of_ngff(path: Path, image: NgffImage) -> OpenedImage:
    """Return the full size of an OME-Zarr image; a picture in colours with these last."""
    notes = (image.note,) if image.note else ()
    data, names = image.lazy(), image.described.channels
    try:
        axes = image.axes
    except ValueError:
        axes = ""  # whoever needs them says what is wrong
    opened = OpenedImage(path, data, False, image.pixel_size, notes, axes, names)
    count = data.shape[axes.index("c")] if "c" in axes else 0
    coloured = count == COLOURS and data.dtype == np.uint8 and len(image.planes()) == 1
    return replace(opened.of_channel(RGB), channel=None) if coloured else opened


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".:")[:300]


def choose_reader(path: Path, wanted: str | None = None) -> str:
    """Return the reader plugin for a file; ValueError if there is none, or not the wanted one."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    if _BUILTIN not in manager:  # looking takes as long as reading a small picture
        manager.discover()
    names = sorted({r.plugin_name for r in manager.iter_compatible_readers([str(path)])})
    if wanted is not None:
        if wanted not in names:
            raise ValueError(f"the reader {wanted!r} does not take it; {_listed(names)}")
        return wanted
    if not names:
        raise ValueError("no reader plugin that is installed here takes such a file")
    preferred = _preferred(path)
    if preferred in names:
        return preferred
    if _BUILTIN in names and is_zarr_array(path):
        return _BUILTIN  # plugins that go by names alone want OME's metadata in it
    return next((name for name in names if name != _BUILTIN), _BUILTIN)


def _listed(names: list[str]) -> str:
    return f"what does: {', '.join(names)}" if names else "no other that is installed does"


def _preferred(path: Path) -> str:
    """Return the reader that napari's preferences name for such a file; empty if there is none."""
    try:
        from napari.plugins.utils import get_preferred_reader

        return str(get_preferred_reader(str(path)) or "")
    except Exception:  # noqa: BLE001 - settings that can't be read are no settings
        return ""


def _read(path: Path, reader: str) -> list[tuple[Any, ...]]:
    """Read an image's layers; what napari reads by itself also where napari can't be imported."""
    try:
        return read_layers(path, reader)
    except Exception as error:
        if reader != _BUILTIN or not _is_of_import(error):
            raise
        return [(_plain(path),)]


def _is_of_import(error: BaseException | None) -> bool:
    """Tell whether something could not be imported: without font libraries that is napari."""
    while error is not None and not isinstance(error, ImportError):
        error = error.__cause__ or error.__context__
    return error is not None


def _plain(path: Path) -> Any:
    """Read a picture as napari's own reader does."""
    kind = path.suffix.lower()
    if kind in (".tif", ".tiff"):
        import tifffile

        return tifffile.imread(path)
    if kind == ".npy":
        return np.load(path, allow_pickle=False)
    import imageio.v3

    return imageio.v3.imread(path)


def read_layers(path: Path, reader: str) -> list[tuple[Any, ...]]:
    """Return the image layers that a reader makes of a file: data and, if it says more, a dict."""
    from npe2.io_utils import read

    layers = read([str(path)], stack=False, plugin_name=reader)
    images = [layer for layer in layers if len(layer) < 3 or layer[2] == "image"]
    if not images:
        raise ValueError("it holds no image")
    return images


def _opened(path: Path, layers: list[tuple[Any, ...]], facts: Facts | None) -> OpenedImage:
    data, meta = layers[0][0], layers[0][1] if len(layers[0]) > 1 else {}
    notes = []
    images = max(len(layers), 1 if facts is None else facts.images)
    if images > 1:
        notes.append(f"{path.name} holds {images} images: the first one is taken.")
    if isinstance(data, list | tuple) or meta.get("multiscale"):
        data = data[0]
    rgb = meta.get("rgb")
    axes, names = _told_channels(meta, len(data.shape))
    if facts is not None:
        data, told, axes = as_shown(np.asarray(data), facts, path)
        rgb, names = told if rgb is None else rgb, facts.channels
        if facts.orientation != 1:
            notes.append(_about_orientation(path, facts, data.shape[:2]))
        if rgb and facts.others:
            notes.append(
                f"{path.name} has {counted(facts.others, 'channel')} beside its colours, which the "
                "file does not call transparency: left out."
            )
    if rgb is None:
        rgb = len(data.shape) > 2 and data.shape[-1] in _RGB_BY_SHAPE
    size = pixel_size_of_layer(meta.get("scale"), meta.get("units"))
    return OpenedImage(path, data, bool(rgb), size, tuple(notes), axes, names)


def _told_channels(meta: dict[str, Any], ndim: int) -> tuple[str, tuple[str, ...]]:
    """Return the axes that a reader plugin makes layers of channels of, and their names."""
    axis = meta.get("channel_axis")
    if not isinstance(axis, int) or not -ndim <= axis < ndim:
        return "", ()
    front = ["?"] * (ndim - 3)
    letters = [*front, "y", "x"]
    letters.insert(axis % ndim, "c")
    names = meta.get("name")
    return "".join(letters), tuple(map(str, names)) if isinstance(names, list | tuple) else ()


def _about_orientation(path: Path, facts: Facts, shape: tuple[int, ...]) -> str:
    return (
        f"{path.name} asks to be turned (EXIF orientation {facts.orientation}): it is read as "
        f"napari shows it, {counted(shape[1], 'pixel')} wide and {shape[0]} high, and prompts that "
        "were drawn on it in a program that turns it lie elsewhere."
    )
