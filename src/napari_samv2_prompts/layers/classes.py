"""The class of each object: a name in the column ``class`` of labels and prompts.

The Labels layer's features have a row per object with a class (column ``index``), which the viewer
shows beside the label under the mouse.  The prompts of the object say the same.

Not here: the object column (``prompt_layers``), files (``io``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.layers.rows import object_numbers

if TYPE_CHECKING:
    from napari.layers import Labels, Points, Shapes

CLASS = "class"


def object_classes(
    points: Points | None, shapes: Shapes | None, labels: Labels | None
) -> dict[int, str]:
    """Return the class of each object that has one; the Labels layer's word counts most."""
    found: dict[int, str] = {}
    for layer in (points, shapes):
        if layer is not None and CLASS in layer.features:
            names = map(_name, layer.features[CLASS])
            pairs = zip(object_numbers(layer).tolist(), names, strict=True)
            found |= {number: name for number, name in pairs if number > 0 and name}
    if labels is not None and CLASS in labels.features and "index" in labels.features:
        numbers = labels.features["index"].tolist()
        names = map(_name, labels.features[CLASS])
        known = dict(zip(numbers, names, strict=True))
        found |= {int(n): name for n, name in known.items() if n > 0 and name}
        found = {n: name for n, name in found.items() if known.get(n, name)}
    return found


def set_class(
    points: Points | None, shapes: Shapes | None, labels: Labels | None, number: int, name: str
) -> None:
    """Give an object a class, or none with an empty name."""
    for layer in (points, shapes):
        if layer is None:
            continue
        theirs = object_numbers(layer) == number
        column = np.array([_name(v) for v in layer.features.get(CLASS, [""] * len(theirs))], object)
        if theirs.any() and (column[theirs] != name).any():
            column[theirs] = name
            defaults = layer.feature_defaults
            layer.features = layer.features.assign(**{CLASS: column})  # resets all defaults
            layer.feature_defaults = defaults.assign(**{CLASS: ""})  # a new object has none yet
    if labels is not None:
        known = object_classes(None, None, labels) | {number: name}
        # An empty name stays: it overrules what prompts of a file say.
        rows = sorted(known)
        labels.features = {"index": rows, CLASS: [known[row] for row in rows]}


def _name(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
