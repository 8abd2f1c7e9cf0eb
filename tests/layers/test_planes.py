from __future__ import annotations

import gc
import warnings
import weakref
from itertools import permutations

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import composed_view, current_plane, image_view
from napari_samv2_prompts.layers.planes import Shown, project_to_plane, show_plane, world_map


def projected(layer, points, image, plane, dims):
    shown = Shown(image, plane, world_map(image, dims))
    found = project_to_plane(layer, points, shown, dims)
    return found.pixels, found.on_plane


def viewer_with(data, **kwargs):
    viewer = ViewerModel()
    return viewer, viewer.add_image(data, **kwargs)


def volume(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def shown_by_napari(layer):
    """The slice that the viewer draws, from its own slicing."""
    return np.asarray(layer._slice.image.raw)


# --- which plane ---------------------------------------------------------------------------------


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


# --- what has no plane ---------------------------------------------------------------------------


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


# --- what is embedded ----------------------------------------------------------------------------


def test_the_key_of_a_view_says_its_content():
    viewer, image = viewer_with(volume(5, 6, 7))
    other = viewer.add_image(volume(5, 6, 7))
    plane = current_plane(viewer.dims, image)
    first = image_view(image, plane)
    assert first == image_view(image, plane)
    assert hash(first) == hash(image_view(image, plane))
    seen = [first, image_view(other, plane), image_view(image, plane, "percentiles")]
    image.contrast_limits = (3, 200)
    seen.append(image_view(image, plane))
    image.gamma = 0.5
    seen.append(image_view(image, plane))
    viewer.dims.set_current_step(0, 1)
    seen.append(image_view(image, current_plane(viewer.dims, image)))
    image.data = volume(5, 6, 7)
    seen.append(image_view(image, current_plane(viewer.dims, image)))
    assert len({view.key for view in seen}) == len(seen)


def test_percentiles_do_not_depend_on_the_display():
    viewer, image = viewer_with(volume(5, 6, 7))
    plane = current_plane(viewer.dims, image)
    before = image_view(image, plane, "percentiles")
    image.contrast_limits = (3, 200)
    assert image_view(image, plane, "percentiles") == before


def test_a_key_does_not_keep_the_data_alive():
    viewer, image = viewer_with(volume(5, 6, 7))
    data = weakref.ref(image.data)
    key = image_view(image, current_plane(viewer.dims, image)).key
    viewer.layers.clear()
    del image, viewer
    gc.collect()
    assert data() is None
    assert key == key


def test_contrast_is_that_of_the_display():
    viewer, image = viewer_with(volume(6, 7).astype(np.uint16) * 16, contrast_limits=(160, 3200))
    image.gamma = 0.7
    picture = image_view(image, current_plane(viewer.dims, image)).read()
    shares = np.clip((image.data.astype(float) - 160) / (3200 - 160), 0, 1) ** 0.7
    np.testing.assert_array_equal(picture, np.rint(shares * 255))


def test_channels_are_composed_in_their_colours():
    viewer = ViewerModel()
    data = volume(3, 6, 7, 2).astype(np.uint16) * 10
    green, magenta = viewer.add_image(
        data, channel_axis=3, colormap=["green", "magenta"], contrast_limits=[(0, 2550), (500, 900)]
    )
    assert magenta.blending == "additive"
    viewer.dims.set_current_step(0, 1)
    plane = current_plane(viewer.dims, green)
    view = composed_view([green, magenta], plane, viewer.dims)
    one = data[1, ..., 0] / 2550 * 255
    two = np.clip((data[1, ..., 1] - 500.0) / 400, 0, 1) * 255
    np.testing.assert_allclose(view.read(), np.stack([two, one, two], axis=-1), atol=1)


def test_a_composed_view_changes_with_any_of_its_channels():
    viewer = ViewerModel()
    layers = viewer.add_image(volume(6, 7, 2), channel_axis=2)
    plane = current_plane(viewer.dims, layers[0])
    seen = [composed_view(layers, plane, viewer.dims)]
    assert seen[0] == composed_view(layers, plane, viewer.dims)
    for name, value in {
        "colormap": "red",
        "opacity": 0.5,
        "blending": "translucent",
        "gamma": 2.0,
        "contrast_limits": (1, 9),
        "data": volume(6, 7),
    }.items():
        setattr(layers[1], name, value)
        seen.append(composed_view(layers, plane, viewer.dims))
    assert len({view.key for view in seen}) == len(seen)


def test_channels_in_other_places_are_refused():
    viewer, first = viewer_with(volume(6, 7))
    moved = viewer.add_image(volume(6, 7), translate=(0, 3), name="moved")
    with pytest.raises(PlaneError, match="moved"):
        composed_view([first, moved], current_plane(viewer.dims, first), viewer.dims)


def test_multiscale_images_are_read_at_full_size():
    full = volume(3, 64, 48)
    viewer, image = viewer_with([full, full[:, ::2, ::2], full[:, ::4, ::4]], multiscale=True)
    viewer.dims.set_current_step(0, 2)
    view = image_view(image, current_plane(viewer.dims, image))
    assert view.shape == (64, 48)
    np.testing.assert_array_equal(view.read(), full[2])


def test_lazy_data_is_computed_for_the_plane_alone_and_only_when_read():
    dask = pytest.importorskip("dask.array")
    computed = []

    def load(block, block_info=None):
        computed.append(block_info[0]["chunk-location"][0])
        return block

    lazy = dask.zeros((50, 8, 8), chunks=(1, 8, 8), dtype=np.uint8).map_blocks(
        load, meta=np.empty((0, 0, 0), np.uint8)
    )
    viewer, image = viewer_with(lazy, contrast_limits=(0, 255), visible=False)
    viewer.dims.set_current_step(0, 20)
    computed.clear()
    view = image_view(image, current_plane(viewer.dims, image))
    assert computed == []
    view.read()
    assert computed == [20]


class Counting:
    """An array on some slow store that counts the bytes that are read from it."""

    def __init__(self, array):
        self.array, self.read = array, 0
        self.shape, self.dtype, self.ndim, self.size = (
            array.shape,
            array.dtype,
            array.ndim,
            array.size,
        )

    def __getitem__(self, key):
        part = np.asarray(self.array[key])
        self.read += part.nbytes
        return part


@pytest.mark.parametrize("n_planes", [10, 1000])
def test_the_bytes_read_are_those_of_the_plane_however_long_the_stack(n_planes):
    store = Counting(np.zeros((n_planes, 20, 30), np.uint16))
    viewer, image = viewer_with(store, contrast_limits=(0, 1), visible=False)
    viewer.dims.set_current_step(0, 5)
    store.read = 0
    view = image_view(image, current_plane(viewer.dims, image))
    assert store.read == 0
    view.read()
    assert store.read == 20 * 30 * 2


def sources(data):
    """The same values in every kind of array that is installed."""
    return {
        "numpy": lambda: data,
        "dask": lambda: pytest.importorskip("dask.array").from_array(data, chunks=3),
        "zarr": lambda: pytest.importorskip("zarr").array(data, chunks=(3,) * data.ndim),
        "xarray": lambda: pytest.importorskip("xarray").DataArray(data),
        "tensorstore": lambda: pytest.importorskip("tensorstore").array(data),
    }


@pytest.mark.parametrize("kind", list(sources(np.zeros(1))))
@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6), (2, 3, 5, 6), (2, 2, 3, 5, 6)])
def test_planes_of_any_source_and_any_number_of_axes(kind, shape):
    data = volume(*shape)
    viewer, image = viewer_with(sources(data)[kind](), rgb=False, contrast_limits=(0, 255))
    assert image.ndim == len(shape)
    for axis in range(len(shape) - 2):
        viewer.dims.set_current_step(axis, 1)
    view = image_view(image, current_plane(viewer.dims, image))
    np.testing.assert_array_equal(view.read(), data[(1,) * (len(shape) - 2)])


