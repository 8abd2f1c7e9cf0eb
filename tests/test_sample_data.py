from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy.ndimage import label

from napari_samv2_prompts.sample_data import (
    COIN_BOXES,
    cells,
    coins,
    film,
    generate_cells,
    immunohistochemistry,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch) -> None:
    """Let any attempt to reach the network fail."""

    def refuse(*args: object) -> None:
        raise AssertionError("sample data must not need the network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


@pytest.mark.parametrize("sample", [coins, immunohistochemistry, cells, film])
def test_samples_open_as_layers(sample) -> None:
    viewer = ViewerModel()
    for data in sample():
        viewer._add_layer_from_data(*data)
    (layer,) = viewer.layers
    assert layer.name == sample.__name__
    assert layer.rgb == (sample is immunohistochemistry)
    assert min(layer.data.shape[layer.ndim - 2 :][:2]) > 300


def test_the_film_moves_and_names_its_axes() -> None:
    ((image, about, _),) = film()
    assert about["axis_labels"] == ("t", "y", "x")
    assert image.dtype == np.uint16
    first, last = image[0].astype(float), image[-1].astype(float)
    moved = np.corrcoef(first[36:, 27:].ravel(), last[:-36, :-27].ravel())[0, 1]
    assert moved > 0.9 > np.corrcoef(first.ravel(), last.ravel())[0, 1] + 0.3


def test_generated_cells_are_cells() -> None:
    image = generate_cells(seed=3)
    assert image.dtype == np.uint16
    assert image.shape == (512, 512)
    np.testing.assert_array_equal(image, generate_cells(seed=3))
    assert (image != generate_cells(seed=4)).any()
    _, count = label(image > 700)
    assert count > 15


def test_coin_boxes_hold_one_bright_coin_each() -> None:
    ((image, _, _),) = coins()
    assert len(COIN_BOXES) == 24
    height, width = image.shape
    for x0, y0, x1, y1 in COIN_BOXES:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        inside = image[y0:y1, x0:x1]
        middle = inside[len(inside) // 4 : -len(inside) // 4, (x1 - x0) // 4 : -(x1 - x0) // 4]
        corners = inside[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert middle.mean() > corners.mean() + 15
