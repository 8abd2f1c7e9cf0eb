"""The metadata of OME-Zarr files as values (NGFF 0.4 and 0.5, and what older ones leave out).

In: the attributes of a group, as JSON gives them, whoever wrote them.  Out: a value, None if they
describe no such thing, or a ValueError with a reason.  Version 0.5 has all of it below ``ome``.

Not here: opening arrays (``ome_zarr.py``), writing labels (``ome_zarr_labels.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

USUAL_AXES = "tczyx"
"""Of files that name none: the last ones of these."""


@dataclass(frozen=True, slots=True)
class Level:
    """One size of an image."""

    path: str  # of the array, below the image's group
    # What one step along each axis is, by the level alone; empty if it does not say.
    scale: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()  # where the first pixel lies; empty if it does not say


@dataclass(frozen=True, slots=True)
class Multiscale:
    """An image, or a label image, in several sizes."""

    version: str
    levels: tuple[Level, ...]  # the full size first
    names: tuple[str, ...] = ()  # of the axes, in lower case; empty if the file names none
    units: tuple[str | None, ...] = ()  # of the axes
    # "space", "channel", "time" or another word, or empty, for each axis.
    kinds: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()  # by which the whole is multiplied; empty if it does not say
    channels: tuple[str, ...] = ()  # names of the channels, as far as the file tells them

    def axes(self, ndim: int) -> str:
        """Return a letter an axis: t, c, z, y, x, or "?" for another one.

        Raises ValueError if the last two are not y and x, or their number is another.
        """
        if not self.names:
            if not 2 <= ndim <= len(USUAL_AXES):
                raise ValueError(f"it names no axes, and its array has {ndim}")
            return USUAL_AXES[-ndim:]
        if len(self.names) != ndim:
            raise ValueError(f"it names {len(self.names)} axes, and its array has {ndim}")
        letters = "".join(
            "c" if kind == "channel" else name if name in tuple(USUAL_AXES) else "?"
            for name, kind in zip(self.names, self.kinds, strict=True)
        )
        if not letters.endswith("yx") or letters.count("c") > 1:
            raise ValueError(f"its axes are {', '.join(self.names)}: the last two must be y and x")
        return letters

    def step(self, ndim: int) -> tuple[float, ...] | None:
        """Return the size of a pixel of the full size along each axis; None if it does not say.

        Raises ValueError if a size is not above 0, or their number is another.
        """
        told = [scale for scale in (self.levels[0].scale, self.scale) if scale]
        if not told:
            return None
        if any(len(scale) != ndim for scale in told):
            raise ValueError(f"a scale does not have {ndim} numbers")
        steps = tuple(math.prod(factors) for factors in zip(*told, strict=True))
        if not all(math.isfinite(step) and step > 0 for step in steps[-2:]):
            raise ValueError("a pixel size must be above 0")
        return steps


def multiscale_of(attributes: Mapping[str, Any]) -> Multiscale | None:
    """Return the first image that a group's attributes describe; None if they describe none.

    Raises ValueError if they name no array.
    """
    own = _own(attributes)
    listed = own.get("multiscales")
    first = listed[0] if isinstance(listed, list) and listed else None
    if not isinstance(first, dict):
        return None
    datasets = first.get("datasets")
    if not isinstance(datasets, list) or not datasets:
        raise ValueError("its metadata names no array")
    axes = first.get("axes")
    described = [_axis(axis) for axis in axes] if isinstance(axes, list) else []
    return Multiscale(
        version=str(own.get("version", first.get("version", "0.4"))),
        levels=tuple(_level(dataset) for dataset in datasets),
        names=tuple(name for name, _, _ in described),
        units=tuple(unit for _, unit, _ in described),
        kinds=tuple(kind for _, _, kind in described),
        scale=_change(first, "scale"),
        channels=_channels(own.get("omero")),
    )


def plate_wells(attributes: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the paths of a plate's wells; None if it is no plate.

    Raises ValueError if one of them has no path.
    """
    plate = _own(attributes).get("plate")
    return _paths(plate, "wells", "a well") if isinstance(plate, dict) else None


def well_fields(attributes: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the paths of a well's images; None if it is no well.

    Raises ValueError if one of them has no path.
    """
    well = _own(attributes).get("well")
    return _paths(well, "images", "an image") if isinstance(well, dict) else None


def safe_path(path: object, what: str) -> str:
    """Return a path below a group.

    Raises ValueError if it is none, or leads out of the group.
    """
    parts = path.split("/") if isinstance(path, str) else []
    bad = any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)
    if not parts or bad:
        raise ValueError(f"{what} has the path {path!r}, which names nothing in the file")
    return "/".join(parts)


def _own(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = attributes.get("ome")
    return inner if isinstance(inner, dict) else attributes


def _paths(owner: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
    listed = owner.get(key)
    entries = listed if isinstance(listed, list) else []
    return tuple(
        safe_path(entry.get("path") if isinstance(entry, dict) else None, what) for entry in entries
    )


def _axis(axis: object) -> tuple[str, str | None, str]:
    """Return name, unit and kind; before 0.4 an axis was its name."""
    if not isinstance(axis, dict):
        return str(axis).lower(), None, "channel" if axis == "c" else ""
    unit = axis.get("unit")
    return (
        str(axis.get("name", "?")).lower(),
        unit if isinstance(unit, str) else None,
        str(axis.get("type", "")),
    )


def _level(dataset: object) -> Level:
    owner = dataset if isinstance(dataset, dict) else {}
    path = safe_path(owner.get("path"), "an array")
    return Level(path, _change(owner, "scale"), _change(owner, "translation"))


def _change(owner: Mapping[str, Any], kind: str) -> tuple[float, ...]:
    """Return the numbers of a transformation; empty if there is none, NaN where it is no number."""
    listed = owner.get("coordinateTransformations")
    for change in listed if isinstance(listed, list) else []:
        if isinstance(change, dict) and change.get("type") == kind:
            numbers = change.get(kind)
            return tuple(map(_number, numbers)) if isinstance(numbers, list) else (math.nan,)
    return ()


def _number(value: object) -> float:
    try:
        return math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _channels(omero: object) -> tuple[str, ...]:
    listed = omero.get("channels") if isinstance(omero, dict) else None
    entries = listed if isinstance(listed, list) else []
    return tuple(
        str(entry.get("label", number)) if isinstance(entry, dict) else str(number)
        for number, entry in enumerate(entries)
    )
