"""Which plane the viewer shows, how another is shown, and what has no plane.

The picture of a plane is in ``test_views``, what other layers have on it in ``test_projecting``,
and what of it is on screen in ``test_visible``.
"""

from __future__ import annotations

import warnings
from itertools import permutations

import numpy as np
import pytest
from tests.layers.planes_bench import shown_by_napari, viewer_with, volume

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import current_plane, image_view
from napari_samv2_prompts.layers.planes import show_plane

# --- which plane ---


@pytest.mark.parametrize("order", [*permutations(range(3)), *list(permutations(range(4)))[::5]])
def test_the_plane_is_what_the_viewer_shows_whatever_the_order_of_axes(order):
    data = volume(*(4, 5, 6, 7)[: len(order)])
    viewer, image = viewer_with(data, scale=(2.0, 0.5, 3.0, 1.0)[: len(order)])
    viewer.dims.order = order
    for axis in range(len(order)):
        viewer.dims.set_current_step(axis, axis + 1)
    plane = current_plane(viewer.dims, image)
    np.testing.assert_array_equal(image_view(image, plane).read(), shown_by_napari(image))


@pytest.mark.parametrize(
    ("shape", "rgb"),
    [((5, 6), False), ((3, 5, 6), False), ((40, 50, 3), True), ((2, 40, 50, 4), True)],
)
def test_grey_and_rgb_images_of_any_number_of_axes(shape, rgb):
    viewer, image = viewer_with(volume(*shape))
    assert image.rgb is rgb
    plane = current_plane(viewer.dims, image)
    assert plane.ndim == image.ndim
    picture = image_view(image, plane).read()
    assert picture.shape == (*image_view(image, plane).shape, *([3] if rgb else []))
    if shape[-1] != 4:
        np.testing.assert_array_equal(picture, shown_by_napari(image))


def test_a_flat_image_beside_a_stack_has_its_own_plane():
    viewer, image = viewer_with(volume(5, 6))
    viewer.add_image(volume(4, 5, 6))
    viewer.dims.set_current_step(0, 2)
    assert current_plane(viewer.dims, image).index == (None, None)


def test_negative_scale_and_translate_find_the_same_slice():
    viewer, image = viewer_with(volume(5, 6, 7), scale=(-2, 1, 1), translate=(100, 0, 0))
    viewer.dims.set_point(0, 94)
    assert current_plane(viewer.dims, image).index == (3, None, None)
    np.testing.assert_array_equal(
        image_view(image, current_plane(viewer.dims, image)).read(), shown_by_napari(image)
    )


def test_the_slider_is_read_in_the_viewers_units():
    viewer, image = viewer_with(volume(5, 6, 7), units=("um", "um", "um"))
    viewer.add_image(volume(5, 6, 7), units=("nm", "nm", "nm"))
    viewer.dims.set_point(0, 3000)  # nm
    assert current_plane(viewer.dims, image).index == (3, None, None)


def test_units_that_do_not_fit_together_are_ignored_like_the_viewer_does():
    viewer, image = viewer_with(volume(5, 6, 7), units=("um", "um", "um"))
    viewer.add_image(volume(5, 6, 7), units=("s", "pixel", "pixel"))
    viewer.dims.set_point(0, 3)
    assert current_plane(viewer.dims, image).index == (3, None, None)


@pytest.mark.parametrize(
    "other", [{"scale": (0.5, 1, 1)}, {"translate": (-3, 0, 0)}, {"units": ("nm", "nm", "nm")}]
)
def test_a_plane_is_shown_whatever_the_steps_of_the_slider_are(other):
    viewer, image = viewer_with(volume(5, 6, 7), scale=(2, 1, 1), units=("um", "um", "um"))
    viewer.add_image(volume(5, 6, 7), **{"units": ("um", "um", "um"), **other})
    show_plane(viewer.dims, image, (3, None, None))
    assert current_plane(viewer.dims, image).index == (3, None, None)


def test_a_plane_is_shown_on_all_axes_that_the_layer_has():
    viewer, image = viewer_with(volume(4, 5, 6, 7), scale=(2, 3, 1, 1), translate=(7, -5, 0, 0))
    viewer.add_image(volume(3, 4, 5, 6, 7))
    viewer.dims.set_point(0, 1)
    viewer.dims.order = (0, 3, 1, 2, 4)
    show_plane(viewer.dims, image, (3, None, 2, None))
    assert current_plane(viewer.dims, image).index == (3, None, 2, None)
    assert viewer.dims.point[0] == 1


# --- what has no plane ---


def refused(viewer, image):
    with pytest.raises(PlaneError) as error:
        current_plane(viewer.dims, image)
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_3d_display_is_refused():
    viewer, image = viewer_with(volume(5, 6, 7))
    viewer.dims.ndisplay = 3
    assert "2D display" in refused(viewer, image)


def test_a_slider_beside_the_image_is_refused():
    viewer, image = viewer_with(volume(5, 6, 7))
    viewer.add_image(volume(5, 6, 7), translate=(20, 0, 0))
    viewer.dims.set_point(0, 22)
    assert "slider" in refused(viewer, image)


def test_thick_slicing_is_refused_unless_one_slice_is_shown():
    viewer, image = viewer_with(volume(5, 6, 7))
    viewer.dims.thickness = (2, 0, 0)
    assert "thickness" in refused(viewer, image)
    image.projection_mode = "none"
    assert current_plane(viewer.dims, image).shape == (6, 7)


@pytest.mark.parametrize("how", [{"rotate": (10, 20, 30)}, {"shear": (0, 0.2, 0)}])
def test_transforms_out_of_the_plane_are_refused(how):
    viewer, image = viewer_with(volume(5, 6, 7))
    for name, value in how.items():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Non-orthogonal")  # the viewer only sees one way
            setattr(image, name, value)
    assert "out of the plane" in refused(viewer, image)


def test_an_empty_image_is_refused():
    viewer, image = viewer_with(np.zeros((3, 5)))
    image = type("Empty", (), {"data": np.zeros((0, 5)), "ndim": 2, "name": "none"})()
    assert "empty" in refused(viewer, image)


def test_axes_that_the_image_does_not_have_are_refused():
    viewer, image = viewer_with(volume(5, 6))
    viewer.add_image(volume(4, 5, 6))
    viewer.dims.order = (1, 2, 0)
    assert "roll or transpose" in refused(viewer, image)
