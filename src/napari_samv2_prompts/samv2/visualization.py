"""Draw prompts and masks with matplotlib, for scripts and notebooks.

Each function draws and returns what it drew on; nothing is shown or written.  Needs the extra
``plot``.  The viewer's own drawing is napari's business, not this module's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

try:
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle
except ImportError as error:  # pragma: no cover
    raise ImportError(
        "Drawing needs matplotlib: pip install 'napari-samv2-prompts[plot]'."
    ) from error

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

__all__ = ["showbox", "showmask", "showmasks", "showpoints"]

# Blue and vermilion of the colour-blind-safe palette of Okabe and Ito (2008).
_MASK_COLOR = (0.0, 0.447, 0.698)
_NEGATIVE_COLOR = (0.835, 0.369, 0.0)
_POSITIVE_COLOR = (0.0, 0.62, 0.451)
_OPACITY = 0.6
_PANEL_INCHES = 5.0


def _as_mask(mask: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(f"A mask has two axes, not {array.ndim} (its shape is {array.shape}).")
    return array > 0


def showmask(mask: ArrayLike, ax: Axes, random_color: bool = False, borders: bool = True) -> Axes:
    """Lay a mask over an axes in half-transparent colour.

    Parameters
    ----------
    mask : array-like of shape (H, W) or (1, H, W)
        Positive is inside.
    ax : Axes
    random_color : bool
        A random colour in place of blue, to tell several masks apart.
    borders : bool
        Outline the mask in white.
    """
    inside = _as_mask(mask)
    color = np.random.default_rng().random(3) if random_color else np.array(_MASK_COLOR)
    overlay = np.zeros((*inside.shape, 4), dtype=np.float32)
    overlay[inside] = (*color, _OPACITY)
    ax.imshow(overlay)
    if borders and 0 < inside.sum() < inside.size:
        ax.contour(inside, levels=[0.5], colors="white", linewidths=1.0, alpha=0.8)
    return ax


def showpoints(coords: ArrayLike, labels: ArrayLike, ax: Axes, marker_size: float = 375) -> Axes:
    """Draw clicks: a green star on the object, a red cross beside it.

    Parameters
    ----------
    coords : array-like of shape (..., 2)
        ``(x, y)`` in pixels.
    labels : array-like of shape (...)
        1 on the object, 0 beside it.
    ax : Axes
    marker_size : float
        Area in points squared.
    """
    points, kinds = np.asarray(coords).reshape(-1, 2), np.asarray(labels).reshape(-1)
    styles = ((1, _POSITIVE_COLOR, "*"), (0, _NEGATIVE_COLOR, "X"))
    for kind, color, marker in styles:
        x, y = points[kinds == kind].T
        ax.scatter(x, y, color=color, marker=marker, s=marker_size, edgecolor="white")
    return ax


def showbox(box: ArrayLike, ax: Axes) -> Axes:
    """Draw the outline of a box.

    Parameters
    ----------
    box : array-like of shape (4,)
        ``x0, y0, x1, y1`` in pixels.
    ax : Axes
    """
    x0, y0, x1, y1 = np.asarray(box, dtype=float).reshape(4)
    ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="lime", linewidth=2))
    return ax


def showmasks(
    image: ArrayLike,
    masks: ArrayLike,
    scores: ArrayLike,
    point_coords: ArrayLike | None = None,
    box_coords: ArrayLike | None = None,
    input_labels: ArrayLike | None = None,
    borders: bool = True,
) -> Figure:
    """Draw each candidate mask over the image, side by side with its score.

    Parameters
    ----------
    image : array-like of shape (H, W) or (H, W, 3)
    masks : array-like of shape (C, H, W)
    scores : array-like of shape (C,)
    point_coords, input_labels : array-like, optional
        As in :func:`showpoints`; both or none.
    box_coords : array-like of shape (4,), optional
    borders : bool

    Returns
    -------
    Figure
        A figure of pyplot: show it with ``plt.show()``, write it with ``figure.savefig``.

    Raises
    ------
    ValueError
        If there are points without labels, or not one score per mask.
    """
    candidates, values = np.asarray(masks), np.asarray(scores).reshape(-1)
    if len(candidates) != len(values):
        raise ValueError(f"There are {len(candidates)} masks but {len(values)} scores.")
    if point_coords is not None and input_labels is None:
        raise ValueError("Points need input_labels: 1 on the object, 0 beside it.")
    picture = np.asarray(image)
    height, width = picture.shape[:2]
    size = (_PANEL_INCHES * len(values), _PANEL_INCHES * height / width + 0.4)
    figure, axes = plt.subplots(1, len(values), figsize=size, squeeze=False, layout="constrained")
    for index, (ax, mask, score) in enumerate(zip(axes[0], candidates, values, strict=True)):
        ax.imshow(picture, cmap="gray" if picture.ndim == 2 else None)
        showmask(mask, ax, borders=borders)
        if point_coords is not None and input_labels is not None:
            showpoints(point_coords, input_labels, ax)
        if box_coords is not None:
            showbox(box_coords, ax)
        ax.set_title(f"mask {index + 1}, score {score:.3f}")
        ax.set_axis_off()
    return figure
