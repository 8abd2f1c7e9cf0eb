"""Making prompt layers and the Labels layer, and writing to them: columns, colours, what is next.

What is written is compared first, and set only where it is not so yet: nothing happens twice, and
the window is not drawn for nothing.  Nothing else in the package sets columns.

Not here: reading the columns (``rows``), what should be there (``state``), writing labels
(``labels_target``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_samv2_prompts.layers.belonging import mark_as_made_for
from napari_samv2_prompts.layers.labels_checks import blank_labels
from napari_samv2_prompts.layers.planes import layer_shape
from napari_samv2_prompts.layers.private_api import is_drawing
from napari_samv2_prompts.layers.rows import is_points, negatives, object_numbers
from napari_samv2_prompts.layers.state import Chosen, PromptTables

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Layer, Points, Shapes
    from numpy.typing import NDArray

Polarity = Literal["positive", "negative"]

# Blue and vermilion of the Okabe-Ito palette: told apart with any kind of colour vision; the
# symbols say the same to those who see no colour at all.
FACE_COLOURS = {"positive": (0.0, 0.447, 0.698, 1.0), "negative": (0.835, 0.369, 0.0, 1.0)}
SYMBOLS = {"positive": "disc", "negative": "x"}
WITHOUT_LABEL = (0.6, 0.6, 0.6, 1.0)
# Sizes of new prompt layers, as fractions of the longer side of the image, or of LARGE: larger
# images are prompted zoomed in, where prompts must not hide the objects.
POINT_SIZE = 1 / 60
EDGE_WIDTH = 1 / 300
LARGE = 1000
# Diameters of points in pixels of the screen, however far one zooms.
ON_SCREEN = (6, 12)


def make_layers(
    viewer: ViewerModel,
    image_layer: Image,
    *,
    points: Points | None = None,
    shapes: Shapes | None = None,
    labels: Labels | None = None,
) -> tuple[Points, Shapes, Labels]:
    """Add the prompt layers and the Labels layer that are not there yet to the viewer.

    They are named ``<image> points``, ``<image> shapes`` and ``<image> labels`` and take over the
    image's transform, units and axis labels, so that their data coordinates are the image's.
    Labels are uint16, of the image's shape without the channel axis of RGB.

    - `points`, `shapes`, `labels`: layers to use instead of new ones
    - raises MemoryError if labels of the image's size don't fit into memory
    """
    shape, before = layer_shape(image_layer), (points, shapes, labels)
    side = min(max(shape), LARGE)
    name, common = image_layer.name, placement(image_layer)
    if labels is None:
        labels = viewer.add_labels(blank_labels(shape), name=f"{name} labels", **common)
    if shapes is None:
        shapes = viewer.add_shapes(
            ndim=len(shape),
            name=f"{name} shapes",
            features={"object": np.zeros(0, int)},
            feature_defaults={"object": 1},
            face_color="transparent",
            edge_width=max(1.0, EDGE_WIDTH * side),
            **common,
        )
    if points is None:
        points = viewer.add_points(
            ndim=len(shape),
            name=f"{name} points",
            features={"object": np.zeros(0, int), "polarity": np.zeros(0, str)},
            feature_defaults={"object": 1, "polarity": "positive"},
            size=max(1.0, POINT_SIZE * side),
            canvas_size_limits=ON_SCREEN,
            border_width=0.15,
            **common,
        )
    set_new_prompt(points, shapes, object_=1, labels=labels)
    made = [layer for layer in (points, shapes, labels) if layer not in before]
    mark_as_made_for(made, image_layer)
    return points, shapes, labels


def placement(layer: Layer) -> dict[str, Any]:
    """Return the arguments that put a new layer of the same axes in the same place."""
    return {
        "scale": np.array(layer.scale),
        "translate": np.array(layer.translate),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "units": layer.units,
        "axis_labels": layer.axis_labels,
    }


def set_new_prompt(
    points: Points | None,
    shapes: Shapes | None,
    *,
    object_: int,
    polarity: Polarity = "positive",
    labels: Labels | None = None,
    shape_object: int | None = None,
) -> None:
    """Make what is drawn next belong to an object, with a polarity and the object's colour.

    Existing prompts, selected ones too, stay as they are.  Selecting a prompt makes the viewer take
    *its* features as those of the next one: call this again when a layer's mode or selection
    changes.

    - `object_`: the object that clicks go to
    - `polarity`: {"positive", "negative"}
    - `labels`: where the object's colour comes from
    - `shape_object`: the object that a drawn shape starts, if it isn't ``object_``
    """
    if points is not None:
        _set_defaults(points, object=object_, polarity=polarity)
        _set_current(
            points,
            face_color=FACE_COLOURS[polarity],
            border_color=_label_colours(labels, np.array([object_]))[0],
            symbol=SYMBOLS[polarity],
        )
    if shapes is not None:
        number = object_ if shape_object is None else shape_object
        _set_defaults(shapes, object=number)
        _set_current(shapes, edge_color=_label_colours(labels, np.array([number]))[0])


def _set_current(layer: Points | Shapes, **values: Any) -> None:
    """Set what is drawn next, where it is other than now: each makes the window draw controls."""
    with layer.block_update_properties():
        for name, value in values.items():
            shown = value if isinstance(value, str) else _hex(value)
            if str(getattr(layer, f"current_{name}")) != shown:
                setattr(layer, f"current_{name}", value)


def _hex(colour: Iterable[float]) -> str:
    """Return an RGBA colour as a layer names it, where it has no name in words."""
    return "#" + "".join(f"{int(255 * part):02x}" for part in colour)


def _set_defaults(layer: Points | Shapes, **values: Any) -> None:
    defaults = layer.feature_defaults
    if any(name not in defaults or defaults[name].iloc[0] != v for name, v in values.items()):
        layer.feature_defaults = defaults.assign(**values)


def colour_prompts(points: Points | None, shapes: Shapes | None, labels: Labels | None) -> None:
    """Give every prompt its colours: polarity by face and symbol, object by border or edge.

    Call it when features, data or the label colours changed.  Does nothing where the colours are
    right already.

    - `points`, `shapes`: with feature columns
    - `labels`: where the objects' colours come from; grey without it
    """
    if points is not None and len(points.data):
        with points.block_update_properties():
            sign = np.where(negatives(points), "negative", "positive")
            faces = np.array([FACE_COLOURS[s] for s in sign])
            symbols = np.array([SYMBOLS[s] for s in sign])
            if not np.allclose(points.face_color, faces, atol=1e-3):
                points.face_color = faces
            if [str(symbol) for symbol in points.symbol] != symbols.tolist():
                points.symbol = symbols
            borders = _label_colours(labels, object_numbers(points))
            if not np.allclose(points.border_color, borders, atol=1e-3):
                points.border_color = borders
    if shapes is not None and len(shapes.data):
        with shapes.block_update_properties():
            count = len(shapes.data)  # a path given up leaves its row and colour behind
            edges = _label_colours(labels, object_numbers(shapes)[:count])
            if not np.allclose(shapes.edge_color[:count], edges, atol=1e-3):
                shapes.edge_color = edges


def _label_colours(labels: Labels | None, objects: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the opaque RGBA colour, shape (N, 4), in which a Labels layer shows each object."""
    if labels is None:
        return np.tile(WITHOUT_LABEL, (len(objects), 1))
    colours = np.array(labels.colormap.map(objects), dtype=np.float64).reshape(-1, 4)
    colours[colours[:, 3] == 0] = WITHOUT_LABEL
    colours[:, 3] = 1
    return colours


