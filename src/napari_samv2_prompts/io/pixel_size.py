"""The size of a pixel, as image files tell it in their different ways.

What a file tells about itself never costs a result: nonsense is no pixel size, and a warning.
Not here: writing it (``exports.py``).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.io.ome_xml import pixels_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from tifffile import TiffFile

# Micrometres in a unit, by the names that files and readers use for it.
_MICROMETRES = {
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3, "µm": 1.0, "um": 1.0, "\\u00B5m": 1.0,
    "\u03bcm": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3, "cm": 1e4, "centimeter": 1e4,
    "centimetre": 1e4, "inch": 25_400.0, "m": 1e6, "meter": 1e6, "metre": 1e6, "pm": 1e-6,
    "picometer": 1e-6, "angstrom": 1e-4, "å": 1e-4,
}  # fmt: skip
_RESOLUTION_UNITS = {2: "inch", 3: "cm"}


class FileWarning(UserWarning):
    """Something about a file that the user should know and that does not stop the work."""


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Height and width of a pixel in micrometres, and how far apart the planes of a stack are."""

    y: float
    x: float
    z: float | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that are none."""
        sizes = [self.y, self.x, *([] if self.z is None else [self.z])]
        if not (np.isfinite(sizes).all() and min(sizes) > 0):
            raise ValueError("A pixel size must be two numbers above 0, or three with the depth.")

    @classmethod
    def of(cls, given: PixelSize | float | Sequence[float]) -> PixelSize:
        """Return what a script says: micrometres as one number, height and width, or depth first.

        Raises ValueError if it is something else.
        """
        if isinstance(given, PixelSize):
            return given
        try:
            sizes = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            sizes = np.empty(0)
        if sizes.size not in (1, 2, 3):
            raise ValueError(
                f"The pixel size {given!r} is not understood: give micrometres as one number, as "
                "(height, width) or (depth, height, width), or what read_pixel_size returns."
            )
        *front, height, width = np.resize(sizes, max(2, sizes.size)).tolist()
        return cls(height, width, *front)


def read_pixel_size(path: str | Path) -> PixelSize | None:
    """Return the pixel size that a TIFF file tells (OME, ImageJ or plain), None if it tells none.

    A resolution in inches is ignored: programs write 72 or 96 an inch without meaning anything.

    Warns
    -----
    FileWarning
        If the file tells one that can't be.
    """
    size, note = pixel_size_and_note(Path(path))
    if note:
        warnings.warn(note, FileWarning, stacklevel=2)
    return size


def pixel_size_and_note(path: Path) -> tuple[PixelSize | None, str]:
    """Return what :func:`read_pixel_size` does, and its warning or an empty string."""
    if not path.name.lower().endswith((".tif", ".tiff")):
        return None, ""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return _told_by(file), ""
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - what metadata raises is as various as its writers
        reason = str(error).rstrip(".")
        return None, f"{path.name}: its pixel size is left out, since it can't be read ({reason})."


def pixel_size_of_layer(scale: Any, units: Any) -> PixelSize | None:
    """Return the pixel size of a layer by the scale and units of its last two axes, if they fit.

    - `units`: one for all axes, or one each; None or "pixel" is no length.  If the third axis from
      behind has a length of its own, it is the depth.
    """
    if scale is None or units is None:
        return None
    names = [str(units)] * 2 if isinstance(units, str) else [str(unit) for unit in units][-2:]
    steps = [float(step) for step in scale][-2:]
    factors = [_MICROMETRES.get(name.lower()) for name in names]
    if len(steps) < 2 or len(factors) < 2 or None in factors:
        return None
    sizes = [abs(step) * factor for step, factor in zip(steps, factors, strict=True) if factor]
    if not all(0 < size < math.inf for size in sizes):
        return None
    several = not isinstance(units, str) and len(units) > 2 and len(scale) > 2
    factor = _MICROMETRES.get(str(list(units)[-3]).lower()) if several else None
    depth = abs(float(scale[-3])) * factor if factor else None
    return PixelSize(sizes[0], sizes[1], _depth(depth))


def _depth(size: float | None) -> float | None:
    """Return the depth if it can be one: nonsense in it does not cost height and width."""
    return size if size is not None and 0 < size < math.inf else None


def _told_by(file: TiffFile) -> PixelSize | None:
    if file.is_ome and file.ome_metadata:
        return _told_by_ome(file.ome_metadata)
    tags = file.pages[0].tags  # type: ignore[union-attr]
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    told = (file.imagej_metadata or {}) if file.is_imagej else {}
    unit = told.get("unit")
    if unit is None and "ResolutionUnit" in tags:
        unit = _RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value))
    factor = _MICROMETRES.get(str(unit).lower())
    steps = [tags[f"{axis}Resolution"].value for axis in "YX"]
    if factor is None or unit == "inch" or not all(top and bottom for top, bottom in steps):
        return None
    spacing = told.get("spacing")
    depth = _depth(factor * spacing) if isinstance(spacing, int | float) else None
    height, width = (factor * bottom / top for top, bottom in steps)
    return PixelSize(height, width, depth)


def _told_by_ome(xml: str) -> PixelSize | None:
    pixels = pixels_of(xml)
    height, width = (_size_in(pixels, axis) for axis in "YX")
    if height is None or width is None:
        return None
    try:
        depth = _depth(_size_in(pixels, "Z"))
    except ValueError:
        depth = None
    return PixelSize(height, width, depth)


def _size_in(pixels: Element | None, axis: str) -> float | None:
    value = None if pixels is None else pixels.get(f"PhysicalSize{axis}")
    unit = "µm" if pixels is None else pixels.get(f"PhysicalSize{axis}Unit", "µm")
    if value is None or unit.lower() not in _MICROMETRES:
        return None
    return float(value) * _MICROMETRES[unit.lower()]
