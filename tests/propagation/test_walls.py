"""Masks are fitted to the walls between objects, where there are walls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_samv2_prompts.prompts import MaskCrop, cropped
from napari_samv2_prompts.propagation import ArrayStack, walls
from napari_samv2_prompts.propagation.patches import overlap
from napari_samv2_prompts.propagation.walls import Walls

PLANES, SIDE, CELLS = 9, 90, 12


def tissue(bright=True):
    """Cells with walls around them, the same on all planes, and their label image."""
    rng = np.random.default_rng(3)
    places = rng.uniform(8, SIDE - 8, (CELLS, 2))
    grid = np.stack(np.mgrid[:SIDE, :SIDE], -1)[..., None, :]
    away = np.sort(np.linalg.norm(grid - places, axis=-1), axis=-1)
    labels = np.linalg.norm(grid - places, axis=-1).argmin(-1) + 1
    wall = ndimage.gaussian_filter((away[..., 1] - away[..., 0] < 2).astype(float), 0.7)
    grey = 70 + 120 * wall + rng.normal(0, 12, (PLANES, SIDE, SIDE))
    grey = grey if bright else 255 - grey
    return np.clip(grey, 0, 255).astype(np.uint8), labels


def masks_of(labels, moved=0):
    """Each cell's mask, its outline moved in and out here and there."""
    rng = np.random.default_rng(moved)
    found = {}
    for number in range(1, CELLS + 1):
        mask = labels == number
        depth = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
        waves = ndimage.gaussian_filter(rng.normal(size=mask.shape), 4)
        crop = cropped(depth + moved * waves / waves.std() > 0)
        found[number] = crop
    return found


@pytest.mark.parametrize("bright", [True, False])
def test_outlines_that_slipped_come_back_to_the_walls(bright):
    image, labels = tissue(bright)
    true = masks_of(labels)
    found = Walls.of(ArrayStack(image), {n: {4: crop} for n, crop in true.items()})
    assert found is not None
    assert found.bright == bright
    known = {plane: masks_of(labels, moved=3) for plane in range(PLANES)}
    known[4] = true
    fitted = found.fitted(range(16), known)
    assert fitted.keys() == set(range(PLANES))
    for plane in (0, 8):
        before = np.mean([overlap(known[plane][n], true[n]) for n in true])
        after = np.mean([overlap(fitted[plane][n], true[n]) for n in true])
        assert before < 0.85
        assert after > 0.9


def test_an_object_does_not_take_the_cells_around_it_that_nobody_knows():
    image, labels = tissue()
    true = masks_of(labels)
    alone = {plane: {5: true[5]} for plane in range(PLANES)}
    found = Walls.of(ArrayStack(image), {5: {4: true[5]}})
    assert overlap(found.fitted(range(3, 4), alone)[3][5], true[5]) > 0.9


def test_bright_objects_on_dark_ground_have_no_walls():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - 40) ** 2 + (columns - 45) ** 2 < 15**2
    noise = np.random.default_rng(0).normal(0, 8, (PLANES, SIDE, SIDE))
    image = np.clip(40 + 100 * disc + noise, 0, 255).astype(np.uint8)
    for picture in (image, 255 - image):
        assert Walls.of(ArrayStack(picture), {1: {4: cropped(disc)}}) is None


def test_a_rim_that_belongs_to_the_object_is_no_wall():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(rows - 40, columns - 45)
    rim = np.exp(-(((away - 12) / 1.5) ** 2))
    noise = np.random.default_rng(0).normal(0, 5, (PLANES, SIDE, SIDE))
    image = np.clip(60 + 150 * rim + noise, 0, 255).astype(np.uint8)
    with_rim, without = (ArrayStack(image), {1: {4: cropped(away < 14)}}), cropped(away < 12)
    assert Walls.of(*with_rim) is None
    assert Walls.of(ArrayStack(image), {1: {4: without}}) is not None


def test_no_anchor_with_pixels_has_no_walls():
    image, _ = tissue()
    empty = MaskCrop(0, 0, np.zeros((0, 0), bool))
    assert Walls.of(ArrayStack(image), {1: {4: empty}}) is None


def test_planes_far_away_change_nothing():
    image, labels = tissue()
    found = Walls(ArrayStack(image), bright=True)
    known = {plane: masks_of(labels, moved=2) for plane in range(PLANES)}
    near = {plane: known[plane] for plane in range(5)}
    for number, crop in found.fitted(range(1), known)[0].items():
        same = found.fitted(range(1), near)[0][number]
        assert (crop.box, crop.mask.tobytes()) == (same.box, same.mask.tobytes())


def test_what_lies_apart_is_fitted_as_if_it_were_alone():
    image, labels = tissue()
    wide = np.concatenate([image, np.full_like(image, 70), image], axis=2)
    one, other = masks_of(labels, moved=2)[5], masks_of(labels, moved=2)[7]
    found = Walls(ArrayStack(wide), bright=True)
    far = MaskCrop(other.top, other.left + 2 * SIDE, other.mask)
    both = found.fitted(range(2, 3), {p: {1: one, 2: far} for p in range(PLANES)})[2]
    alone = found.fitted(range(2, 3), {p: {1: one} for p in range(PLANES)})[2]
    assert (both[1].box, both[1].mask.tobytes()) == (alone[1].box, alone[1].mask.tobytes())


def test_a_window_of_many_pixels_is_fitted_in_parts(monkeypatch):
    image, labels = tissue()
    stack, known = ArrayStack(image), {plane: masks_of(labels, moved=2) for plane in range(PLANES)}
    whole = Walls(stack, bright=True).fitted(range(PLANES), known)
    monkeypatch.setattr(walls, "VOXELS", 2 * SIDE**2)
    parts = Walls(stack, bright=True).fitted(range(PLANES), known)
    for plane in range(PLANES):
        assert parts[plane].keys() == known[plane].keys()
        agreement = [overlap(parts[plane][n], whole[plane][n]) for n in known[plane]]
        assert np.mean(agreement) > 0.95


def test_each_plane_is_read_in_one_go_since_few_are_kept():
    image, labels = tissue()
    read = []

    class Watched(ArrayStack):
        def read(self, plane, rows, columns):
            read.append(plane)
            return super().read(plane, rows, columns)

    crops = masks_of(labels, moved=2)
    far = MaskCrop(crops[7].top, crops[7].left + 2 * SIDE, crops[7].mask)
    stack = Watched(np.concatenate([image, image, image], axis=2))
    known = {plane: {1: crops[5], 2: far} for plane in range(PLANES)}
    Walls(stack, bright=True).fitted(range(PLANES), known)
    assert read == [plane for plane in range(PLANES) for _ in range(2)]
    read.clear()
    Walls.of(stack, {n: {1: crop, 6: crop} for n, crop in known[0].items()})
    assert read == [1, 1, 6, 6]
