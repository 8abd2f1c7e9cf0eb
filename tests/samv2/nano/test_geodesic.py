"""Reach is a geodesic distance: short within an object, long across its edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from napari_samv2_prompts.samv2.nano.geodesic import COLOUR_COST, STEP_COST, draw_geodesic

SIDE = 24
CLICK = torch.tensor([[1]])


def shortest(colours: np.ndarray, x: int, y: int) -> np.ndarray:
    """Distances from a cell over the graph of four neighbours, by Dijkstra's algorithm."""
    cells = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    rows, columns, costs = [], [], []
    for one, other in (
        (np.s_[:, 1:], np.s_[:, :-1]),
        (np.s_[1:], np.s_[:-1]),
    ):
        step = np.abs(colours[(slice(None), *np.index_exp[one])] - colours[:, *np.index_exp[other]])
        rows.append(cells[one].ravel())
        columns.append(cells[other].ravel())
        costs.append((COLOUR_COST * step.mean(0) + STEP_COST).ravel())
    graph = coo_array(
        (np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))),
        shape=(SIDE * SIDE,) * 2,
    )
    return dijkstra(graph.tocsr(), directed=False, indices=cells[y, x]).reshape(SIDE, SIDE)


def distance(colours: np.ndarray, x: float, y: float) -> np.ndarray:
    image = torch.from_numpy(colours.astype(np.float32))[None]
    reach = draw_geodesic(image, torch.tensor([[[float(x), float(y)]]]), CLICK)[0, 0]
    return -np.log(reach.numpy())


@pytest.mark.parametrize("sigma", [0, 2, 5])
def test_distances_are_dijkstras_or_a_little_longer(sigma: float) -> None:
    rng = np.random.default_rng(int(sigma))
    colours = ndimage.gaussian_filter(rng.random((3, SIDE, SIDE)), (0, sigma, sigma))
    colours = (colours - colours.min()) / np.ptp(colours)
    ours, exact = distance(colours, 7, 15), shortest(colours, 7, 15)
    assert (ours >= exact - 1e-4).all()
    near = exact < np.quantile(exact, 0.5)
    assert np.median(ours[near] / np.maximum(exact[near], 1e-3)) < 1.15


def test_on_an_even_image_it_is_the_number_of_steps() -> None:
    y, x = np.indices((SIDE, SIDE))
    expected = STEP_COST * (abs(x - 3) + abs(y - 4))
    np.testing.assert_allclose(
        distance(np.full((3, SIDE, SIDE), 0.4), 3.2, 3.8), expected, atol=1e-5
    )


def test_a_seam_between_touching_objects_is_hardly_crossed() -> None:
    image = np.zeros((3, SIDE, SIDE))
    image[:, 6:18, 2:22] = 1.0
    image[:, 6:18, 12] = 0.6
    reach = np.exp(-distance(image, 6, 12))
    assert reach[6:18, 2:12].min() > 0.7
    assert reach[6:18, 13:22].max() < 0.05
    assert reach[:6].max() < 0.01


def test_a_box_reaches_from_its_middle_and_from_all_around() -> None:
    image = torch.zeros(1, 3, SIDE, SIDE)
    image[..., 8:14, 6:18] = 1.0
    box = torch.tensor([[[5.0, 7.0], [18.0, 14.0]]])
    inside, outside = draw_geodesic(image, box, torch.tensor([[2, 3]]))[0]
    assert torch.equal(inside > 0.5, image[0, 0] > 0)
    assert torch.equal(outside > 0.5, image[0, 0] == 0)


def test_negative_clicks_reach_for_themselves_and_padding_for_nothing() -> None:
    image = torch.rand(1, 3, SIDE, SIDE)
    coords = torch.tensor([[[4.0, 4.0], [9.0, 20.0], [15.0, 15.0]]])
    positive, negative = draw_geodesic(image, coords, torch.tensor([[1, 0, -1]]))[0]
    assert positive.argmax() == 4 * SIDE + 4
    assert negative.argmax() == 20 * SIDE + 9
    none = draw_geodesic(image, coords[:, :1], CLICK)[0, 1]
    assert not none.any() or float(none.max()) < 1e-20
