"""OME-Zarr images by their own metadata (NGFF 0.4 and 0.5): the full size, and the size of a pixel.

A reader that goes by names alone may open the labels in place of the image.  Not here: other kinds
of files (``opening.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_samv2_prompts.io.pixel_size import PixelSize, pixel_size_of_layer

__all__ = ["NgffImage", "read_ngff"]


@dataclass(frozen=True, slots=True, eq=False)
class NgffImage:
    """An image of an OME-Zarr file.

    Attributes
    ----------
    data : array
        The full size, lazy.
    pixel_size : PixelSize, optional
    note : str
        What is wrong with the metadata, in a sentence; empty if nothing is.
    """

    data: Any
    pixel_size: PixelSize | None
    note: str = ""


def read_ngff(path: Path) -> NgffImage | None:
    """Return the image of an OME-Zarr folder; None if it has no such metadata.

    Raises
    ------
    Exception
        Of any kind if an array that the metadata names is damaged or missing.
    """
    import dask.array
    import zarr

    try:
        group = zarr.open_group(str(path), mode="r")
    except Exception:  # noqa: BLE001 - an array, or no zarr at all: not for here
        return None
    described = _multiscale(group.attrs.asdict())
    if described is None:
        return None
    try:
        first: Mapping[str, Any] = described["datasets"][0]
        array = group[str(first["path"])]
    except (LookupError, TypeError) as error:
        raise ValueError(f"its metadata names no array that is there ({error})") from error
    data = dask.array.from_zarr(array)  # type: ignore[no-untyped-call]
    try:
        return NgffImage(data, _pixel_size(described, first, data.ndim))
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        note = f"{path.name}: its pixel size is left out, since it can't be read ({error})."
        return NgffImage(data, None, note)


def _multiscale(attributes: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first image that the metadata describe; version 0.5 has all of it in a group."""
    inner = attributes.get("ome")
    listed = (inner if isinstance(inner, dict) else attributes).get("multiscales")
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, dict) else None


def _pixel_size(described: dict[str, Any], level: Mapping[str, Any], ndim: int) -> PixelSize | None:
    """Return the scale of the last two axes: of the level, times that of the whole."""
    axes = [axis if isinstance(axis, dict) else {} for axis in described.get("axes") or []]
    units = [axis.get("unit") for axis in axes]
    scale = [1.0] * ndim
    told = False
    for owner in (level, described):
        for change in owner.get("coordinateTransformations") or []:
            if change["type"] == "scale":
                told = True
                scale = [a * float(b) for a, b in zip(scale, change["scale"], strict=True)]
    if not told or len(units) != ndim or None in units[-2:]:
        return None
    if not all(math.isfinite(step) and step > 0 for step in scale[-2:]):
        raise ValueError("a pixel size must be above 0")
    return pixel_size_of_layer(scale, units)
