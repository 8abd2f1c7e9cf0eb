"""Which layers go with which image.

Each image has its own prompts and labels.  Images that show the same thing share them, as channels:

- an image in additive blending, with the image that it is added to (the next lower one in the same
  place that is not additive) and with the others that are added to that;
- images in the same place that came from one file;
- images in the same place that one call with ``channel_axis`` made: their data are parts of one
  array, and their colours differ.

Any other image of the same size and place is another picture.

Not here: what is chosen (``_qt``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.layers.views import cover_the_same, is_image

if TYPE_CHECKING:
    from napari.layers import Image, Layer

MADE_FOR = "samv2 prompts: image"


def single_layers(layers: Iterable[Any]) -> Iterator[Layer]:
    """Yield all layers of a list, the lowest first, those within groups included."""
    for layer in layers:
        if hasattr(layer, "unique_id") and hasattr(layer, "data"):
            yield layer
        elif isinstance(layer, Iterable):
            yield from single_layers(layer)


def channels_with(layers: Sequence[Layer], image: Image) -> list[Image]:
    """Return the images that show the same thing as an image, without itself, the lowest first."""
    here: list[Any] = [
        layer for layer in layers if is_image(layer) and cover_the_same(image, layer)
    ]
    group: list[Image] = []
    for layer in here:
        if str(layer.blending) != "additive":
            if image in group:
                break
            group = []
        group.append(layer)
    added = group if image in group else []
    return [
        layer
        for layer in here
        if layer != image
        and (layer in added or _from_one_file(image, layer) or _from_one_array(image, layer))
    ]


def _from_one_file(one: Image, other: Image) -> bool:
    path = one.source.path
    return path is not None and path == other.source.path


def _from_one_array(one: Image, other: Image) -> bool:
    whole = _whole(one)
    same = whole is not None and whole is _whole(other)
    return same and str(one.colormap.name) != str(other.colormap.name)


def _whole(image: Image) -> object:
    """Return the array that an image's data is a part of; None for one of its own."""
    data: Any = image.data
    while isinstance(data, np.ndarray) and data.base is not None:
        data = data.base
    return None if data is image.data else data


def mark_as_made_for(layers: Iterable[Layer], other: Layer) -> None:
    """Note in layers of ours which image or labels they were made for: names and places change."""
    for layer in layers:
        layer.metadata[MADE_FOR] = str(other.unique_id)


def made_for(layer: Layer, other: Layer) -> bool:
    """Whether a layer was made for an image, or for labels."""
    return str(layer.metadata.get(MADE_FOR)) == str(other.unique_id)
