"""Writing masks into a Labels layer: changed pixels only, one undo step per result.

Here: which Labels layers can be written, the edit itself, and following what the user undid or
painted by hand.  Not here: which pixel gets which label (``masks``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

__all__ = ["LabelsTarget", "TargetError", "converted_labels", "highest_label"]


class TargetError(ValueError):
    """A Labels layer can't take the result; the message says why and what to do.

    Attributes
    ----------
    dtype : numpy.dtype or None
        The dtype that would do, if converting the layer's data is all that is needed (see
        :func:`converted_labels`).
    """

    def __init__(self, message: str, dtype: np.dtype[Any] | None = None) -> None:
        super().__init__(message)
        self.dtype = dtype


class LabelsTarget:
    """The Labels layer that results are written to, and the live objects in it.

    An object is *live* from its first mask to :meth:`accept` or :meth:`write` with None.  Only the
    pixels of live objects are ever changed or removed, according to the rules in ``masks``.

    Holds bound methods on the layer's events: call :meth:`close` when done.

    Parameters
    ----------
    labels : napari.layers.Labels
    """

    def __init__(self, labels: Labels) -> None:
        raise NotImplementedError

    def check(self, image_layer: Image, dims: Dims) -> None:
        """Refuse a layer that can't take masks of this image.

        Raises
        ------
        TargetError
            Another shape or place than the image's, multiscale, data that is not a writable numpy
            array (dask, zarr), or not of integer type.
        """
        raise NotImplementedError

    def write(
        self, plane: Plane, masks: Mapping[int, MaskCrop | None], policy: Policy = "keep"
    ) -> int:
        """Paint, repaint or remove objects on a plane, as one undo step.

        Parameters
        ----------
        plane : Plane
            Of the image, which has the layer's shape.
        masks : mapping of int to MaskCrop or None
            The new mask of each object that changed, in plane pixels; None takes the object away
            and brings back what was under it.
        policy : {"keep", "replace", "background"}
            Which pixels may be painted: those without an existing label, all, or only those that
            no live object has either.

        Returns
        -------
        int
            Number of pixels that changed.

        Raises
        ------
        TargetError
            If the layer's dtype can't hold an object's number (``error.dtype`` says which can).
        """
        raise NotImplementedError

    def remove(self, objects: frozenset[int] | set[int]) -> int:
        """Take live objects away on every plane, as one undo step; return the changed pixels."""
        raise NotImplementedError

    def accept(self, objects: frozenset[int] | None = None) -> None:
        """Forget live objects (all by default): their labels are the user's from now on."""
        raise NotImplementedError

    def live(self, plane: Plane | None = None) -> frozenset[int]:
        """Return the objects that are live, on one plane or on any."""
        raise NotImplementedError

    @property
    def needs_scan(self) -> bool:
        """Whether the highest label is unknown, so that :meth:`next_free` has to read all."""
        raise NotImplementedError

    def scan_job(self) -> Callable[[], int]:
        """Return a function for the worker that finds the highest label (:meth:`set_highest`)."""
        raise NotImplementedError

    def set_highest(self, label: int) -> None:
        """Take the result of :meth:`scan_job`; what was painted meanwhile counts too."""
        raise NotImplementedError

    def next_free(self, at_least: int = 0) -> int:
        """Return a label above all in the layer, all live objects and ``at_least``.

        Reads the whole layer if a scan is needed; else takes no time.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Disconnect from the layer; idempotent."""
        raise NotImplementedError


def highest_label(data: NDArray[np.integer[Any]]) -> int:
    """Return the highest value of a label array, read in chunks; 0 for an empty one."""
    raise NotImplementedError


def converted_labels(labels: Labels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a layer's labels as another integer dtype, to be set as the data of a layer."""
    raise NotImplementedError
