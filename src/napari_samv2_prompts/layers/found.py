"""Found objects: the layer in which they are shown, and labels that are made of them.

They are shown in a Labels layer of the plugin's own, in the place of the image, removed again when
the user accepts or discards what was found: nothing of the user's is touched before that.

Not here: finding, choosing among what was found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers.labels_checks import blank_labels, check_numbers
from napari_samv2_prompts.layers.labels_target import LabelsTarget
from napari_samv2_prompts.layers.planes import layer_shape
from napari_samv2_prompts.layers.prompt_layers import placement
from napari_samv2_prompts.layers.undo_steps import OpenStep
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.masks import Box
from napari_samv2_prompts.regions import Region

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels
    from numpy.typing import NDArray

COLOURS = 2**16 - 1  # numbers that the layer can show: of more, some are shown alike
SOME = 100  # objects that are written at a time: 3 000 of 500 pixels take 0.6 s in all


class FoundLayer:
    """Shows numbered masks on one plane of an image.

    - `plane`: of the image
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
            self._data[self._part(crop.box)][mask] = (number - 1) % COLOURS + 1
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


class Accepting:
    """Makes labels of found objects where there are none, some at a time, as one step of undo.

    - `crops`: in pixels of the plane
    - `used`: the highest number that any prompt has: labels get higher ones
    - `.left`: what is not written yet, by its new number
    - raises TargetError if the labels can't hold as many
    """

    def __init__(
        self, target: LabelsTarget, plane: Plane, crops: Sequence[MaskCrop], used: int
    ) -> None:
        self._target, self._plane, self._step = target, plane, OpenStep()
        self.left = dict(enumerate(crops, target.next_free(used)))
        check_numbers(target.labels, self.left)
        target.numbers.note(max(self.left, default=0))  # nobody else gets them meanwhile

    def write_some(self) -> bool:
        """Write the next few; False if the user took back what was written.

        Raises TargetError if the labels can't be written any more.
        """
        some = dict(islice(self.left.items(), SOME))
        if not self._target.is_open(self._step):
            return False
        with self._target.joined(self._step):
            self._target.write(self._plane, some, "background")
        self._target.accept(some, self._plane)
        for number in some:
            del self.left[number]
        return True


def labelled(labels: Any, plane: Plane, region: Region) -> NDArray[np.bool_]:
    """Return where there are labels in a part of a plane already; the rest is not read."""
    part = plane.indexer(*region.slices)
    taken: NDArray[np.bool_] = plane.oriented(np.asarray(labels[part])) != 0
    return taken
