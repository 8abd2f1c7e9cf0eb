"""Where the coordinates of other layers lie on a plane of the image, and which are on it.

How prompts are made of them is in ``test_prompt_reading``.
"""

from __future__ import annotations

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from tests.layers.planes_bench import place, placements, viewer_with, volume

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import current_plane
from napari_samv2_prompts.layers.planes import Shown, project_to_plane, world_map


def projected(layer, points, image, plane, dims):
    shown = Shown(image, plane, world_map(image, dims))
    found = project_to_plane(layer, points, shown, dims)
    return found.pixels, found.on_plane


@given(placements, placements, st.integers(2, 3), st.integers(2, 3), st.booleans())
@settings(max_examples=10, deadline=None)
def test_the_same_physical_prompt_is_the_same_pixel_whatever_the_transforms(
    of_image, of_points, image_ndim, points_ndim, transpose
):
    viewer = ViewerModel()
    viewer.add_image(volume(5, 6, 7), units=("um", "um", "um"))
    image = viewer.add_image(volume(*(5, 6, 7)[-image_ndim:]), **place(of_image, image_ndim, 1.0))
    points = viewer.add_points(ndim=points_ndim, **place(of_points, points_ndim, 0.5))
    viewer.dims.set_point(0, (2 * pint.Unit("um")).to(viewer.dims.units[0]).magnitude)
    if transpose:
        viewer.dims.order = (0, 2, 1)
    plane = current_plane(viewer.dims, image)
    pixels = np.array([[0.0, 0.0], [2.5, 1.0], [-4.0, 30.0]])
    # To the world and back by the viewer's own transforms, converting units in between.
    world = np.array([image.data_to_world(p) for p in plane.to_data(pixels)])
    metres = world[:, -2:] * [(1.0 * unit).to("m").magnitude for unit in image.units[-2:]]
    own = metres / [(1.0 * unit).to("m").magnitude for unit in points.units[-2:]]
    prompts = np.array([points.world_to_data([2.0] * (points_ndim - 2) + list(p)) for p in own])
    found, on_plane = projected(points, prompts, image, plane, viewer.dims)
    np.testing.assert_allclose(found, pixels, atol=1e-3)
    assert on_plane.all()


def test_points_on_other_planes_are_told_apart():
    viewer, image = viewer_with(volume(5, 6, 7), scale=(3, 1, 1))
    points = viewer.add_points([[0, 1, 1], [6, 1, 1], [7.4, 1, 1], [7.6, 1, 1]])
    viewer.dims.set_point(0, 6)
    plane = current_plane(viewer.dims, image)
    assert plane.index == (2, None, None)
    on_plane = projected(points, points.data, image, plane, viewer.dims)[1]
    assert on_plane.tolist() == [False, True, True, False]


def test_points_with_more_axes_than_the_image_count_where_they_are_shown():
    viewer, image = viewer_with(volume(6, 7))
    points = viewer.add_points([[0, 1, 1], [3, 2, 2]])
    viewer.dims.set_point(0, 3)
    plane = current_plane(viewer.dims, image)
    pixels, on_plane = projected(points, points.data, image, plane, viewer.dims)
    assert on_plane.tolist() == [False, True]
    assert pixels[1].tolist() == [2, 2]


def test_points_with_fewer_axes_count_on_every_plane():
    viewer, image = viewer_with(volume(5, 6, 7))
    points = viewer.add_points([[1, 2]])
    for step in (0, 3):
        viewer.dims.set_current_step(0, step)
        plane = current_plane(viewer.dims, image)
        pixels, on_plane = projected(points, points.data, image, plane, viewer.dims)
        assert on_plane.all()
        assert pixels.tolist() == [[2, 1]]


def test_points_without_a_shown_axis_are_refused():
    viewer, image = viewer_with(volume(5, 6, 7))
    points = viewer.add_points([[1, 2]])
    viewer.dims.order = (2, 0, 1)
    plane = current_plane(viewer.dims, image)
    with pytest.raises(PlaneError, match="axes that are shown"):
        projected(points, points.data, image, plane, viewer.dims)


def test_world_maps_agree_with_the_viewer():
    viewer, image = viewer_with(
        volume(5, 6, 7),
        scale=(2, 0.5, 3),
        translate=(1, 2, 3),
        rotate=0,
        affine=np.diag([1, 2, 3, 1]),
    )
    point = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(
        world_map(image, viewer.dims)(point)[0], image.data_to_world(point[0])
    )
