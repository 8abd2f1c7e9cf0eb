"""One array as it is displayed: a region of a plane, in 8 bit, at the detail that is needed.

Not here: several channels together (``channels``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .reading import Window, add_to_cells, find_window, means_of_cells, strips
from .values import SAMPLE, percentile_limits, to_uint8

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.regions import Region

Contrast = Literal["displayed", "percentiles"]


def render_plane(
    data: Any,
    plane: Plane,
    *,
    rgb: bool = False,
    limits: tuple[float, float] | None = None,
    gamma: float = 1.0,
    alpha: bool = True,
    region: Region | None = None,
    side: int | None = None,
) -> NDArray[np.uint8]:
    """Read a plane or a region of it and map its values to 8 bit.

    - `data`: with the plane's axes, then one of 3 or 4 channels if ``rgb``.  A tuple are the levels
      of a pyramid, the full size first.
    - `limits`: values that become 0 and 255.  None: percentiles of what is read; RGB of 8 bit stays
      as it is.
    - `alpha`: whether RGBA is laid over black, as on the viewer's canvas; else it is taken for RGB
    - `region`: the whole plane by default
    - `side`: side of the model's input: with more pixels than that, a coarser level is read, or
      pixels are averaged.  None: every pixel.
    - returns array of shape (h, w) or (h, w, 3), uint8
    """
    window = find_window(data, plane, region, side)
    if window.cells == window.size:
        return render(window.read(), rgb, limits, gamma, alpha=alpha)
    limits = limits or _limits_in_strips(window, rgb)
    sums = np.zeros((*window.cells, 3 if rgb else 1), dtype=np.uint32)
    for strip in strips(window):
        picture = render(strip.read(), rgb, limits, gamma, alpha=alpha)
        add_to_cells(sums, picture if rgb else picture[..., None], strip, window)
    means = means_of_cells(sums, window)
    return means if rgb else means[..., 0]


def render(
    values: NDArray[Any],
    rgb: bool,
    limits: tuple[float, float] | None = None,
    gamma: float = 1.0,
    *,
    alpha: bool = True,
) -> NDArray[np.uint8]:
    """Map the values ``(h, w)`` or ``(h, w, 3 or 4)`` of a picture to 8 bit; see `render_plane`."""
    limits = limits or _limits_of(values, rgb)
    if not rgb:
        return to_uint8(values, limits, gamma)
    picture = to_uint8(values[..., :3], limits, gamma)
    if not alpha or values.shape[-1] == 3:
        return picture
    cover = values[..., 3:]
    opaque = 1.0 if cover.dtype.kind == "f" else float(np.iinfo(cover.dtype).max)
    cover = np.clip(np.nan_to_num(cover), 0, opaque) / opaque
    return np.asarray(np.rint(picture * cover), np.uint8)


def _limits_of(values: NDArray[Any], rgb: bool) -> tuple[float, float]:
    if rgb and values.dtype == np.uint8:
        return 0.0, 255.0
    return percentile_limits(values[..., :3] if rgb else values)


def _limits_in_strips(window: Window, rgb: bool) -> tuple[float, float]:
    """Return the percentiles of all pixels, of which only a sample is held at a time."""
    step = max(1, int(np.sqrt(window.size[0] * window.size[1] / SAMPLE)))
    samples = []
    for strip in strips(window):
        values = strip.read()
        if rgb and values.dtype == np.uint8:
            return 0.0, 255.0
        samples.append(values[::step, ::step].copy())
    return _limits_of(np.concatenate(samples), rgb)
