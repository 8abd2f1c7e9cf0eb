from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.geometry import AffineMap, Plane, PlaneError

SHAPE = (4, 5, 6, 7)


@st.composite
def planes(draw: st.DrawFn) -> Plane:
    """Any plane of an array of two to four axes, transposed or not."""
    shape = SHAPE[: draw(st.integers(2, 4))]
    axes = draw(st.sampled_from(list(permutations(range(len(shape)), 2))))
    index = [None if a in axes else draw(st.integers(0, n - 1)) for a, n in enumerate(shape)]
    return Plane(axes, tuple(index), (shape[axes[0]], shape[axes[1]]))


@st.composite
def affine_maps(draw: st.DrawFn, ndim: int) -> AffineMap:
    """A well-conditioned map: rotation, shear, scales of any sign, translation."""
    number = st.floats(-1, 1)
    scales = [draw(st.sampled_from((-30.0, -1.0, 0.02, 0.5, 4.0))) for _ in range(ndim)]
    shear = np.eye(ndim)
    for row, column in zip(*np.triu_indices(ndim, 1), strict=True):
        shear[row, column] = draw(number)
    turn, _ = np.linalg.qr(np.reshape([draw(number) for _ in range(ndim**2)], (ndim, ndim)))
    offset = np.array([draw(st.floats(-1000, 1000)) for _ in range(ndim)])
    return AffineMap(turn @ shear @ np.diag(scales), offset)


pixels = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), max_size=4).map(
    lambda rows: np.reshape(rows, (-1, 2))
)


@given(planes(), pixels)
def test_plane_pixels_to_data_and_back_is_the_identity(plane, xy):
    points = plane.to_data(xy)
    assert points.shape == (len(xy), plane.ndim)
    np.testing.assert_array_equal(plane.to_pixels(points), xy)
    assert plane.contains(points).all()


@given(planes(), st.data())
def test_indexer_indices_and_pixels_name_the_same_element(plane, data):
    array = np.arange(np.prod(SHAPE[: plane.ndim])).reshape(SHAPE[: plane.ndim])
    shown = plane.oriented(array[plane.indexer()])
    assert shown.shape == plane.shape
    row = data.draw(st.integers(0, plane.shape[0] - 1))
    column = data.draw(st.integers(0, plane.shape[1] - 1))
    by_indices = array[plane.indices(np.array([row]), np.array([column]))]
    by_pixel = array[tuple(plane.to_data([[column, row]])[0].astype(int))]
    assert shown[row, column] == by_indices[0] == by_pixel
    part = plane.oriented(array[plane.indexer(slice(row, None), slice(column, None))])
    np.testing.assert_array_equal(part, shown[row:, column:])


@given(planes())
def test_data_order_has_the_same_pixels_untransposed(plane):
    ordered = plane.in_data_order()
    assert not ordered.is_transposed
    assert ordered.in_data_order() == ordered
    array = np.arange(np.prod(SHAPE[: plane.ndim])).reshape(SHAPE[: plane.ndim])
    np.testing.assert_array_equal(array[ordered.indexer()], array[plane.indexer()])


@given(st.data())
def test_planes_meet_where_they_have_pixels_in_common(data):
    first = data.draw(planes())
    last = data.draw(planes().filter(lambda plane: plane.ndim == first.ndim))
    seen = [np.zeros(SHAPE[: first.ndim], bool) for _ in range(2)]
    for each, plane in zip(seen, (first, last), strict=True):
        each[plane.indexer()] = True
    assert first.meets(last) == last.meets(first) == bool((seen[0] & seen[1]).any())


def test_in_data_order_axes_and_shape_are_turned_together():
    turned = Plane((2, 0), (None, 3, None), (7, 5)).in_data_order()
    assert turned == Plane((0, 2), (None, 3, None), (5, 7))


