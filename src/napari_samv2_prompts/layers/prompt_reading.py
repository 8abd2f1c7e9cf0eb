"""Points and Shapes on a plane become prompts of the model, one per object.

Here: merging points and shapes of the same object, the meaning of each type of shape, and what is
left out with a note.  Reading alters no layer.

Not here: feature columns (``prompt_layers``), transforms (``planes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.prompts import Prompt

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Points, Shapes

__all__ = ["prompted_objects", "read_prompts"]


def read_prompts(
    points: Points | None,
    shapes: Shapes | None,
    image_layer: Image,
    plane: Plane,
    dims: Dims,
    *,
    logits_size: int = 256,
) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """Return the prompts on the shown plane, one per object in ascending order, and notes.

    Points and shapes of one object become one prompt.  Rectangles and ellipses give their bounding
    box, polygons their box and their filled outline as mask prompt, paths and lines positive points
    along them; several boxes of one object their union.  Coordinates are plane pixels ``(x, y)``.

    Parameters
    ----------
    points, shapes : layers, optional
        With feature columns (see ``adopt_prompt_layer``).
    image_layer : Image
    plane : Plane
        From ``current_plane(dims, image_layer)``.
    dims : Dims
        ``viewer.dims``.
    logits_size : int, optional
        Side of the model's low-res logits: a quarter of its input size.

    Returns
    -------
    prompts : tuple of Prompt
        The arrays are copies.
    notes : tuple of str
        One sentence for each kind of thing that was left out.
    """
    raise NotImplementedError


def prompted_objects(points: Points | None, shapes: Shapes | None) -> frozenset[int]:
    """Return the objects that have a prompt anywhere, on whatever plane."""
    raise NotImplementedError
