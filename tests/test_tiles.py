"""Tiles cover a picture, and each object is some tile's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.tiles import tiles_of

shapes = st.tuples(st.integers(1, 400), st.integers(1, 400))


@given(shapes, st.sampled_from([(64, 16), (100, 30), (50, 0)]))
def test_cores_cover_every_pixel_once(shape: tuple[int, int], sizes: tuple[int, int]) -> None:
    covered = np.zeros(shape, int)
    for tile in tiles_of(shape, *sizes):
        core, region = tile.core, tile.region
        covered[core.top : core.bottom, core.left : core.right] += 1
        assert region.top <= core.top <= core.bottom <= region.bottom <= shape[0]
        assert region.left <= core.left <= core.right <= region.right <= shape[1]
    assert (covered == 1).all()


@given(shapes, st.data())
def test_an_object_up_to_the_overlap_is_whole_in_the_tile_that_owns_it(
    shape: tuple[int, int], data: st.DataObject
) -> None:
    overlap = 30
    height, width = (data.draw(st.integers(1, min(overlap - 2, side))) for side in shape)
    top = data.draw(st.integers(0, shape[0] - height))
    left = data.draw(st.integers(0, shape[1] - width))
    box = (top, left, top + height, left + width)
    owners = [tile for tile in tiles_of(shape, 100, overlap) if tile.owns(box)]
    assert len(owners) == 1
    assert not owners[0].region.cuts(box, owners[0].shape)


def test_tiles_are_no_larger_than_asked() -> None:
    tiles = tiles_of((1000, 130), 100, 20)
    assert max(tile.region.bottom - tile.region.top for tile in tiles) == 100
    # a little more than one tile is one tile
    assert {tile.region.right - tile.region.left for tile in tiles} == {130}


def test_an_overlap_of_half_a_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="less than half"):
        tiles_of((100, 100), 20, 10)
