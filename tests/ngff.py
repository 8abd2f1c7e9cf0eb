"""OME-Zarr files to test with: images and plates, of NGFF 0.4 and 0.5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr

VERSIONS = ("0.4", "0.5")
KINDS = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def group(path: Path, version: str, attributes: dict[str, Any]) -> zarr.Group:
    """Make a group with attributes of NGFF."""
    made = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    inner = {"version": version} | attributes
    made.attrs.update(attributes if version == "0.4" else {"ome": inner})
    return made


def image(path: Path, pixels: np.ndarray, axes: str, version: str, names: tuple[str, ...] = ()):
    """Write an image with two levels, a pixel of 0.5 by 0.25 micrometres."""
    told = [{"name": axis, "type": KINDS[axis]} for axis in axes]
    for axis in told[-2:]:
        axis["unit"] = "micrometer"
    levels = [pixels, pixels[..., ::2, ::2]]
    datasets = [
        {"path": f"s{n}", "coordinateTransformations": [
            {"type": "scale", "scale": [1.0] * (len(axes) - 2) + [0.5 * step, 0.25 * step]},
        ]}
        for n, step in enumerate((1, 2))
    ]  # fmt: skip
    multiscale = {"version": "0.4", "axes": told, "datasets": datasets}
    channels = {"omero": {"channels": [{"label": name} for name in names]}} if names else {}
    made = group(path, version, {"multiscales": [multiscale]} | channels)
    for n, data in enumerate(levels):
        made.create_array(f"s{n}", data=data)


def read_labels(image: Path, name: str) -> Any:
    """Return the labels of an image in full size, lazily."""
    return zarr.open_group(str(image / "labels" / name), mode="r", use_consolidated=False)["0"]


def plate(path: Path, pictures: dict[str, np.ndarray], version: str, axes: str = "cyx") -> None:
    """Write a plate with a picture for each path like ``A/1/0``."""
    wells: dict[str, list[str]] = {}
    for name in pictures:
        well, _, field = name.rpartition("/")
        wells.setdefault(well, []).append(field)
    rows, columns = (sorted({well.split("/")[n] for well in wells}) for n in (0, 1))
    places = [
        {"path": well, "rowIndex": rows.index(well[0]), "columnIndex": columns.index(well[2:])}
        for well in wells
    ]
    described = {
        "rows": [{"name": n} for n in rows], "columns": [{"name": n} for n in columns],
        "wells": places, "version": "0.4",
    }  # fmt: skip
    group(path, version, {"plate": described})
    for well, fields in wells.items():
        told = {"images": [{"path": field} for field in fields], "version": "0.4"}
        group(path / well, version, {"well": told})
    for name, pixels in pictures.items():
        image(path / name, pixels, axes, version)
