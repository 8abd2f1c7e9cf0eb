"""The layer in which found objects are shown before they are accepted.

It is a Labels layer of the plugin's own, in the place of the image, removed again when the user
accepts or discards what was found: nothing of the user's is touched before that.

Not here: finding, choosing among what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.blank import blank_labels
from napari_samv2_prompts.layers.planes import layer_shape
from napari_samv2_prompts.layers.prompt_layers import placement
from napari_samv2_prompts.masks import Box
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels

__all__ = ["FoundLayer"]


class FoundLayer:
    """Shows numbered masks on one plane of an image.

    Parameters
    ----------
    plane : Plane
        Of the image.
    """

    def __init__(self, viewer: ViewerModel, image: Image, plane: Plane) -> None:
        self._viewer, self._plane = viewer, plane
        self._data = blank_labels(layer_shape(image))
        active = viewer.layers.selection.active
        self.layer: Labels = viewer.add_labels(
            self._data, name=f"{image.name} found", opacity=0.5, **placement(image)
        )
        viewer.layers.selection.active = active  # the tool in the user's hand stays
        self._boxes: list[Box] = []

    @property
    def is_there(self) -> bool:
        """Whether the user has not removed it."""
        return self.layer in self._viewer.layers

    def show(self, masks: Mapping[int, MaskCrop]) -> None:
        """Show these masks and no others, smaller ones over larger ones."""
        for box in self._boxes:
            self._data[self._part(box)] = 0
        self._boxes = []
        for number, crop in sorted(masks.items(), key=lambda item: -item[1].area):
            self._boxes.append(crop.box)
            mask = crop.mask.T if self._plane.is_transposed else crop.mask
            self._data[self._part(crop.box)][mask] = number
        self.layer.refresh()

    def _part(self, box: Box) -> tuple[int | slice, ...]:
        top, left, bottom, right = box
        return self._plane.indexer(slice(top, bottom), slice(left, right))

    def remove(self) -> None:
        """Take the layer out of the viewer; idempotent."""
        if self.is_there:
            self._viewer.layers.remove(self.layer)


def numbered(crops: Iterable[MaskCrop], first: int = 1) -> dict[int, MaskCrop]:
    """Number masks, from the top of the plane."""
    in_order = sorted(crops, key=lambda crop: (crop.top, crop.left))
    return dict(enumerate(in_order, first))