def test_the_image_layer_is_never_altered():
    viewer, image = viewer_with(
        volume(5, 6, 7), scale=(2, 0.5, 3), translate=(1, 2, 3), gamma=0.8, contrast_limits=(5, 90)
    )
    state, data = repr(image.as_layer_data_tuple()[1:]), image.data.copy()
    image_view(image, current_plane(viewer.dims, image)).read()[:] = 1
    assert repr(image.as_layer_data_tuple()[1:]) == state
    np.testing.assert_array_equal(image.data, data)


# --- coordinates of other layers -----------------------------------------------------------------

placements = st.fixed_dictionaries(
    {
        "scale": st.tuples(*[st.sampled_from((-3.0, 0.01, 0.5, 1.0, 40.0))] * 2),
        "translate": st.tuples(*[st.floats(-500, 500)] * 2),
        "rotate": st.floats(-180, 180),
        "shear": st.floats(-1, 1),
        "unit": st.sampled_from(("um", "nm", "mm")),
    }
)


def place(placement, ndim, hidden_scale):
    """Arguments of a layer that is transformed within its last two axes."""
    turn = np.deg2rad(placement["rotate"])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = linear @ [[1, placement["shear"]], [0, 1]]
    affine = np.eye(ndim + 1)
    affine[ndim - 2 : ndim, ndim - 2 : ndim] = linear
    lead = [hidden_scale] * (ndim - 2)
    return {
        "affine": affine,
        "scale": [*lead, *placement["scale"]],
        "translate": [*([0] * (ndim - 2)), *placement["translate"]],
        "units": [*(["um"] * (ndim - 2)), *([placement["unit"]] * 2)],
    }


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
