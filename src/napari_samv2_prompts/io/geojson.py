"""Labels as GeoJSON, as QuPath reads it: an annotation per label, with its class.

Not here: reading such files (``annotations.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.io.label_arrays import as_labels
from napari_samv2_prompts.words import counted

Ring = list[list[float]]


def write_geojson(
    path: str | Path, labels: NDArray[Any], classes: Mapping[int, str] | None = None
) -> None:
    """Write the labels of an image as GeoJSON.

    Parameters
    ----------
    path : path
    labels : array of shape (H, W)
        Whole numbers.
    classes : mapping of int to str, optional
        The class of each label that has one.

    Raises
    ------
    ValueError
        If the labels are not those of one plane, or no whole numbers from 0.

    Notes
    -----
    Outlines are ``[x, y]`` in pixels of the image, a pixel's corner at whole numbers, as in QuPath:
    0, 0 is the edge of the image, half a pixel before the centre of its first pixel.  Holes and
    parts that are apart are kept.
    """
    plane = as_labels(labels)
    if plane.ndim != 2:
        axes = counted(plane.ndim, "axis", "axes")
        raise ValueError(f"GeoJSON holds one plane; these labels have {axes}.")
    features = [_feature(*found, classes or {}) for found in _outlined(plane)]
    with written_whole(path) as part:
        part.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")


def _feature(number: int, parts: list[list[Ring]], classes: Mapping[int, str]) -> dict[str, Any]:
    single = len(parts) == 1
    geometry = {
        "type": "Polygon" if single else "MultiPolygon",
        "coordinates": parts[0] if single else parts,
    }
    properties: dict[str, Any] = {"objectType": "annotation", "name": str(number), "label": number}
    if name := classes.get(number):
        properties["classification"] = {"name": name}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _outlined(labels: NDArray[Any]) -> Iterator[tuple[int, list[list[Ring]]]]:
    """Yield each label with its parts: the outer ring of each, and those of its holes."""
    from scipy.ndimage import label
    from skimage.measure import regionprops

    for region in regionprops(np.asarray(labels, np.int64)):
        top, left = region.bbox[:2]
        components, count = label(region.image)
        parts = [_rings(components == number, top, left) for number in range(1, count + 1)]
        yield int(region.label), parts


def _rings(mask: NDArray[np.bool_], top: int, left: int) -> list[Ring]:
    from skimage.measure import approximate_polygon, find_contours

    rings = []
    for contour in find_contours(np.pad(mask, 1).astype(np.float64), 0.5, fully_connected="low"):
        corners = approximate_polygon(contour, 0.1) - 0.5 + (top, left)
        rings.append([[float(column), float(row)] for row, column in corners])
    return sorted(rings, key=_extent, reverse=True)  # the outer one is the largest


def _extent(ring: Ring) -> float:
    low, high = np.min(ring, axis=0), np.max(ring, axis=0)
    return float(np.prod(high - low))
