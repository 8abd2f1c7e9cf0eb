"""Which Labels layers can take results, and what can be done about those that can't.

Not here: writing (``labels_target``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap
from napari_samv2_prompts.layers.planes import layer_shape, world_map

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

# The highest label is searched in blocks of about this many values.
BLOCK = 16_000_000


class TargetError(ValueError):
    """A Labels layer can't take the result; the message says why and what to do.

    - `.dtype`: the dtype that would do, if converting the layer's data is all that is needed (see
      :func:`converted_labels`)
    """

    def __init__(self, message: str, dtype: np.dtype[Any] | None = None) -> None:
        super().__init__(message)
        self.dtype = dtype


def check_writable(labels: Labels) -> None:
    """Refuse a layer whose data can't be edited in place with undo.

    Raises TargetError: multiscale, not a numpy array (dask, zarr), read-only, or not of integer
    type.
    """
    name, data = labels.name, labels.data
    if labels.multiscale:
        raise TargetError(
            f"The labels {name!r} are multiscale, which the viewer can't edit;"
            " pick others or make new ones.",
            np.dtype(data[0].dtype),
        )
    if not isinstance(data, np.ndarray):
        kind = type(data).__module__.split(".")[0]
        raise TargetError(
            f"The labels {name!r} are a {kind} array, which can't be edited with undo;"
            " load them into memory or make new ones.",
            np.dtype(data.dtype),
        )
    if data.dtype.kind not in "iu":
        raise TargetError(f"The labels {name!r} are not whole numbers.", np.dtype(np.uint16))
    if not data.flags.writeable or not labels.editable:
        raise TargetError(
            f"The labels {name!r} are read-only; pick others or make new ones.", data.dtype
        )


def check_place(
    labels: Labels, image_layer: Image, dims: Dims, image_to_world: AffineMap | None = None
) -> None:
    """Refuse a layer whose pixels aren't those of the image.

    - `dims`: ``viewer.dims``, for its units
    - `image_to_world`: the image's place, if that is known already
    - raises TargetError: another shape or another place than the image's
    """
    name, shape, image_shape = labels.name, layer_shape(labels), layer_shape(image_layer)
    if shape != image_shape:
        raise TargetError(
            f"The labels {name!r} have the shape {shape} but the image has {image_shape};"
            " pick labels of the image's shape or make new ones."
        )
    image_to_world = image_to_world or world_map(image_layer, dims)
    if not world_map(labels, dims).almost_equals(image_to_world, shape):
        raise TargetError(
            f"The labels {name!r} lie elsewhere than the image (scale, position or units);"
            " give them the image's transform or make new ones."
        )


def check_numbers(labels: Labels, numbers: Iterable[int]) -> None:
    """Refuse label values that the layer's dtype can't hold.

    Raises TargetError with the ``dtype`` that can.
    """
    dtype, highest = labels.data.dtype, max(numbers, default=0)
    if highest > np.iinfo(dtype).max:
        wider = np.dtype(np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32)
        raise TargetError(
            f"The labels {labels.name!r} are {dtype} and can't hold label {highest};"
            f" convert them to {wider}.",
            wider,
        )


def highest_label(data: Any) -> int:
    """Return the highest value of a label array of any kind, read in blocks; 0 for an empty one."""
    if 0 in data.shape:
        return 0
    rows = max(1, int(BLOCK * data.shape[0] // np.prod(data.shape, dtype=float)))
    blocks = (np.asarray(data[start : start + rows]) for start in range(0, data.shape[0], rows))
    return max(0, *(int(block.max()) for block in blocks))


def converted_labels(labels: Labels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a copy of a layer's full-size labels in memory, as another integer dtype.

    - `dtype`: for instance ``TargetError.dtype``
    - returns an array of the layer's shape; set it as the ``data`` of the layer, or of a new one
    """
    return np.array(labels.data[0] if labels.multiscale else labels.data, dtype=dtype)
