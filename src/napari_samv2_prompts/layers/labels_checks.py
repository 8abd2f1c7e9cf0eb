"""Which Labels layers can take results, what can be done about those that can't, free numbers.

Here, too: the data of a new layer.  Not here: writing (``labels_target``), what a label's pixels
are (``labels_reading``).
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import AffineMap
from napari_samv2_prompts.layers.planes import layer_shape, world_map
from napari_samv2_prompts.prompts import MAX_OBJECT

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

# The highest label is searched in blocks of about this many values.
BLOCK = 16_000_000
# More new objects than anything makes at a time.
RUN = 2**20


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

    Raises TargetError if they are multiscale, no numpy array (dask, zarr), read-only, not whole
    numbers, or whole numbers of another machine's byte order.
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
    if not data.dtype.isnative:  # of 16 bits the viewer turns the bytes round when it writes
        own = data.dtype.newbyteorder("=")
        raise TargetError(
            f"The labels {name!r} are {own} in the byte order of other machines, in which the"
            f" viewer writes wrong numbers; convert them to this machine's {own}.",
            own,
        )
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
    - raises TargetError if it has another shape or another place than the image
    """
    name, shape, image_shape = labels.name, layer_shape(labels), layer_shape(image_layer)
    if shape != image_shape:
        raise TargetError(
            f"The labels {name!r} don't fit the image: pick others or make new ones."
            f" Their shape is {shape}, that of the image {image_shape}."
        )
    image_to_world = image_to_world or world_map(image_layer, dims)
    if not world_map(labels, dims).almost_equals(image_to_world, shape):
        raise TargetError(
            f"The labels {name!r} lie elsewhere than the image: pick others or make new ones,"
            " or give these the scale, position and units of the image."
        )


def check_numbers(labels: Labels, numbers: Iterable[int]) -> None:
    """Refuse label values that the layer's dtype can't hold.

    Raises TargetError with the ``dtype`` that can.
    """
    dtype, highest = labels.data.dtype, max(numbers, default=0)
    if highest > np.iinfo(dtype).max:
        needed = np.uint16 if highest <= np.iinfo(np.uint16).max else np.uint32
        wider = np.promote_types(dtype, needed)  # signed where it was: others mark with -1
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


class LabelNumbers:
    """The labels of a layer that are taken.

    - `highest`: the highest label in the layer, if that is known
    """

    def __init__(self, highest: int | None = None) -> None:
        self._highest = highest
        self._painted = 0  # the highest label painted while `_highest` is not known

    @property
    def needs_scan(self) -> bool:
        """Whether the highest label is unknown, so that :meth:`next_free` has to read all."""
        return self._highest is None

    def scan_job(self, labels: Labels) -> Callable[[], int]:
        """Return a function for the worker that finds the highest label (:meth:`set_highest`)."""
        return partial(highest_label, labels.data)

    def set_highest(self, label: int) -> None:
        """Take the result of :meth:`scan_job`; what was painted meanwhile counts too."""
        self._highest = max(label, self._painted)

    def note(self, painted: int) -> bool:
        """Take note of a label that was painted; tell whether it is above all others."""
        above = painted > (self._painted if self._highest is None else self._highest)
        self._painted = max(self._painted, painted)
        if self._highest is not None:
            self._highest = max(self._highest, painted)
        return above

    def next_free(self, labels: Labels, live: frozenset[int], at_least: int = 0) -> int:
        """Return a label above all in the layer, all live objects and ``at_least``.

        Those that follow it are free, too: where fewer than :data:`RUN` are left above, it is the
        first of the longest run that is not used.  Reads the whole layer if :attr:`needs_scan`, or
        to find that run.
        """
        if self._highest is None:
            self.set_highest(highest_label(labels.data))
        number = max(self._highest or 0, at_least, *live, 0) + 1
        if number + RUN <= MAX_OBJECT:
            return number
        return _longest_run({at_least, *live, *np.unique(labels.data).tolist()})


def _longest_run(used: Iterable[int]) -> int:
    """Return the first number of the longest run of numbers that are not used."""
    ends = [0, *sorted(n for n in used if 0 < n <= MAX_OBJECT), MAX_OBJECT + 1]
    return ends[int(np.argmax(np.diff(ends)))] + 1


# Below this, numpy asks for no huge pages either.
LARGE = 1 << 22


def blank_labels(shape: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return writable zeros of dtype uint16.

    For large arrays numpy asks Linux for pages of 2 MB.  Each is cleared when a pixel of it is
    written, so that an object of 200 rows in 12000 x 12000 takes 6 MB, and where the system has no
    memory at hand many times the time of all the rest.  Here pages have their usual size.

    Raises MemoryError if there is not enough.
    """
    count = math.prod(shape)
    if sys.platform == "linux" and 2 * count >= LARGE:
        try:
            pages = mmap.mmap(-1, 2 * count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, OverflowError) as error:
            raise MemoryError(f"No memory for labels of {2 * count / 1e9:.1f} GB.") from error
        return np.frombuffer(pages, np.uint16).reshape(shape)
    return np.zeros(shape, np.uint16)
