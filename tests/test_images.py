from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import (
    Channel,
    compose_planes,
    percentile_limits,
    read_plane,
    render_plane,
    to_uint8,
)

FLAT = Plane((0, 1), (None, None), (4, 5))


def displayed(values, low, high, gamma=1.0):
    """The display formula, in double precision and without shortcuts."""
    shares = np.clip((values.astype(float) - low) / (high - low), 0, 1) ** gamma
    return np.rint(shares * 255)


@given(
    hnp.arrays(
        st.sampled_from(["bool", "u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"]),
        (4, 5),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    st.floats(-1000, 1000),
    st.floats(0.5, 1e5),
    st.sampled_from((1.0, 0.4, 2.2)),
)
def test_values_map_as_displayed(values, low, span, gamma):
    out = to_uint8(values, (low, low + span), gamma)
    assert out.dtype == np.uint8
    expected = displayed(values.astype(np.float64).clip(low, low + span), low, low + span, gamma)
    np.testing.assert_allclose(out, expected, atol=1)


@given(hnp.arrays("f4", (4, 5)))
def test_any_float_image_gives_a_picture(values):
    for contrast in ((0.0, 1.0), None):
        picture = render_plane(values, FLAT, limits=contrast)
        assert picture.shape == (4, 5)
        assert picture.dtype == np.uint8
        assert not picture[np.isnan(values)].any()


def test_infinities_saturate_and_nan_is_black():
    values = np.array([[np.nan, -np.inf, np.inf, 0.5]])
    assert to_uint8(values, (0, 1)).tolist() == [[0, 0, 255, 128]]


@pytest.mark.parametrize("value", [0, 7, -3])
def test_constant_images_are_dark_not_an_error(value):
    image = np.full((4, 5), value, dtype=np.int16)
    assert not render_plane(image, FLAT, limits=None).any()


def test_twelve_bit_data_uses_the_whole_range():
    # Scaling 12-bit values by the range of their 16-bit type leaves them near black.
    image = np.linspace(100, 4095, 20).astype(np.uint16).reshape(4, 5)
    for limits in ((100.0, 4095.0), None):
        picture = render_plane(image, FLAT, limits=limits)
        assert picture.min() <= 1
        assert picture.max() >= 254


def test_percentiles_ignore_a_hot_pixel():
    image = np.random.default_rng(0).integers(100, 200, (300, 300)).astype(np.uint16)
    image[5, 5] = 65535
    low, high = percentile_limits(image)
    assert 100 <= low <= 101
    assert 198 <= high <= 199


def test_percentiles_of_a_few_bright_spots_show_them():
    image = np.zeros((200, 200), np.float32)
    image[50:52, 50:52] = 3
    assert percentile_limits(image) == (0, 3)


def test_percentiles_of_large_planes_come_from_a_sample_spread_over_all():
    ramp = np.broadcast_to(np.linspace(0, 1, 3000), (2000, 3000))
    assert np.allclose(percentile_limits(ramp), (0.005, 0.995), atol=0.002)


def test_without_finite_pixels_there_is_still_a_picture():
    assert percentile_limits(np.full((3, 3), np.nan)) == (0, 0)


def test_rgb_of_8_bit_is_unchanged_and_alpha_is_laid_over_black():
    rgba = np.random.default_rng(0).integers(0, 256, (4, 5, 4)).astype(np.uint8)
    for limits in ((0.0, 255.0), None):
        np.testing.assert_array_equal(
            render_plane(rgba[..., :3], FLAT, rgb=True, limits=limits), rgba[..., :3]
        )
    expected = np.rint(rgba[..., :3] * (rgba[..., 3:] / 255))
    np.testing.assert_array_equal(render_plane(rgba, FLAT, rgb=True), expected)


def test_float_rgba_has_opacity_one_at_one():
    rgba = np.full((4, 5, 4), 0.5)
    picture = render_plane(rgba, FLAT, rgb=True, limits=(0.0, 1.0))
    assert picture.shape == (4, 5, 3)
    assert np.unique(picture).tolist() == [64]


def test_the_picture_is_a_copy():
    image = np.zeros((4, 5), np.uint8)
    picture = render_plane(image, FLAT, limits=(0.0, 255.0))
    picture[:] = 1
    assert not image.any()


def test_float_blocks_join_seamlessly(monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.images.values.BLOCK", 7)
    image = np.random.default_rng(0).random((4, 5))
    np.testing.assert_array_equal(to_uint8(image, (0, 1)), displayed(image, 0, 1))


@pytest.mark.filterwarnings("error")
def test_values_near_the_largest_keep_their_contrast():
    usual = np.random.default_rng(0).random((40, 50)) * 2 - 1
    usual[:20, :25] = -1
    large = usual * 2.0**1023
    expected = to_uint8(usual, percentile_limits(usual))
    np.testing.assert_array_equal(to_uint8(large, percentile_limits(large)), expected)
    ends = np.repeat([[-1.7e308, 1.7e308]], 9, axis=0)
    assert to_uint8(ends, percentile_limits(ends)).tolist() == [[0, 255]] * 9


def test_complex_images_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match="convert it to real numbers"):
        read_plane(np.zeros((4, 5), complex), FLAT)


class Counting:
    """An array that notes how much of it was read."""

    def __init__(self, array):
        self.array, self.read = array, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.read += part.size
        return part


@pytest.mark.parametrize("axes", [(1, 2), (2, 1), (0, 2), (2, 0)])
def test_one_plane_is_read_and_nothing_else(axes):
    data = np.random.default_rng(0).integers(0, 99, (3, 4, 5)).astype(np.uint8)
    index = [None, None, None]
    index[3 - sum(axes)] = 1
    plane = Plane(axes, tuple(index), (data.shape[axes[0]], data.shape[axes[1]]))
    counting = Counting(data)
    picture = render_plane(counting, plane, limits=(0.0, 255.0))
    assert counting.read == np.prod(plane.shape)
    expected = np.transpose(data, (*axes, 3 - sum(axes)))[..., 1]
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("kind", ["dask", "zarr", "xarray"])
def test_lazy_arrays_give_the_same_picture(kind):
    data = np.random.default_rng(0).integers(0, 5000, (3, 4, 5)).astype(np.uint16)
    plane = Plane((2, 1), (1, None, None), (5, 4))
    module = pytest.importorskip({"dask": "dask.array"}.get(kind, kind))
    lazy = {
        "dask": lambda: module.from_array(data, chunks=(1, 2, 3)),
        "zarr": lambda: module.array(data, chunks=(1, 2, 3)),
        "xarray": lambda: module.DataArray(data),
    }[kind]()
    np.testing.assert_array_equal(
        render_plane(lazy, plane, limits=(0.0, 5000.0)),
        render_plane(data, plane, limits=(0.0, 5000.0)),
    )


RED = np.stack([np.linspace(0, 1, 256), np.zeros(256), np.zeros(256), np.ones(256)], axis=1)
GREEN = RED[:, [1, 0, 2, 3]]


def flat(value, colours, **kwargs):
    return Channel(np.full((4, 5), value, np.uint8), (0.0, 255.0), 1.0, colours, **kwargs)


@pytest.mark.parametrize(
    ("blending", "opacity", "expected"),
    [
        ("additive", 1.0, (200, 100, 0)),
        ("additive", 0.5, (200, 50, 0)),
        ("translucent", 1.0, (0, 100, 0)),
        ("translucent", 0.5, (100, 50, 0)),
        ("translucent_no_depth", 0.5, (100, 50, 0)),
        ("opaque", 0.5, (0, 100, 0)),
        ("minimum", 1.0, (0, 0, 0)),
        ("multiplicative", 1.0, (0, 0, 0)),
    ],
)
def test_channels_blend_as_in_the_viewer(blending, opacity, expected):
    channels = [flat(200, RED), flat(100, GREEN, blending=blending, opacity=opacity)]
    picture = compose_planes(channels, FLAT)
    assert picture.shape == (4, 5, 3)
    np.testing.assert_allclose(picture[0, 0], expected, atol=1)


def test_the_lowest_channel_lies_on_black():
    for blending in ("additive", "translucent", "multiplicative"):
        channels = [flat(200, RED, blending=blending, opacity=0.5)]
        np.testing.assert_allclose(compose_planes(channels, FLAT)[0, 0], (100, 0, 0), atol=1)
    channels = [flat(200, RED, blending="minimum")]
    assert compose_planes(channels, FLAT)[0, 0].tolist() == [200, 0, 0]


def test_a_colour_image_is_a_channel_too():
    rgb = Channel(np.full((4, 5, 3), 90, np.uint8), (0.0, 255.0), 1.0, RED, rgb=True)
    picture = compose_planes([rgb, flat(100, GREEN)], FLAT)
    assert picture[0, 0].tolist() == [90, 190, 90]


def test_composed_blocks_join_seamlessly(monkeypatch):
    ramp = Channel(np.arange(20, dtype=np.uint8).reshape(4, 5), (0.0, 19.0), 1.0, RED)
    whole = compose_planes([ramp], FLAT)
    monkeypatch.setattr("napari_samv2_prompts.images.channels.BLOCK", 25)
    np.testing.assert_array_equal(compose_planes([ramp], FLAT), whole)
