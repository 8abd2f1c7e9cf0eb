"""The table, and what its proofs share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import adopt
from tests.kinds import Table

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import (
    LabelsTarget,
    current_plane,
    image_view,
    make_layers,
    read_prompts,
    set_new_prompt,
)
from napari_samv2_prompts.mask_crops import MaskCrop

TABLE = Table(
    "image-kinds.md",
    "Image kinds",
    "What the widget does with each kind of image. *Refused* means that it says why, and what"
    " to do. A test checks each row.",
)
row = TABLE.row


# --- what the proofs share ---


def volume(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


class Scene:
    """A viewer with an image."""

    def __init__(self, data: Any, **layer: Any) -> None:
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(data, **layer)

    @property
    def plane(self):
        return current_plane(self.viewer.dims, self.image)

    def at(self, *steps: int) -> Scene:
        for axis, step in enumerate(steps):
            self.viewer.dims.set_current_step(axis, step)
        return self

    def picture(self, contrast="displayed") -> np.ndarray:
        return image_view(self.image, self.plane, contrast).read()

    def segmented(self, shapes=None) -> None:
        """Draw a box on the shown plane; its label must be there, and nowhere else."""
        plane, dims = self.plane, self.viewer.dims
        points, own, labels = make_layers(self.viewer, self.image)
        corners = plane.to_data([(0.6, 0.6), (3.4, 0.6), (3.4, 3.4), (0.6, 3.4)])
        if shapes is None:
            shapes = own
        else:
            world = [self.image.data_to_world(corner) for corner in corners]
            corners = np.array([shapes.world_to_data(corner) for corner in world])
        adopt(shapes)
        set_new_prompt(None, shapes, object_=1)
        shapes.add_rectangles([corners])
        (prompt,), _ = read_prompts(points, shapes, self.image, plane, dims)
        x0, y0, x1, y1 = (int(np.ceil(value - 0.01)) for value in prompt.box)
        target = LabelsTarget(labels, highest=0)
        target.check(self.image, dims)
        target.write(plane, {1: MaskCrop(y0, x0, np.ones((y1 - y0, x1 - x0), bool))})
        rows, columns = np.mgrid[1:4, 1:4].reshape(2, -1)
        expected = np.zeros_like(labels.data)
        expected[plane.indices(rows, columns)] = 1
        np.testing.assert_array_equal(labels.data, expected)

    def refused(self, words: str) -> None:
        with pytest.raises(PlaneError, match=words) as error:
            _ = self.plane
        assert str(error.value).endswith(".")


def shown(scene: Scene) -> np.ndarray:
    """What the viewer itself draws."""
    return np.asarray(scene.image._slice.image.raw)
