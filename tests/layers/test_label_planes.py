from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from napari.layers import Labels, Points

from napari_samv2_prompts.layers.classes import object_classes, set_class
from napari_samv2_prompts.layers.labels_reading import labels_by_plane


@given(
    data=arrays(st.sampled_from([np.uint8, np.int64, np.uint16]), (2, 3, 4, 5),
                elements=st.integers(0, 9)),
    hidden=st.sampled_from([(0, 1), (1, 2), (0, 3), (2, 3)]),
)  # fmt: skip
def test_every_label_is_found_on_exactly_its_planes(data, hidden) -> None:
    shown = tuple(axis for axis in range(4) if axis not in hidden)
    expected = {
        int(label): tuple(map(tuple, np.argwhere((data == label).any(axis=shown))))
        for label in np.unique(data) if label > 0
    }  # fmt: skip
    assert labels_by_plane(data, hidden) == expected


@pytest.mark.parametrize("value", [-5, 2**40, 3])
def test_large_and_negative_values_are_no_trouble(value: int) -> None:
    data = np.zeros((4, 4), np.int64)
    data[1, 1] = value
    assert labels_by_plane(data, ()) == ({value: ((),)} if value > 0 else {})


def test_a_search_can_be_ended_between_planes() -> None:
    def check() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        labels_by_plane(np.zeros((2, 4, 4), np.uint8), (0,), check)


def test_a_class_goes_to_labels_and_prompts_and_can_be_taken_away() -> None:
    points = Points(np.zeros((3, 2)), features={"object": [1, 2, 1], "mine": [7, 8, 9]})
    labels = Labels(np.zeros((4, 4), np.uint8))
    set_class(points, None, labels, 1, "nucleus")
    assert list(points.features["class"]) == ["nucleus", "", "nucleus"]
    assert list(points.features["mine"]) == [7, 8, 9]
    assert points.feature_defaults["class"][0] == ""
    assert object_classes(points, None, labels) == {1: "nucleus"}
    set_class(None, None, labels, 1, "cell")
    assert object_classes(points, None, labels) == {1: "cell"}, "the label's word counts most"
    set_class(None, None, labels, 1, "")
    assert object_classes(points, None, labels) == {}
    assert object_classes(points, None, None) == {1: "nucleus"}
