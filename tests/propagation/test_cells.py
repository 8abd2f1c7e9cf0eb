"""A mask that reaches into a neighbour is held to the cell that it means."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_samv2_prompts.propagation.cells import in_its_cell


def two_cells():
    """Heights with a wall around two cells of 20 x 20 and one between them."""
    height = np.full((30, 50), 5, np.float32)
    height[5:25, 4:24] = height[5:25, 26:46] = -5
    return height


def test_what_reaches_across_a_wall_is_cut_off():
    mask = np.zeros((30, 50), bool)
    mask[4:26, 3:30] = True
    cut = in_its_cell(mask, two_cells())
    assert cut[5:25, 4:24].all()
    assert not cut[:, 26:].any()


def test_the_cell_is_found_by_its_extent_even_if_most_of_it_is_missing():
    mask = np.zeros((30, 50), bool)
    mask[5:25, 4:8] = mask[5:9, 4:24] = True  # its left and upper side
    mask[10:18, 26:29] = True  # and some of the neighbour
    cut = in_its_cell(mask, two_cells())
    assert cut[5:25, 4:8].all()
    assert not cut[:, 26:].any()


def test_of_two_cells_that_a_mask_covers_alike_it_means_the_one_with_its_extent():
    height = two_cells()
    height[8:22, 30:42] = 5  # the right one is a ring around something else
    height[11:19, 33:39] = -5
    mask = np.zeros((30, 50), bool)
    mask[11:19, 33:39] = True
    assert np.array_equal(in_its_cell(mask, height), mask)


def test_a_mask_stays_if_hardly_anything_of_it_is_left():
    mask = np.zeros((30, 50), bool)
    mask[14:16, 24:26] = True  # on the wall
    assert np.array_equal(in_its_cell(mask, two_cells()), mask)


@given(
    arrays(bool, (12, 15)),
    arrays(np.float32, (12, 15), elements=st.floats(-10, 10, width=32)),
)
def test_nothing_is_added(mask, height):
    cut = in_its_cell(mask, height)
    assert not (cut & ~mask).any()
    assert cut.any() == mask.any()
