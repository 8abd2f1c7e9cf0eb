"""Making prompt layers and the Labels layer, their feature columns, colours and defaults.

An object is an integer: the value of the ``object`` column, and the label that it is painted with.
Points have a column ``polarity`` ("positive" | "negative") beside it.

Not here: turning prompts into model input (``prompt_reading``), writing labels (``labels_target``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels, Points, Shapes

__all__ = [
    "adopt_prompt_layer",
    "colour_prompts",
    "highest_object",
    "make_layers",
    "remove_objects",
    "set_new_prompt",
]

Polarity = Literal["positive", "negative"]


def make_layers(
    viewer: ViewerModel,
    image_layer: Image,
    *,
    points: Points | None = None,
    shapes: Shapes | None = None,
    labels: Labels | None = None,
    first_object: int = 1,
) -> tuple[Points, Shapes, Labels]:
    """Add the prompt layers and the Labels layer that are not there yet to the viewer.

    They are named ``<image> points``, ``<image> shapes`` and ``<image> labels`` and take over the
    image's transform, units and axis labels, so that their data coordinates are the image's.
    Labels are uint16, of the image's shape without the channel axis of RGB.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
    image_layer : napari.layers.Image
    points, shapes, labels : layers, optional
        Layers to use instead of new ones.
    first_object : int, optional
        The object that the next prompt belongs to.

    Returns
    -------
    tuple of Points, Shapes, Labels
    """
    raise NotImplementedError


def adopt_prompt_layer(layer: Points | Shapes, first_object: int) -> int:
    """Give a picked Points or Shapes layer the feature columns that prompts need.

    Idempotent.  Each item without an object becomes a new object of its own, each point without a
    polarity positive.  Other feature columns and their defaults stay.

    Parameters
    ----------
    layer : Points or Shapes
    first_object : int
        Number for the first item that needs one.

    Returns
    -------
    int
        The next number that is free: ``first_object`` plus the number of objects that were made.
    """
    raise NotImplementedError


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

    Existing prompts, selected ones too, stay as they are.

    Parameters
    ----------
    points, shapes : layers, optional
    object_ : int
        The object that clicks go to.
    polarity : {"positive", "negative"}
    labels : Labels, optional
        Where the object's colour comes from.
    shape_object : int, optional
        The object that a drawn shape starts, if it isn't ``object_``.
    """
    raise NotImplementedError


def colour_prompts(points: Points | None, shapes: Shapes | None, labels: Labels | None) -> None:
    """Give every prompt its colours: polarity by face and symbol, object by border or edge.

    Call it when features, data or the label colours changed.  Does nothing where the colours are
    right already.
    """
    raise NotImplementedError


def highest_object(*layers: Points | Shapes | None) -> int:
    """Return the highest object number in the prompt layers, on all planes; 0 if there is none."""
    raise NotImplementedError


def remove_objects(layers: Iterable[Points | Shapes | None], objects: Iterable[int]) -> None:
    """Delete the prompts of some objects, on all planes, from the prompt layers."""
    raise NotImplementedError