def remove_objects(
    layers: Iterable[Points | Shapes | None],
    objects: Iterable[int],
    among: Callable[[Points | Shapes], NDArray[np.bool_]] | None = None,
) -> None:
    """Delete the prompts of some objects, on all planes, from the prompt layers.

    - `among`: tells which prompts of a layer, shape (N,), may be deleted; all by default
    """
    wanted = list(objects)
    for layer in layers:
        if layer is not None:
            theirs = np.isin(object_numbers(layer), wanted)
            indices = np.flatnonzero(theirs if among is None else theirs & among(layer))
            if len(indices):
                layer.remove(indices.tolist())


def write_tables(chosen: Chosen, tables: PromptTables, *, numbers: bool = True) -> None:
    """Give the prompt layers their columns and colours.

    - `tables`: as just read from these layers
    - `numbers`: False leaves the columns as they are: it is not known yet which numbers are free
    """
    for layer, rows in ((chosen.points, tables.points), (chosen.shapes, tables.shapes)):
        if layer is not None and rows is not None and numbers:
            _write_columns(layer, rows.objects)
    colour_prompts(chosen.points, chosen.shapes, chosen.labels)


def select_label(labels: Labels, number: int) -> None:
    """Choose an object's label for the brush, so that it corrects what is clicked."""
    fits = number > 0 and labels.data.dtype.kind in "iu"
    if fits and number <= np.iinfo(labels.data.dtype).max and labels.selected_label != number:
        labels.selected_label = number


def _write_columns(layer: Points | Shapes, objects: NDArray[np.int64]) -> None:
    """Set the columns ``object`` and ``polarity`` where they are not as they should be.

    Other columns and their defaults stay; so does a column ``object`` that holds something else,
    under the name ``object_before``.
    """
    given_up = not is_drawing(layer) and len(layer.features) > len(layer.data)
    # napari leaves the row of a path without an end, and the next shape would be of its object.
    features = layer.features[: len(layer.data)] if given_up else layer.features
    defaults, before = layer.feature_defaults, object_numbers(layer)[: len(features)]
    objects = np.concatenate([objects, before[len(objects) :]])  # one is being drawn
    columns: dict[str, Any] = {}
    if (
        given_up
        or "object" not in features
        or (objects != before).any()
        or features["object"].dtype.kind not in "iu"
    ):
        columns["object"] = objects
        replaced = (objects != before) & (before == 0)
        if "object" in features and (replaced & np.asarray(features["object"].notna())).any():
            columns["object_before"] = features["object"]
    if is_points(layer):
        polarity = np.where(negatives(layer), "negative", "positive")
        if "polarity" not in features or (polarity != np.asarray(features["polarity"])).any():
            columns["polarity"] = polarity
    if columns:
        layer.features = features.assign(**columns)  # resets all defaults
        kept = {name: defaults[name] for name in defaults if name not in columns}
        new = {
            "object": int(objects.max(initial=0)) + 1,
            **({"polarity": "positive"} if is_points(layer) else {}),
        }
        layer.feature_defaults = layer.feature_defaults.assign(**{**new, **kept})