def test_points_belong_to_the_plane_that_they_round_to():
    plane = Plane((1, 2), (3, None, None), (5, 6))
    points = [[2.6, 0, 0], [3.4, 9, 9], [3.6, 0, 0], [2.4, 0, 0], [-3, 0, 0]]
    assert plane.contains(points).tolist() == [True, True, False, False, False]
    deeper = Plane((2, 3), (1, 3, None, None), (5, 6))
    assert deeper.contains([[1, 3, 0, 0], [1, 2, 0, 0], [0, 3, 0, 0]]).tolist() == [1, 0, 0]


def test_the_edge_of_the_image_is_half_a_pixel_from_the_centres():
    plane = Plane((0, 1), (None, None), (5, 6))
    xy = [[-0.5, -0.5], [5.5, 4.5], [-0.51, 0], [5.51, 0], [0, 4.51]]
    assert plane.inside(xy).tolist() == [True, True, False, False, False]


def test_contradictory_or_empty_planes_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Plane((0, 1), (None, None, None), (2, 2))
    with pytest.raises(PlaneError, match="no pixels"):
        Plane((0, 1), (None, None), (0, 2))
    assert Plane((0, 1), (None, None), (1, 1)).inside([[0, 0]]).all()  # one pixel is enough


@given(affine_maps(3), affine_maps(3))
def test_maps_invert_and_compose(first, second):
    points = np.array([[0.0, 0, 0], [1, 2, 3], [-4, 5, 100]])
    np.testing.assert_allclose(first.inverse()(first(points)), points, atol=1e-6)
    np.testing.assert_allclose(first.then(second)(points), second(first(points)), atol=1e-4)


@given(affine_maps(2), affine_maps(2))
def test_the_part_on_some_axes_stands_alone(shown, hidden):
    matrix = np.zeros((4, 4))
    matrix[np.ix_([3, 1], [3, 1])] = shown.matrix
    matrix[np.ix_([0, 2], [0, 2])] = hidden.matrix
    offset = np.array([hidden.offset[0], shown.offset[1], hidden.offset[1], shown.offset[0]])
    part = AffineMap(matrix, offset).on_axes((3, 1))
    np.testing.assert_array_equal(part.matrix, shown.matrix)
    np.testing.assert_array_equal(part.offset, shown.offset)


@pytest.mark.parametrize(("row", "column"), [(0, 2), (2, 0)])
def test_maps_that_mix_shown_and_hidden_axes_are_refused(row, column):
    matrix = np.diag([1e6, 1.0, 1e-3])
    matrix[row, column] = 0.1 * matrix[row, row]
    with pytest.raises(PlaneError, match="out of the plane"):
        AffineMap(matrix, np.zeros(3)).on_axes((1, 2))


def test_rounding_noise_does_not_count_as_mixing():
    matrix = np.diag([1.0, 1.0, 1.0])
    matrix[0, 1] = matrix[2, 0] = 1e-9
    AffineMap(matrix, np.zeros(3)).on_axes((1, 2))


def test_a_flattened_axis_is_refused():
    with pytest.raises(PlaneError, match="flattens"):
        AffineMap(np.diag([1.0, 0.0]), np.zeros(2)).inverse()


def test_maps_are_compared_by_where_the_corners_land():
    here = AffineMap(np.eye(2), np.zeros(2))
    assert here.almost_equals(AffineMap(np.eye(2) * (1 + 1e-9), np.zeros(2)), (1000, 1000))
    assert not here.almost_equals(AffineMap(np.eye(2) * (1 + 1e-4), np.zeros(2)), (1000, 1000))
    assert not here.almost_equals(AffineMap(np.eye(2), np.full(2, 0.5)), (10, 10))
    assert not here.almost_equals(AffineMap(np.eye(3), np.zeros(3)), (10, 10))


def test_a_map_scales_turns_and_then_shifts() -> None:
    here = AffineMap(np.array([[0.0, 2.0], [3.0, 0.0]]), np.array([10.0, -1.0]))
    np.testing.assert_array_equal(here([[1, 5], [0, 0]]), [[20, 2], [10, -1]])
    assert not np.isfinite(here([[np.inf, np.nan]])).any()
