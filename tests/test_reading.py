"""What is read of an array: the bytes, the level, and the pixels at a smaller size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import block_reduce

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import Channel, compose_planes, render_plane
from napari_samv2_prompts.images.reading import find_window
from napari_samv2_prompts.regions import Region

GREY = (0.0, 255.0)


class Counting:
    """An array on some slow store that counts what is read from it."""

    def __init__(self, array, chunks=None):
        self.array, self.read, self.reads = array, 0, 0
        self.shape = array.shape
        if chunks:
            self.chunks = chunks

    def __getitem__(self, key):
        part = self.array[key]
        self.read += part.size
        self.reads += 1
        return part


def flat(shape):
    return Plane((0, 1), (None, None), shape)


def random(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("axes", [(1, 2), (2, 1)])
def test_a_region_is_a_part_of_the_plane_and_nothing_else_is_read(axes):
    store = Counting(random(3, 40, 50))
    plane = Plane(axes, (2, None, None), (store.shape[axes[0]], store.shape[axes[1]]))
    part = render_plane(store, plane, limits=GREY, region=Region(5, 10, 25, 40), side=512)
    assert store.read == 20 * 30
    whole = render_plane(store.array, plane, limits=GREY)
    np.testing.assert_array_equal(part, whole[5:25, 10:40])


def test_the_coarsest_level_that_has_the_models_detail_is_read():
    full = random(1024, 1024)
    levels = [full[:: 2**i, :: 2**i] for i in range(5)]
    stores = tuple(Counting(level) for level in levels)
    for side, expected in ((1024, 0), (512, 1), (300, 1), (256, 2), (10, 4)):
        for store in stores:
            store.read = 0
        picture = render_plane(stores, flat(full.shape), limits=GREY, side=side)
        assert [store.read > 0 for store in stores].index(True) == expected
        assert sum(store.read for store in stores) == levels[expected].size
        assert min(picture.shape) >= min(side, 2 * side)


def test_a_small_region_of_a_pyramid_is_read_at_full_size():
    full = random(1024, 1024)
    stores = tuple(Counting(full[:: 2**i, :: 2**i]) for i in range(5))
    picture = render_plane(
        stores, flat(full.shape), limits=GREY, region=Region(100, 200, 300, 400), side=512
    )
    np.testing.assert_array_equal(picture, full[100:300, 200:400])
    assert [store.read for store in stores] == [200 * 200, 0, 0, 0, 0]


def test_levels_show_the_same_place():
    rows, columns = np.mgrid[:1024, :2048]
    full = ((rows // 8 + columns // 8) % 251).astype(np.uint8)
    levels = tuple(full[:: 2**i, :: 2**i] for i in range(4))
    region = Region(256, 512, 768, 1536)
    picture = render_plane(levels, flat(full.shape), limits=GREY, region=region, side=64)
    assert picture.shape == (64, 128)
    np.testing.assert_array_equal(picture, full[256:768:8, 512:1536:8])


def test_levels_that_mix_slices_are_left_alone():
    full = random(8, 256, 256)
    levels = full, full[:, ::2, ::2], full[::2, ::4, ::4]
    plane = Plane((1, 2), (5, None, None), (256, 256))
    picture = render_plane(levels, plane, limits=GREY, side=32)
    assert find_window(levels, plane, side=32).data is levels[1]
    np.testing.assert_array_equal(
        picture, np.rint(block_reduce(full[5, ::2, ::2], (2, 2), np.mean)).astype(np.uint8)
    )


def test_without_levels_pixels_are_averaged():
    image = random(640, 1280)
    picture = render_plane(image, flat(image.shape), limits=GREY, side=32)
    np.testing.assert_array_equal(
        picture, np.rint(block_reduce(image, (10, 20), np.mean)).astype(np.uint8)
    )


@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 20), st.integers(1, 70))
def test_whatever_the_size_and_the_chunks_each_pixel_is_read_once_and_counts_once(
    height, width, side, chunk
):
    image = random(height, width)
    store = Counting(image, chunks=(chunk, chunk))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_samv2_prompts.images.reading.STRIP", 500)
        picture = render_plane(store, flat(image.shape), limits=GREY, side=side)
    assert store.read == image.size
    assert all(min(n, 2 * side) <= m <= n for n, m in zip(image.shape, picture.shape, strict=True))
    edges = [np.arange(m + 1) * n // m for n, m in zip(image.shape, picture.shape, strict=True)]
    expected = [
        [image[a:b, c:d].mean() for c, d in zip(edges[1], edges[1][1:], strict=False)]
        for a, b in zip(edges[0], edges[0][1:], strict=False)
    ]
    np.testing.assert_allclose(picture, expected, atol=0.51)


def test_chunks_are_read_whole_and_once(monkeypatch):
    dask = pytest.importorskip("dask.array")
    monkeypatch.setattr("napari_samv2_prompts.images.reading.STRIP", 3000)
    seen = []

    def load(block, block_info=None):
        seen.append(tuple(block_info[0]["chunk-location"]))
        return block

    image = random(600, 600)
    lazy = dask.from_array(image, chunks=(70, 90)).map_blocks(load, dtype=image.dtype)
    seen.clear()
    picture = render_plane(lazy, flat(image.shape), limits=GREY, side=16)
    assert len(seen) == len(set(seen)) == 9 * 7
    np.testing.assert_array_equal(
        picture, render_plane(image, flat(image.shape), limits=GREY, side=16)
    )


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_are_averaged_too(channels):
    image = random(256, 256, channels)
    picture = render_plane(image, flat((256, 256)), rgb=True, limits=GREY, side=32)
    expected = block_reduce(
        render_plane(image, flat((256, 256)), rgb=True, limits=GREY), (4, 4, 1), np.mean
    )
    np.testing.assert_allclose(picture, expected, atol=0.51)


def test_percentiles_of_a_large_plane_are_those_of_its_pixels(monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.images.reading.STRIP", 3000)
    image = np.random.default_rng(0).normal(1000, 50, (576, 480)).astype(np.float32)
    picture = render_plane(image, flat(image.shape), side=16)
    expected = block_reduce(render_plane(image, flat(image.shape)), (18, 15), np.mean)
    assert abs(float(picture.mean()) - float(expected.mean())) < 1


def test_channels_of_different_levels_lie_on_each_other():
    full = random(512, 512)
    ramp = np.repeat(np.linspace(0, 1, 256)[:, None], 4, axis=1)
    pyramid = Channel((full, full[::4, ::4]), GREY, 1.0, ramp)
    single = Channel(full // 2, GREY, 1.0, ramp)
    plane = flat(full.shape)
    picture = compose_planes([pyramid, single], plane, side=128)
    assert picture.shape == (128, 128, 3)
    alone = compose_planes([pyramid], plane, side=128)
    assert (picture.astype(int) >= alone.astype(int) - 1).all()
