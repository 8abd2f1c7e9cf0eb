"""Between prompt layers and a record: points and shapes as values, and back into new layers.

Not here: the steps (``records``), their file (``record_files``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.io.records import Point, Record, Shape
from napari_samv2_prompts.layers import (
    Chosen,
    layer_shape,
    negatives,
    object_numbers,
    to_image_data,
)

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes

__all__ = ["fill_layers", "recorded_points", "recorded_shapes"]


def recorded_points(layer: Points | None, image: Image, dims: Dims) -> Iterator[Point]:
    """Yield the points of a layer in pixels of an image; none if their axes are others."""
    if layer is None or layer.ndim != len(layer_shape(image)):
        return
    at = to_image_data(layer, np.asarray(layer.data), image, dims)
    for number, negative, place in zip(object_numbers(layer), negatives(layer), at, strict=True):
        yield Point(int(number), tuple(map(float, place)), not negative)


def recorded_shapes(layer: Shapes | None, image: Image, dims: Dims) -> Iterator[Shape]:
    """Yield the shapes of a layer in pixels of an image; none if their axes are others."""
    if layer is None or layer.ndim != len(layer_shape(image)):
        return
    items = zip(object_numbers(layer), layer.shape_type, layer.data, strict=True)
    for number, kind, vertices in items:
        at = to_image_data(layer, np.asarray(vertices), image, dims)
        yield Shape(int(number), str(kind), tuple(tuple(map(float, v)) for v in at))


def fill_layers(chosen: Chosen, record: Record) -> None:
    """Put the prompts of a record into new layers."""
    points, shapes = chosen.points, chosen.shapes
    if points is not None and record.points:
        points.data = np.array([point.at for point in record.points])
        points.features = {
            "object": [point.object for point in record.points],
            "polarity": ["positive" if p.positive else "negative" for p in record.points],
        }
    if shapes is not None and record.shapes:
        vertices = [np.array(shape.vertices) for shape in record.shapes]
        shapes.add(vertices, shape_type=[shape.kind for shape in record.shapes])
        shapes.features = {"object": [shape.object for shape in record.shapes]}
