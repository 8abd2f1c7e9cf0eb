"""The network that finds walls: what it computes, and when walls are found by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from training.fit_borders import BORDERS, Borders, targets_of

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import cropped
from napari_samv2_prompts.propagation.borders import AROUND, FLAT, borders, layers_of
from napari_samv2_prompts.propagation.walls import Walls
from napari_samv2_prompts.regions import Region

from .fakes import WatchedPicture

PLANES, SIDE, CELLS = 7, 96, 9


def cells(organelles: int = 0, noise: float = 8):
    """Bright cells with dark membranes, the same on all planes, and their label image.

    Organelles are dark outlines within them, each on three planes.
    """
    rng = np.random.default_rng(5)
    places = rng.uniform(10, SIDE - 10, (CELLS, 2))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(rows[..., None] - places[:, 0], columns[..., None] - places[:, 1])
    near = np.sort(away, axis=-1)
    grey = np.full((PLANES, SIDE, SIDE), 170.0)
    grey -= 110 * (near[..., 1] - near[..., 0] < 2.5)
    for _ in range(organelles):
        plane, row, column = rng.integers((PLANES - 2, SIDE, SIDE))
        ring = np.abs(np.hypot(rows - row, columns - column) - 3) < 0.8
        grey[plane : plane + 3] = np.where(ring, 70, grey[plane : plane + 3])
    grey = ndimage.gaussian_filter(grey, (0, 0.6, 0.6)) + rng.normal(0, noise, grey.shape)
    return np.clip(grey, 0, 255).astype(np.uint8), away.argmin(-1) + 1


def of_torch(net: Borders, planes: np.ndarray) -> np.ndarray:
    height, width = planes.shape[1:]
    maps = (planes - planes.mean()) / (planes.std() + FLAT)
    maps = np.pad(maps, ((0, 0), (0, -height % 4), (0, -width % 4)), mode="edge")
    with torch.no_grad():
        outputs = net(torch.tensor(maps)[None])
    return outputs[0, :BORDERS, :height, :width].mean(0).numpy()


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 45), st.integers(1, 45), st.integers(0, 100))
def test_it_computes_what_the_trained_network_computes(height, width, seed):
    torch.manual_seed(seed)
    net = Borders().eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
    rng = np.random.default_rng(seed)
    planes = rng.uniform(0, 255, (2 * AROUND + 1, height, width)).astype(np.float32)
    ours = np.concatenate(list(borders(planes, layers_of(net.numbers()))))
    assert ours.shape == (height, width)
    np.testing.assert_allclose(ours, of_torch(net, planes), rtol=1e-3, atol=1e-4)


def test_membranes_are_higher_than_what_is_in_cells_whatever_the_contrast():
    image, labels = cells(organelles=60)
    wall = targets_of(labels[None])[0, 0] > 0
    inside = ndimage.distance_transform_edt(~wall) > 4
    for planes in (image[1:6].astype(np.float32), image[1:6] * np.float32(0.3) + 40):
        heights = np.concatenate(list(borders(planes)))
        assert np.median(heights[wall]) > np.quantile(heights[inside], 0.95)


def walls_of(image, labels):
    known = {n: {3: cropped(labels == n)} for n in range(1, CELLS + 1)}
    return Walls.of(StackPicture.of(image), known)


def test_dark_walls_are_found_by_it_where_much_else_is_dark():
    image, labels = cells(organelles=250, noise=30)
    assert not walls_of(image, labels).bright
    assert walls_of(image, labels).learnt


def test_bright_walls_are_found_by_their_brightness():
    image, labels = cells(organelles=250, noise=30)
    assert walls_of(255 - image, labels).bright
    assert not walls_of(255 - image, labels).learnt


def test_dark_walls_among_nothing_else_are_found_by_their_brightness():
    image, labels = cells()
    assert not walls_of(image, labels).bright
    assert not walls_of(image, labels).learnt


@pytest.mark.parametrize("height", [89, 94, 96])
def test_many_rows_are_done_in_parts_with_the_same_heights(monkeypatch, height):
    planes = cells(organelles=60)[0][1:6, :height].astype(np.float32)
    (whole,) = borders(planes)
    monkeypatch.setattr("napari_samv2_prompts.propagation.borders.BAND", 8 * SIDE)
    parts = list(borders(planes))
    assert len(parts) == 12
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-3)


def test_cancelling_does_not_wait_for_more_than_a_part_of_a_plane(monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.propagation.walls.BAND", 1)
    image, labels = cells()
    mask = cropped(labels == 4)
    walls = Walls(StackPicture.of(image), bright=False, level=20.0, learnt=True)
    followed = {plane: {4: mask} for plane in range(1, PLANES)}
    *parts, masks = walls.fitted(range(PLANES), {0: {4: mask}}, followed)
    assert len(parts) >= PLANES
    assert set(masks) == set(range(PLANES))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stack_may_have_fewer_planes_than_are_looked_at(count):
    image, labels = cells()
    stack = StackPicture.of(image[:count])
    mask = cropped(labels == 4)
    walls = Walls(stack, bright=False, level=20.0, learnt=True)
    *_, masks = walls.fitted(range(count), {0: {4: mask}}, {p: {4: mask} for p in range(1, count)})
    assert all(4 in masks[plane] for plane in range(1, count))


def test_planes_beyond_the_fifth_are_not_read_for_one():
    image, labels = cells()
    stack = WatchedPicture(image, None)
    Walls(stack, bright=False, level=20.0, learnt=True).seen(1, Region.whole(labels.shape))
    assert stack.read_planes == [
        0,
        1,
        2,
        3,
    ]  # the plane before the first one is the second one, mirrored


def test_what_an_anchor_takes_of_a_neighbour_is_not_carried_on():
    image, labels = cells()
    beside = np.unique(labels[ndimage.binary_dilation(labels == 4, iterations=3)])
    other = labels == max(beside[beside != 4], key=lambda number: np.sum(labels == number))
    near = other & (ndimage.distance_transform_edt(labels != 4) < 10)
    anchor = cropped((labels == 4) | near)
    walls = Walls(StackPicture.of(image), bright=False, level=20.0, learnt=True)
    followed = {plane: {4: cropped(labels == 4)} for plane in range(1, PLANES)}
    *_, masks = walls.fitted(range(PLANES), {0: {4: anchor}}, followed)
    for plane in range(2, PLANES):
        mask = masks[plane][4].full(labels.shape)
        assert np.count_nonzero(mask & other) < 0.2 * np.count_nonzero(near)
        assert np.count_nonzero(mask & (labels == 4)) > 0.7 * np.count_nonzero(labels == 4)
