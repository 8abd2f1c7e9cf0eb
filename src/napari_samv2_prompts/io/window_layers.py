"""The image layers that a file opens as in the window, without a window.

Here: their arrays, and what the file says of their contrast.  Arrays are lazy where the file allows
that, so that a worker reads the planes that it works on and no others.

Not here: pictures for scripts, with colours as they are meant (``opening.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.io.opening import choose_reader, read_layers

_BUILTIN = "napari"


@dataclass(frozen=True, slots=True, eq=False)
class WindowLayer:
    """An image layer of a file."""

    data: Any  # an array; a tuple of them is the levels of a pyramid, the full size first
    options: dict[str, Any]  # of the layer, as the reader says them: contrast limits, gamma, rgb

    @property
    def full(self) -> Any:
        """The array of the full size."""
        return self.data[0] if isinstance(self.data, tuple) else self.data


def window_layers(path: Path, reader: str | None = None) -> list[WindowLayer]:
    """Return the image layers that a file opens as; a channel axis makes several.

    - raises ValueError if no reader takes the file, or it holds no image
    - raises any kind of error if the file is damaged
    """
    found: list[WindowLayer] = []
    for layer in read_layers(path, choose_reader(path, reader)):
        options = dict(layer[1]) if len(layer) > 1 else {}
        many = options.get("multiscale") is not False and isinstance(layer[0], list | tuple)
        levels = tuple(layer[0]) if many else (layer[0],)
        axis = options.pop("channel_axis", None)
        if axis is None:
            found.append(_layer(levels, options))
            continue
        for channel in range(levels[0].shape[axis]):
            own = {
                name: value[channel]
                for name, value in options.items()
                if name in ("contrast_limits", "gamma")
                and _is_each(name, value, levels[0].shape[axis])
            }
            own |= {
                name: value
                for name, value in options.items()
                if name in ("contrast_limits", "gamma", "rgb") and name not in own
            }
            found.append(_layer(tuple(_taken(level, axis, channel) for level in levels), own))
    return found


@contextmanager
def lazily(path: Path, reader: str | None, layer: int) -> Iterator[Any]:
    """Hand out the data of a layer of :func:`window_layers`, lazy where the file allows that.

    TIFF files are where zarr is installed, and where they hold one image.
    """
    is_tiff = path.suffix.lower() in (".tif", ".tiff")
    if is_tiff and find_spec("zarr") is not None and choose_reader(path, reader) == _BUILTIN:
        import tifffile
        import zarr

        with tifffile.TiffFile(path) as file:
            if len(file.series) == 1 and not file.series[0].is_pyramidal:
                with file.series[0].aszarr() as store:
                    yield zarr.open(store, mode="r")
                return
    yield window_layers(path, reader)[layer].data


def _layer(levels: tuple[Any, ...], options: dict[str, Any]) -> WindowLayer:
    return WindowLayer(levels if len(levels) > 1 else levels[0], options)


def _is_each(name: str, value: Any, channels: int) -> bool:
    """Tell whether an option has a value for each channel, and is not one for all."""
    if not isinstance(value, list | tuple) or len(value) != channels:
        return False
    # Two numbers are the limits of all channels.
    return name == "gamma" or channels != 2 or isinstance(value[0], list | tuple)


def _taken(level: Any, axis: int, channel: int) -> Any:
    index = (*(slice(None),) * (axis % level.ndim), channel)
    return level[index] if hasattr(level, "dask") else np.take(level, channel, axis)
