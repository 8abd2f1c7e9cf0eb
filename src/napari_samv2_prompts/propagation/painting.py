"""Labels of a whole stack from anchors and sections, for scripts.

Here: :func:`painted`.  Not here: layers, where others' labels are kept (``layers``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from napari_samv2_prompts.mask_crops import MaskCrop

from .values import Anchors, Section

if TYPE_CHECKING:
    from numpy.typing import NDArray


def painted(
    shape: tuple[int, int, int], anchors: Anchors, sections: Mapping[int, Mapping[int, Section]]
) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Paint objects with their numbers.

    Of two sections on a pixel the one of less doubt lies on top; anchors lie over all, the smaller
    over the larger, as in a single picture.

    Returns array of shape (Z, H, W), uint16; uint32 if an object's number needs it.
    """
    layers: list[tuple[float, MaskCrop, int, int]] = []
    for number, of in sections.items():
        layers += [(section.doubt, section.crop, number, plane) for plane, section in of.items()]
    for number, crops in anchors.items():
        layers += [(-1.0, crop, number, plane) for plane, crop in crops.items()]
    highest = max(anchors, default=0)
    labels = np.zeros(shape, np.uint16 if highest < 1 << 16 else np.uint32)
    for _, crop, number, plane in sorted(layers, key=lambda e: (-e[0], -e[1].area, e[2])):
        labels[plane][crop.slices][crop.mask] = number
    return labels
