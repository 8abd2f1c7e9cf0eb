"""What is on screen, on a viewer model without a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from tests.layers.planes_bench import place, placements

from napari_samv2_prompts.layers import current_plane, shown_plane
from napari_samv2_prompts.layers.planes import canvas_box, visible_part
from napari_samv2_prompts.regions import Region


def seen(viewer, image):
    return visible_part(viewer, shown_plane(viewer.dims, image))


@given(placements, st.booleans())
@settings(max_examples=20, deadline=None)
def test_after_a_reset_of_the_view_the_whole_plane_is_visible(placement, transpose):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((3, 30, 70)), **place(placement, 3, 1.0))
    if transpose:
        viewer.dims.order = (0, 2, 1)
    viewer.reset_view()
    height, width = current_plane(viewer.dims, image).shape
    x0, y0, x1, y1 = seen(viewer, image).extent
    assert x0 < 0.5
    assert y0 < 0.5
    assert x1 > width - 1.5
    assert y1 > height - 1.5


def test_the_visible_part_is_where_the_camera_looks():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((400, 600)), scale=(2, 0.5), translate=(10, 20))
    viewer.canvas.size = (300, 500)
    viewer.scene.camera.center = (10 + 2 * 100, 20 + 0.5 * 300)
    viewer.scene.camera.zoom = 4
    visible = seen(viewer, image)
    np.testing.assert_allclose(visible.pixel_size, (2, 0.5))
    np.testing.assert_allclose(visible.extent, (300 - 125, 100 - 18.75, 300 + 125, 100 + 18.75))


def test_in_a_grid_only_a_cell_is_seen():
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((400, 600)))
    viewer.add_image(np.zeros((400, 600)))
    viewer.scene.camera.zoom = 4
    x0, _, x1, _ = seen(viewer, image).extent
    viewer.canvas.grid.enabled = True
    left, _, right, _ = seen(viewer, image).extent
    assert right - left < 0.6 * (x1 - x0)


@pytest.mark.parametrize("scale", [(1, 1), (2, 0.5)])
def test_the_box_on_the_canvas_is_where_the_region_is(scale):
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((400, 600)), scale=scale, translate=(10, 20))
    viewer.canvas.size = (300, 500)
    viewer.scene.camera.zoom = 2
    viewer.scene.camera.center = image.data_to_world((99.5, 199.5))
    box = canvas_box(viewer, shown_plane(viewer.dims, image), Region(50, 150, 150, 250))
    half = 50 * 2 * np.array(scale)
    np.testing.assert_allclose(box, np.add((150, 250), [-half, half]))
    viewer.scene.camera.orientation2d = ("up", "left")
    flipped = canvas_box(viewer, shown_plane(viewer.dims, image), Region(50, 150, 150, 250))
    np.testing.assert_allclose(flipped, np.add((150, 250), [-half, half]))
    corner = canvas_box(viewer, shown_plane(viewer.dims, image), Region(0, 0, 50, 100))
    assert (corner.mean(axis=0) > (150, 250)).all()
