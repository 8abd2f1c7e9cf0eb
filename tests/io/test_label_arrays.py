"""Labels as scripts hand them over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_samv2_prompts.io.exports import (
    LabelledImage,
    PixelSize,
    read_pixel_size,
    write_coco,
    write_labels,
    write_plane,
)
from napari_samv2_prompts.io.geojson import write_geojson
from napari_samv2_prompts.io.label_arrays import as_labels, numbers_in


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        ([[0, 7], [7, 0]], np.uint16),
        ([[0, 70_000]], np.uint32),
        ([[0.0, 7.0]], np.uint16),
        ([[False, True]], np.uint8),
        (np.eye(3, dtype=np.int32), np.int32),
        (np.eye(3, dtype=np.uint8), np.uint8),
        (np.eye(3, dtype=np.int64), np.uint16),
        (np.zeros((0, 3), np.int64), np.uint16),
    ],
)
@pytest.mark.parametrize("name", ["labels.tif", "labels.ome.tif"])
def test_what_can_be_meant_is_written(tmp_path: Path, given, dtype, name: str) -> None:
    labels = as_labels(given)
    assert labels.dtype == dtype
    np.testing.assert_array_equal(labels, np.asarray(given))
    if labels.size:
        write_labels(tmp_path / name, given)
        found = tifffile.imread(tmp_path / name)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found.squeeze(), labels.squeeze())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[0.5, 1]], "labels have one number an object"),
        ([[np.nan, 1]], "not whole numbers but of type float64"),
        ([["a"]], "not whole numbers"),
        ([[-1, 1]], "below 0, which are no objects: make them 0"),
        ([[1 << 40]], "hold the number 1099511627776.*renumber them"),
        ([[1, 2], [3]], "can't be made an array"),
        (None, "not whole numbers"),
    ],
)
def test_what_can_not_is_refused_by_every_writer(tmp_path: Path, given, message: str) -> None:
    for write in (
        lambda: write_labels(tmp_path / "a.tif", given),
        lambda: write_geojson(tmp_path / "a.geojson", given),
        lambda: write_coco(tmp_path / "a.json", [LabelledImage("a", given)], polygons=True),
    ):
        with pytest.raises(ValueError, match=message):
            write()
    assert not list(tmp_path.iterdir())


def test_other_numbers_of_axes_are_refused_in_words(tmp_path: Path) -> None:
    for shape in ((), (3,), (2, 2, 2, 2, 2)):
        with pytest.raises(ValueError, match=r"say one letter an axis"):
            write_labels(tmp_path / "a.tif", np.ones(shape, np.uint8))
    with pytest.raises(ValueError, match="one plane; the labels of a have 3 axes"):
        write_coco(tmp_path / "a.json", [LabelledImage("a", np.ones((2, 3, 4), int))])
    with pytest.raises(ValueError, match="these labels have 1 axis"):
        write_geojson(tmp_path / "a.geojson", np.ones(3, int))


def test_the_window_writes_what_is_below_zero_as_nothing(tmp_path: Path) -> None:
    write_plane(tmp_path / "a.tif", LabelledImage("a", np.array([[-1, 2]], np.int32)))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), [[0, 2]])


def test_a_pixel_size_as_scripts_say_it(tmp_path: Path) -> None:
    size = PixelSize(0.5, 0.5)
    cases = {0.5: size, (0.5, 0.25): PixelSize(0.5, 0.25), size: size}
    for said, expected in cases.items():
        write_labels(tmp_path / "a.ome.tif", [[1, 2], [3, 4]], pixel_size=said)
        assert read_pixel_size(tmp_path / "a.ome.tif") == expected
    write_labels(tmp_path / "a.ome.tif", np.ones((2, 3, 4), int), pixel_size=(2, 0.5, 0.25))
    assert read_pixel_size(tmp_path / "a.ome.tif") == PixelSize(0.5, 0.25, 2)
    write_labels(tmp_path / "a.ome.tif", np.ones((3, 4), int), pixel_size=(2, 0.5, 0.25))
    assert read_pixel_size(tmp_path / "a.ome.tif") == PixelSize(0.5, 0.25)
    for wrong in ("half", (1, 2, 3, 4), ()):
        with pytest.raises(ValueError, match="give micrometres as one number"):
            write_labels(tmp_path / "a.tif", [[1]], pixel_size=wrong)
    with pytest.raises(ValueError, match="two numbers above 0"):
        write_labels(tmp_path / "a.tif", [[1]], pixel_size=-0.5)


@given(arrays(np.uint32, (4, 5), elements=st.sampled_from([0, 1, 2, 19, 20, 21, 4_000_000_000])))
def test_numbers_are_those_that_sorting_finds(labels) -> None:
    found = np.unique(labels)
    np.testing.assert_array_equal(numbers_in(labels), found[found > 0])
