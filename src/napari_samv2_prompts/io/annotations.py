"""Boxes and polygons from what detectors and other programs write: COCO, YOLO, GeoJSON.

Boxes and places are taken as they stand, in pixels of the image (of YOLO: shares of it).  Outlines
become masks, of which each pixel counts: these files count from the edge of the image, prompts from
the centre of the first pixel, so they are moved by half a pixel.  Objects are numbered in the order
of the file, unless it says which label each is.

Not here: tables (``prompt_tables.py``), writing such files (``exports.py``, ``geojson.py``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_samv2_prompts.io.box_formats import corners_of
from napari_samv2_prompts.io.prompt_set import PlaneIndex, PromptSet
from napari_samv2_prompts.prompts import MAX_OBJECT
from napari_samv2_prompts.words import counted

EDGE = -0.5
"""Where the image begins, from which outlines are counted."""

_GEOMETRIES = ("Polygon", "MultiPolygon", "Point", "MultiPoint", "LineString")


def load_json(path: Path, text: str) -> Any:
    """Return what a JSON file holds.

    Raises ValueError if it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not readable JSON ({_line(error)}).") from error


def _line(error: Exception) -> str:
    return f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "nested too deep"


class _Place:
    """Where in a file something stands, for errors."""

    def __init__(self, name: str, what: str, number: int) -> None:
        self._words = f"{name}, {what} {number}"

    def error(self, problem: str) -> ValueError:
        return ValueError(f"{self._words}: {problem}.")

    def numbers(self, value: Any, what: str, *counts: int) -> list[float]:
        """Return a list of finite numbers, of one of these lengths if any is given."""
        fits = isinstance(value, list) and all(
            isinstance(item, int | float) and not isinstance(item, bool) for item in value
        )
        try:
            found = [float(item) for item in value] if fits else []
        except OverflowError:
            found = [math.inf]
        if not fits or not all(map(math.isfinite, found)) or (counts and len(found) not in counts):
            many = " or ".join(map(str, counts[:-1])) + " or " if counts[1:] else ""
            wanted = many + counted(counts[-1], "number") if counts else "a list of numbers"
            shown = repr(value)
            raise self.error(f"{what} must be {wanted}, not {shown[:40]}")
        return found


def _numbered(given: Sequence[Any]) -> list[int]:
    """Return the objects of a list: what it says if labels can hold that, else 1, 2, ..."""
    sound = all(
        isinstance(n, int) and not isinstance(n, bool) and 0 < n <= MAX_OBJECT for n in given
    )
    return list(given) if sound and given else list(range(1, len(given) + 1))


# --- COCO ---


def is_coco(content: Any) -> bool:
    """Tell whether JSON is a COCO data set, or a list of results in COCO's terms."""
    if isinstance(content, dict):
        return isinstance(content.get("annotations"), list)
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(item, dict) and "image_id" in item for item in content)
    )


def _images(content: Any) -> list[dict[str, Any]]:
    images = content.get("images") if isinstance(content, dict) else None
    listed = images if isinstance(images, list) else []
    return [image for image in listed if isinstance(image, dict)]


def coco_names(content: Any) -> tuple[str, ...]:
    """Return the names of the images of a COCO data set, without folders."""
    return tuple(_file_name(image) for image in _images(content))


def coco_paths(content: Any) -> tuple[str, ...]:
    """Return the names of the images of a COCO data set, with their folders."""
    return tuple(_path_name(image) for image in _images(content))


def _path_name(image: dict[str, Any]) -> str:
    return str(image.get("file_name", "")).replace("\\", "/")


def _file_name(image: dict[str, Any]) -> str:
    return _path_name(image).rsplit("/", 1)[-1]


def add_coco(prompts: PromptSet, name: str, content: Any, image: str) -> None:
    """Add the annotations of one image of a COCO data set.

    - `name`: of the file, for messages
    - `content`: as :mod:`json` reads it
    - `image`: name of the image's file, or its path in the data set: it decides where several
      images are listed
    - raises ValueError if the image is not listed, or an annotation is damaged
    """
    annotations = content["annotations"] if isinstance(content, dict) else content
    found = [item for item in annotations if isinstance(item, dict)]
    ids = {_key(item.get("image_id")) for item in found}
    listed = _images(content)
    named = [
        entry
        for entry in listed
        if image.lower() in (_file_name(entry).lower(), _path_name(entry).lower())
    ]
    if named:
        wanted = _key(named[0].get("id"))
    elif len(listed) > 1 or len(ids) > 1:
        raise ValueError(f"{name} lists {max(len(listed), len(ids))} images, but not {image}.")
    else:
        wanted = next(iter(ids), "")
        if listed and image:
            prompts.notes.append(
                f"{name} is of {_file_name(listed[0])}, and not of {image}: taken as if it were."
            )
    own = [item for item in found if _key(item.get("image_id")) == wanted]
    for count, (number, item) in enumerate(
        zip(_numbered([item.get("label") for item in own]), own, strict=True), 1
    ):
        _add_annotation(prompts, _Place(name, "annotation", count), name, number, item)


def _key(value: Any) -> str:
    return str(value)


