"""The layers that work in the background was begun with, and whether they are still what they were.

Such work reads an image and writes labels long after the user pressed a button.  Meanwhile layers
can be removed, and can be given other data.

Not here: what follows from that (``find_all.py``, ``propagation.py``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_samv2_prompts.layers import LabelsTarget

if TYPE_CHECKING:
    from napari.layers import Image, Layer


@dataclass(frozen=True, slots=True, eq=False)
class WorkLayers:
    """An image that is worked through, and the labels that what is found goes to."""

    image: Image
    data: Any  # of the image, when it was begun
    target: LabelsTarget
    shape: tuple[int, ...]  # of the labels, when it was begun

    @classmethod
    def of(cls, image: Image, target: LabelsTarget) -> WorkLayers:
        """Return these layers as they are now."""
        return cls(image, image.data, target, tuple(target.labels.data.shape))

    def has_picture(self, layers: Collection[Layer]) -> bool:
        """Whether the image is among the viewer's layers, with the pixels that it had."""
        return self.image in layers and self.image.data is self.data

    def has_labels(self, targets: Collection[LabelsTarget]) -> bool:
        """Whether the labels are among those that can be written to, in the shape that they had."""
        return self.target in targets and tuple(self.target.labels.data.shape) == self.shape
