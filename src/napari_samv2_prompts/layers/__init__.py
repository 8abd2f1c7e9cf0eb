"""napari layers become values, and values become edits of a Labels layer.

Layers and ``Dims`` are used through their public interface and never imported at run time, so that
everything here works on a plain ``ViewerModel`` without a window.

``planes``          the shown plane, coordinates between layers, what to embed
``prompt_layers``   making Points, Shapes and Labels layers, their feature columns and colours
``prompt_reading``  Points and Shapes of a plane -> prompts
``labels_reading``  where a label is, what is under the mouse, which labels are kept
``labels_checks``   which Labels layers can take results, and what to do about others
``labels_target``   masks -> one undoable edit of a Labels layer
"""

from napari_samv2_prompts.layers.labels_checks import (
    TargetError,
    converted_labels,
    highest_label,
)
from napari_samv2_prompts.layers.labels_reading import (
    kept_labels,
    label_at,
    label_mask,
    starting_from,
)
from napari_samv2_prompts.layers.labels_target import LabelsTarget
from napari_samv2_prompts.layers.planes import (
    composed_view,
    current_plane,
    image_view,
    layer_shape,
    mapped_view,
    to_image_data,
    world_map,
)
from napari_samv2_prompts.layers.prompt_layers import (
    adopt_prompt_layer,
    colour_prompts,
    highest_object,
    make_layers,
    negatives,
    object_numbers,
    remove_objects,
    set_new_prompt,
)
from napari_samv2_prompts.layers.prompt_reading import (
    PromptReader,
    prompted_objects,
    prompts_on_plane,
    read_prompts,
)

__all__ = [
    "LabelsTarget",
    "PromptReader",
    "TargetError",
    "adopt_prompt_layer",
    "colour_prompts",
    "composed_view",
    "converted_labels",
    "current_plane",
    "highest_label",
    "highest_object",
    "image_view",
    "kept_labels",
    "label_at",
    "label_mask",
    "layer_shape",
    "make_layers",
    "mapped_view",
    "negatives",
    "object_numbers",
    "prompted_objects",
    "prompts_on_plane",
    "read_prompts",
    "remove_objects",
    "set_new_prompt",
    "starting_from",
    "to_image_data",
    "world_map",
]