def _add_annotation(
    prompts: PromptSet, place: _Place, name: str, number: int, item: dict[str, Any]
) -> None:
    polygons = item.get("segmentation")
    if isinstance(polygons, list) and polygons:
        for polygon in polygons:
            numbers = place.numbers(polygon, "a polygon")
            if len(numbers) < 6 or len(numbers) % 2:
                told = counted(len(numbers), "number")
                raise place.error(f"a polygon has {told}, not pairs of x and y")
            vertices = np.reshape(numbers, (-1, 2)) + EDGE
            prompts.add_shape((), number, "polygon", vertices, name)
    elif "bbox" in item:
        box = np.array([place.numbers(item["bbox"], "bbox", 4)])
        prompts.add_box((), number, corners_of(box, "xywh", prompts.size)[0], name)
    else:
        raise place.error("it has neither a polygon nor a bbox")


# --- YOLO ---


def add_yolo(prompts: PromptSet, name: str, text: str) -> None:
    """Add the boxes and outlines of a YOLO text file: class, then shares of the image.

    Raises ValueError if a line is something else.
    """
    scale = np.array(prompts.size[::-1], np.float64)
    number = 0
    for line, words in enumerate((line.split() for line in text.splitlines()), 1):
        if not words or words[0].startswith("#"):
            continue
        number += 1
        place = _Place(name, "line", line)
        try:
            values = place.numbers([float(word) for word in words[1:]], "what follows the class")
        except ValueError as error:
            raise place.error("a class and numbers are expected, separated by spaces") from error
        if max(map(abs, values), default=0) > 1.5:
            raise place.error("shares of the image are expected, between 0 and 1")
        if len(values) in (4, 5):  # a detector adds how sure it is
            box = corners_of(np.array([values[:4]]), "yolo", prompts.size)[0]
            prompts.add_box((), number, box, name)
        elif len(values) >= 6 and len(values) % 2 == 0:
            vertices = np.reshape(values, (-1, 2)) * scale + EDGE
            prompts.add_shape((), number, "polygon", vertices, name)
        else:
            told = counted(len(values), "number")
            raise place.error(
                f"behind the class there must be 4 or 5 numbers, or pairs, not {told}"
            )


# --- GeoJSON, as QuPath writes it ---


def is_geojson(content: Any) -> bool:
    """Tell whether JSON is GeoJSON: a collection, a feature, or a list of features."""
    if isinstance(content, list):
        return all(isinstance(item, dict) and item.get("type") == "Feature" for item in content)
    kinds = ("FeatureCollection", "Feature", *_GEOMETRIES)
    return isinstance(content, dict) and content.get("type") in kinds


def add_geojson(prompts: PromptSet, name: str, content: Any) -> None:
    """Add the features of a GeoJSON file: polygons, rectangles, points and lines.

    Raises ValueError if a feature is damaged.
    """
    if isinstance(content, dict):
        if content["type"] == "FeatureCollection":
            content = content.get("features")
            if not isinstance(content, list):
                raise ValueError(f"{name} has no list of features.")
        elif content["type"] != "Feature":
            content = [{"geometry": content}]
        else:
            content = [content]
    features = [item if isinstance(item, dict) else {} for item in content]
    for count, (number, item) in enumerate(
        zip(_numbered([_said_object(item) for item in features]), features, strict=True), 1
    ):
        _add_feature(prompts, _Place(name, "feature", count), name, number, item)


def _said_object(feature: dict[str, Any]) -> Any:
    properties = feature.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    return properties.get("object", properties.get("label"))


def _add_feature(
    prompts: PromptSet, place: _Place, name: str, number: int, feature: dict[str, Any]
) -> None:
    geometry = feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in _GEOMETRIES:
        prompts.drop(name, "unknown")
        return
    plane = _plane_of(place, geometry)
    at = geometry.get("coordinates")
    if kind in ("Point", "MultiPoint"):
        for pixel in _vertices(place, [at] if kind == "Point" else at, 1):
            prompts.add_point(plane, number, pixel, name)
    elif kind == "LineString":
        prompts.add_shape(plane, number, "path", _vertices(place, at, 2), name)
    else:
        for polygon in [at] if kind == "Polygon" else _list(place, at):
            ring, *holes = (_vertices(place, part, 3) for part in _list(place, polygon))
            if _is_rectangle(ring) and not holes:
                prompts.add_box(plane, number, (*ring.min(axis=0), *ring.max(axis=0)), name)
            else:
                inner = [hole + EDGE for hole in holes]
                prompts.add_shape(plane, number, "polygon", ring + EDGE, name, inner)


def _plane_of(place: _Place, geometry: dict[str, Any]) -> PlaneIndex:
    """Return the plane that QuPath says; its times and depths count from 0."""
    said = geometry.get("plane")
    if not isinstance(said, dict):
        return ()
    t, z = (place.numbers([said.get(axis, 0)], "plane", 1)[0] for axis in "tz")
    if min(t, z) < 0 or t != int(t) or z != int(z):
        raise place.error("plane must be whole numbers from 0")
    return (int(t), int(z)) if t else (int(z),)


def _list(place: _Place, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise place.error("its coordinates are empty or no list")
    return value


def _vertices(place: _Place, value: Any, least: int) -> np.ndarray[Any, Any]:
    pairs = [place.numbers(pair, "a vertex", 2, 3)[:2] for pair in _list(place, value)]
    if len(pairs) < least:
        raise place.error(f"it has {counted(len(pairs), 'vertex', 'vertices')}")
    return np.array(pairs, np.float64)


def _is_rectangle(ring: np.ndarray[Any, Any]) -> bool:
    """Tell whether a ring is a rectangle along the axes, closed or not."""
    corners = np.unique(ring, axis=0)
    if len(corners) != 4 or len(ring) > 5:
        return False
    return all(len(np.unique(corners[:, axis])) == 2 for axis in (0, 1))
