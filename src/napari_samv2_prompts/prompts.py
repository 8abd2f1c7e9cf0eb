"""The values that go into the mask decoder and come out of it.

Here: :class:`Prompt` and :class:`PromptBatch` (what the user asks for, validated once), and
:class:`ItemMasks` and :class:`Masks` (what the model answers).  They are frozen and hold numpy
arrays only.  All coordinates are pixels of the image that was embedded, ``(x, y)`` with pixel
centres at whole numbers, as in the published predictor.

Not here: a mask by itself (``mask_crops``), torch (``samv2``), napari layers (``layers``), writing
labels (``masks``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_samv2_prompts.mask_crops import MaskCrop

# What labels of 32 bit and the number in the form can hold.
MAX_OBJECT = 2**31 - 1


def _frozen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return a read-only copy, so that a value can't change after it was validated."""
    array = array.copy()
    array.flags.writeable = False
    return array


def _as_points(points: ArrayLike | None) -> NDArray[np.float64]:
    array = np.empty((0, 2)) if points is None else np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 2:
        if array.size == 0:
            return np.empty((0, 2))
        raise ValueError(
            f"Points must have shape (N, 2), one x and y per point, not {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError("A point has a coordinate that is NaN or infinite.")
    return array


def _as_labels(labels: ArrayLike | None, n_points: int) -> NDArray[np.int8]:
    array = np.ones(n_points) if labels is None else np.asarray(labels).reshape(-1)
    if len(array) != n_points:
        raise ValueError(
            f"There are {n_points} points but {len(array)} point labels; give one label per point."
        )
    if not ((array == 0) | (array == 1)).all():
        raise ValueError("Point labels must be 1 (on the object) or 0 (not on the object).")
    return array.astype(np.int8)


def _as_box(box: ArrayLike | None) -> tuple[float, float, float, float] | None:
    if box is None:
        return None
    array = np.asarray(box, dtype=np.float64).reshape(-1)
    if array.shape != (4,):
        raise ValueError(f"A box has four numbers x0, y0, x1, y1, not {array.size}.")
    if not np.isfinite(array).all():
        raise ValueError("A box has a corner that is NaN or infinite.")
    (x0, x1), (y0, y1) = np.sort(array[[0, 2]]), np.sort(array[[1, 3]])
    if x0 == x1 or y0 == y1:
        raise ValueError("A box is empty: its corners have the same x or the same y.")
    return float(x0), float(y0), float(x1), float(y1)


def _as_mask(mask: ArrayLike | None) -> NDArray[np.float32] | None:
    if mask is None:
        return None
    array = np.asarray(mask, dtype=np.float32)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(
            f"A mask prompt is one 2D array of low-res logits, not an array of shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise ValueError("A mask prompt holds NaN or infinite values.")
    return array


def object_number(given: Any) -> int:
    """Return the number of an object as a script names it.

    Raises ValueError if it is no whole number from 1.
    """
    try:
        number = int(given)
        fits = number >= 1 and number == float(given)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise ValueError(
            f"Objects are whole numbers from 1, not {given!r}: each is the value of its label."
        )
    return number


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Everything the user said about one object on one image.

    Parameters
    ----------
    object : int
        The object's number: item of the batch, ``object`` feature and label value alike.
    points : array-like of shape (N, 2), optional
        Clicks as ``(x, y)`` in pixels.  Points outside the image are allowed.
    labels : array-like of shape (N,), optional
        1 for a click on the object, 0 for one beside it.  All 1 when left out.
    box : array-like of shape (4,), optional
        ``x0, y0, x1, y1`` in pixels; swapped corners are put in order.
    mask : array-like of shape (S/4, S/4), optional
        Low-res logits of an earlier answer, to be refined.  Positive means object.
    mask_box : array-like of shape (4,), optional
        Which part of the image the mask covers, ``x0, y0, x1, y1`` in pixels.  None: all of it,
        which is what a predictor takes; a session brings others to what it embedded.

    Raises
    ------
    ValueError
        If a coordinate is not finite, counts differ, a label is not 0 or 1, the box is empty or the
        object's number is more than labels can hold.
    """

    object: int
    points: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    labels: NDArray[np.int8] = None  # type: ignore[assignment]  # filled in __post_init__
    box: tuple[float, float, float, float] | None = None
    mask: NDArray[np.float32] | None = None
    mask_box: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        """Validate and normalise every field once."""
        points = _as_points(self.points)
        labels = _as_labels(self.labels, len(points))
        mask = _as_mask(self.mask)
        if self.object > MAX_OBJECT:
            raise ValueError(
                f"Object {self.object}: labels hold whole numbers from 1 to {MAX_OBJECT}."
            )
        set_field = object.__setattr__
        set_field(self, "object", int(self.object))
        set_field(self, "points", _frozen(points))
        set_field(self, "labels", _frozen(labels))
        set_field(self, "box", _as_box(self.box))
        set_field(self, "mask", None if mask is None else _frozen(mask))
        set_field(self, "mask_box", None if mask is None else _as_box(self.mask_box))

    @classmethod
    def of(
        cls,
        number: int,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Prompt:
        """Make a prompt from lists or arrays of any number type; see the class."""
        return cls(number, points, labels, box, mask)  # type: ignore[arg-type]

    @property
    def is_ambiguous(self) -> bool:
        """Whether this is a single click without box or mask, which can mean several objects."""
        return len(self.points) <= 1 and self.box is None and self.mask is None

    @property
    def n_tokens(self) -> int:
        """How many points the prompt encoder sees: clicks, and two corners for a box."""
        return len(self.points) + (2 if self.box is not None else 0)


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Prompts of several objects on the same image, each with any number of clicks.

    Parameters
    ----------
    items : sequence of Prompt
        One item per object.

    Raises
    ------
    ValueError
        If two items have the same object number.
    """

    items: tuple[Prompt, ...]

    def __post_init__(self) -> None:
        """Freeze the items and refuse a repeated object."""
        items = tuple(self.items)
        object.__setattr__(self, "items", items)
        numbers = [item.object for item in items]
        if len(set(numbers)) != len(numbers):
            raise ValueError("Each object may appear only once in a batch of prompts.")

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.items)

    def __iter__(self) -> Iterator[Prompt]:
        """Iterate over the prompts."""
        return iter(self.items)

    def __getitem__(self, index: int) -> Prompt:
        """Return one prompt by its position."""
        return self.items[index]

    @property
    def objects(self) -> tuple[int, ...]:
        """The object numbers, in order."""
        return tuple(item.object for item in self.items)


@dataclass(frozen=True, slots=True, eq=False)
class ItemMasks:
    """The candidate masks of one object: three for an ambiguous prompt, else one.

    Attributes
    ----------
    object : int
        The object's number, as in its prompt.
    crops : sequence of MaskCrop
        One per candidate, at image resolution; may be made when looked at (:class:`Crops`).
    scores : array of shape (C,), float32
        Predicted IoU of each candidate.
    low_res_logits : array of shape (C, S/4, S/4), float32
        Logits clamped to [-32, 32]; feed one back as ``Prompt.mask`` to refine.
    object_score : float
        Logit that the object is there at all.
    """

    object: int
    crops: Sequence[MaskCrop]
    scores: NDArray[np.float32]
    low_res_logits: NDArray[np.float32]
    object_score: float

    @property
    def best(self) -> int:
        """Index of the candidate with the highest score."""
        return int(np.argmax(self.scores))


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """The decoder's answer to a :class:`PromptBatch`, in the batch's order.

    Attributes
    ----------
    items : tuple of ItemMasks
    image_size : tuple of int
        ``(height, width)`` of the embedded image.
    """

    items: tuple[ItemMasks, ...]
    image_size: tuple[int, int]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.items)

    def __iter__(self) -> Iterator[ItemMasks]:
        """Iterate over the objects' masks."""
        return iter(self.items)

    def __getitem__(self, index: int) -> ItemMasks:
        """Return one object's masks by its position."""
        return self.items[index]

    @property
    def objects(self) -> tuple[int, ...]:
        """The object numbers, in order."""
        return tuple(item.object for item in self.items)
