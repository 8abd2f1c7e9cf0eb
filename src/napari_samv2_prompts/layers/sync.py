"""Writing to the user's prompt layers: what :class:`.PromptTables` say that they lack.

Each function compares first and sets only what is not so yet, so that nothing happens twice and
the window is not drawn for nothing.  Nothing else in the package sets columns.

Not here: labels (``labels_target``), what should be there (``state``), colours and what is drawn
next (``prompt_layers``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.layers.prompt_layers import colour_prompts
from napari_samv2_prompts.layers.rows import is_points, negatives, object_numbers
from napari_samv2_prompts.layers.state import Chosen, PromptTables

if TYPE_CHECKING:
    from napari.layers import Labels, Points, Shapes
    from numpy.typing import NDArray


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
    features, defaults = layer.features, layer.feature_defaults
    before = object_numbers(layer)
    objects = np.concatenate([objects, before[len(objects) :]])  # one is being drawn
    columns: dict[str, Any] = {}
    if (
        "object" not in features
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
