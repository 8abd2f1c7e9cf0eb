"""From work in a window to a record of it, and back into layers.

Here: prompts of layers as values, steps of a session as values, what is kept of both.

Not here: what a record is (``records``), its file (``record_files``), when a step is noted
(``recorder``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.engine import ModelChoice, Results
from napari_samv2_prompts.io.record_files import unpacked_step
from napari_samv2_prompts.io.records import (
    Accept,
    Choose,
    Follow,
    Picture,
    Point,
    Predict,
    Record,
    Remove,
    Shape,
    Step,
)
from napari_samv2_prompts.layers import (
    Chosen,
    layer_shape,
    negatives,
    object_numbers,
    to_image_data,
)
from napari_samv2_prompts.masks import Policy

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes

    from napari_samv2_prompts.engine import Propagation
    from napari_samv2_prompts.geometry import Plane

# --- steps --------------------------------------------------------------------------------------


def decoded_steps(results: Results, policy: Policy) -> Iterator[Step]:
    """Yield the steps that a session's results come from."""
    plane, request = results.place.plane, results.request
    if results.is_choice:
        for item in results.items:
            yield Choose(plane, item.object, item.chosen)
    elif request is not None:
        view = request.view
        limits, gamma = view.contrast or (None, 1.0)
        yield Predict(
            plane,
            request.prompts,
            Picture(limits, gamma, view.region, view.side, channels=view.contrast is None),
            # Where the model ran, and where its file lay, is another machine's business.
            ModelChoice(request.model.name, request.model.checkpoint),
            policy,
        )


def record_of(
    noted: Iterable[str],
    prompted: frozenset[int],
    image: str,
    shape: tuple[int, ...],
    points: tuple[Point, ...],
    shapes: tuple[Shape, ...],
) -> Record:
    """Make a record; unpacking the masks of many steps takes its time.

    - `noted`: packed steps
    - `prompted`: the objects that have prompts now
    - `image`, `shape`: name and shape of the image
    - `points`, `shapes`: the prompts that are there now
    """
    steps = tuple(unpacked_step(step) for step in noted)
    lost = _open_objects(steps) - prompted
    if lost:  # prompts that were deleted from a plane that was not shown
        steps += (Remove(tuple(sorted(lost))),)
    return Record(image, shape, steps, points, shapes)


def _open_objects(steps: tuple[Step, ...]) -> frozenset[int]:
    """Return the objects that were predicted and neither accepted nor removed since."""
    there: set[int] = set()
    for step in steps:
        if isinstance(step, Predict):
            there |= set(step.prompts.objects)
        elif isinstance(step, Accept) or (isinstance(step, Remove) and step.plane is None):
            there -= set(step.objects)
    return frozenset(there)


def following_step(plane: Plane, axis: int, request: Propagation, policy: Policy) -> Follow:
    """Return the step in which objects begin to be followed; nothing of it is done yet."""
    limits, gamma = request.planes[0].contrast or (None, 1.0)
    channels = request.planes[0].contrast is None
    model = ModelChoice(request.model.name, request.model.checkpoint)
    picture = Picture(limits, gamma, channels=channels)
    return Follow(plane, axis, request.wanted, 0, True, picture, model, policy, request.method)


# --- prompts ------------------------------------------------------------------------------------


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
