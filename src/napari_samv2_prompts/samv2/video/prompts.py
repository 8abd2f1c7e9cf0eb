"""The arguments of the video predictor as prompts, checked; one sentence for what does not fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .state import PointPrompts, VideoState

_BOX_LABELS = (2, 3)


def require_frame(state: VideoState, frame_idx: int) -> int:
    """Return a frame's number as an int, if the film has such a frame."""
    frame = int(frame_idx)
    if frame != frame_idx or not 0 <= frame < state.num_frames:
        raise ValueError(
            f"There is no frame {frame_idx}: the film has frames 0 to {state.num_frames - 1}."
        )
    return frame


def require_object(state: VideoState, obj_id: int) -> None:
    """Refuse an object that was never prompted."""
    if obj_id not in state.objects:
        known = ", ".join(map(str, state.objects)) or "none yet"
        raise ValueError(f"There is no object {obj_id}; prompted objects: {known}.")


def require_prompts(state: VideoState) -> None:
    """Refuse a film without objects, or with one that has no prompts."""
    if not state.objects:
        raise ValueError("There is nothing to follow: prompt an object on a frame first.")
    for number, item in state.objects.items():
        if not item.bank.conditioning:
            raise ValueError(
                f"Object {number} has no prompts any more: prompt it on a frame, or remove it."
            )


def points_from_arrays(
    points: ArrayLike | None,
    labels: ArrayLike | None,
    box: ArrayLike | None,
    size: tuple[int, int],
    *,
    normalize_coords: bool,
) -> PointPrompts:
    """Read clicks and a box.

    - `points`: array-like of shape (N, 2); ``(x, y)``
    - `labels`: array-like of shape (N,); 1 on the object, 0 beside it
    - `box`: array-like of shape (4,); ``x0, y0, x1, y1``
    - `size`: ``(height, width)`` of the film
    - `normalize_coords`: coordinates are pixels; if False, they are shares of width and height in
      [0, 1]
    - raises ValueError if there is nothing, or shapes, counts or labels are wrong
    """
    if points is None and labels is None and box is None:
        raise ValueError("Give points with labels, a box, or both: there is no prompt.")
    if (points is None) != (labels is None):
        raise ValueError("Give points and labels together: a label 1 or 0 for each point.")
    coords = _table("points", [] if points is None else points, 2)
    kinds = np.asarray([] if labels is None else labels).reshape(-1)
    if len(coords) != len(kinds):
        raise ValueError(
            f"There are {len(coords)} points and {len(kinds)} labels: give one label for each."
        )
    if not np.isin(kinds, (0, 1)).all():
        raise ValueError("Labels must be 1, on the object, or 0, beside it.")
    kinds = kinds.astype(np.int64)
    if box is not None:
        coords = np.concatenate([_corners(box), coords])
        kinds = np.concatenate([np.array(_BOX_LABELS), kinds])
    if not len(coords):
        raise ValueError("Give at least one point, or a box: there is no prompt.")
    if normalize_coords:
        coords = coords / np.array([size[1], size[0]])
    return PointPrompts(coords.astype(np.float32), kinds)


def mask_from_array(mask: ArrayLike, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Read a mask ``(H, W)``; whatever is not zero is inside."""
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.shape != size:
        raise ValueError(
            f"The mask must be as large as the film, {size[0]} x {size[1]} (height x width), not "
            f"of shape {array.shape}."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("The mask has values that are not numbers.")
    return np.asarray(array != 0)


def _table(name: str, value: ArrayLike, columns: int) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.size == 0:
        return np.zeros((0, columns))
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"{name} must have shape (N, {columns}), not {array.shape}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers.")
    return array


def _corners(box: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(box, dtype=np.float64).reshape(-1)
    if array.shape != (4,) or not np.isfinite(array).all():
        raise ValueError("A box is four numbers: x0, y0, x1, y1.")
    x0, y0, x1, y1 = array
    return np.array([[min(x0, x1), min(y0, y1)], [max(x0, x1), max(y0, y1)]])
