"""What of a plane is embedded: its pixels, their contrast and channels, and the key of all that.

Which plane it is, is in ``test_planes``; which images are channels, in ``test_belonging``.
"""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.layers.planes_bench import viewer_with, volume

from napari_samv2_prompts.geometry import PlaneError
from napari_samv2_prompts.layers import composed_view, current_plane, image_view

# --- keys and contrast ---


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


def test_the_image_layer_is_never_altered():
    viewer, image = viewer_with(
        volume(5, 6, 7), scale=(2, 0.5, 3), translate=(1, 2, 3), gamma=0.8, contrast_limits=(5, 90)
    )
    state, data = repr(image.as_layer_data_tuple()[1:]), image.data.copy()
    image_view(image, current_plane(viewer.dims, image)).read()[:] = 1
    assert repr(image.as_layer_data_tuple()[1:]) == state
    np.testing.assert_array_equal(image.data, data)


# --- channels ---


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


# --- what is read ---


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
