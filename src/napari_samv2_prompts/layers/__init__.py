"""napari layers become values, and values become edits of layers.

Layers and ``Dims`` are used through their public interface and never imported at run time, so that
everything here works on a plain ``ViewerModel`` without a window.

Reading, which changes nothing:

``planes``          the shown plane, going to one, what is on screen, coordinates between layers
``views``           what is to be embedded
``rows``            Points and Shapes, row by row; which rows are new
``state``           all rows at once, as a frozen value
``prompt_reading``  the rows of a plane -> prompts
``belonging``       which layers go with which image
``labels_reading``  where a label is, what is under the mouse, which labels are kept
``labels_checks``   which Labels layers can take results, free numbers

Writing:

``prompt_layers``   making layers, what they lack, their colours, what is drawn next
``labels_target``   masks -> one undoable edit of a Labels layer

``private_api`` holds the few names of napari's that are not public.
"""

from napari_samv2_prompts.layers.labels_checks import (
    TargetError,
    check_numbers,
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
from napari_samv2_prompts.layers.left_out import Reading
from napari_samv2_prompts.layers.planes import (
    Shown,
    current_plane,
    data_at,
    layer_shape,
    plane_if_shown,
    show_plane,
    shown_plane,
    to_image_data,
    world_map,
)
from napari_samv2_prompts.layers.prompt_layers import (
    colour_prompts,
    make_layers,
    remove_objects,
    select_label,
    set_new_prompt,
    write_tables,
)
from napari_samv2_prompts.layers.prompt_reading import PromptReader, prompts_on_plane, read_prompts
from napari_samv2_prompts.layers.rows import negatives, object_numbers, prompted_objects
from napari_samv2_prompts.layers.state import Chosen, PromptTables, id_of, read_tables
from napari_samv2_prompts.layers.undo_steps import OpenStep
from napari_samv2_prompts.layers.views import (
    Rendering,
    composed_view,
    image_view,
    mapped_view,
    view_of,
)
