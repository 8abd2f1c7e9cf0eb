"""What needs no model: the least that a trained one has to beat.

All take a grey image (H, W) and give a boolean mask (H, W).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

Bool = NDArray[np.bool_]
Grey = NDArray[np.float64]


def to_grey(image: NDArray[np.uint8]) -> Grey:
    """Mean of the channels of an (H, W, 3) image."""
    return image.astype(np.float64).mean(-1)


def otsu(values: Grey) -> float:
    """Otsu's threshold, or the only value there is."""
    return float(threshold_otsu(values)) if np.ptp(values) > 0 else float(values.flat[0])


def watershed_regions(grey: Grey, *, bright: bool) -> NDArray[np.int32]:
    """Otsu's foreground, bright or dark, divided by a watershed on its smoothed distance map."""
    foreground = (grey > otsu(grey)) if bright else (grey <= otsu(grey))
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), 1.0)
    peaks = peak_local_max(
        distance, min_distance=4, labels=foreground.astype(int), exclude_border=False
    )
    markers = np.zeros(grey.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return np.asarray(watershed(-distance, markers, mask=foreground), np.int32)


def region_at(regions: NDArray[np.int32], x: float, y: float) -> Bool:
    """The region below a click; empty where there is none."""
    value = regions[round(y), round(x)]
    return (regions == value) & (value > 0)


def ellipse_in_box(shape: tuple[int, int], box: NDArray[np.float32]) -> Bool:
    """The ellipse inscribed in a box (x0, y0, x1, y1) of pixel centres."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    radii = np.maximum((box[2:] - box[:2] + 1) / 2, 0.5)
    middle = (box[2:] + box[:2]) / 2
    return ((x - middle[0]) / radii[0]) ** 2 + ((y - middle[1]) / radii[1]) ** 2 <= 1


def otsu_in_box(grey: Grey, box: NDArray[np.float32]) -> Bool:
    """Otsu's threshold within a box; the object is the class rarer on the box's border."""
    x0, y0, x1, y1 = box.astype(int)
    window = grey[y0 : y1 + 1, x0 : x1 + 1]
    above = window > otsu(window)
    border = np.concatenate([above[0], above[-1], above[:, 0], above[:, -1]])
    mask = np.zeros(grey.shape, bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = ~above if border.mean() > 0.5 else above
    return mask
