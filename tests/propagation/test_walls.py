"""Masks are fitted to the walls between objects, where there are walls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.propagation import basins, walls
from napari_samv2_prompts.propagation.patches import overlap
from napari_samv2_prompts.propagation.walls import Walls

from .fakes import WatchedPicture

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


def fit(found, certain, followed, planes=range(PLANES)):
    *work, masks = found.fitted(planes, certain, followed)
    assert all(each is None for each in work)
    return masks


def near(masks, truth, planes=range(PLANES)):
    return np.mean([overlap(masks[p][n], truth[n]) for p in planes for n in truth])


@pytest.mark.parametrize("bright", [True, False])
def test_outlines_that_slipped_come_back_to_the_walls(bright):
    image, labels = tissue(bright)
    true = masks_of(labels)
    found = Walls.of(StackPicture.of(image), {n: {4: crop} for n, crop in true.items()})
    assert found is not None
    assert found.bright == bright
    followed = {plane: masks_of(labels, moved=3) for plane in range(PLANES) if plane != 4}
    masks = fit(found, {4: true}, followed)
    assert near(followed, true, (0, 8)) < 0.85
    assert near(masks, true) > 0.9


def test_objects_that_changed_places_come_back():
    image, labels = tissue()
    true = masks_of(labels)
    found = Walls.of(StackPicture.of(image), {n: {4: crop} for n, crop in true.items()})
    followed = {plane: dict(true) for plane in range(PLANES) if plane != 4}
    for plane in (0, 1, 2):
        followed[plane] |= {5: true[7], 7: true[5]}
    masks = fit(found, {4: true}, followed)
    assert near(masks, {n: true[n] for n in (5, 7)}, (0, 1, 2)) > 0.85


def test_an_object_does_not_take_the_cells_around_it_that_nobody_knows():
    image, labels = tissue()
    true = masks_of(labels)
    found = Walls.of(StackPicture.of(image), {5: {4: true[5]}})
    followed = {plane: {5: masks_of(labels, moved=2)[5]} for plane in range(PLANES) if plane != 4}
    assert near(fit(found, {4: {5: true[5]}}, followed), {5: true[5]}) > 0.9


def test_an_object_that_was_lost_too_early_is_found_on_eight_planes_more():
    image, labels = tissue()
    true = masks_of(labels)
    found = Walls.of(StackPicture.of(np.concatenate([image, image])), {5: {1: true[5]}})
    masks = fit(found, {1: {5: true[5]}}, {2: {5: true[5]}}, range(2 * PLANES))
    assert [plane for plane in masks if 5 in masks[plane]] == list(range(2 + 8 + 1))
    assert near(masks, {5: true[5]}, (5, 6)) > 0.85


def test_an_object_is_not_beyond_a_wall_even_if_it_was_followed_there():
    image, labels = tissue()
    true = masks_of(labels)
    image[6] = 200  # a wall between two planes
    image[7:] = 70  # another cell below all of them
    found = Walls.of(StackPicture.of(image), {5: {2: true[5]}})
    followed = {plane: {5: true[5]} for plane in range(PLANES) if plane != 2}
    masks = fit(found, {2: {5: true[5]}, 8: {6: cropped(np.ones_like(labels, bool))}}, followed)
    assert [plane for plane in masks if 5 in masks[plane]][-1] <= 6


def test_bright_objects_on_dark_ground_have_no_walls():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - 40) ** 2 + (columns - 45) ** 2 < 15**2
    noise = np.random.default_rng(0).normal(0, 8, (PLANES, SIDE, SIDE))
    image = np.clip(40 + 100 * disc + noise, 0, 255).astype(np.uint8)
    for picture in (image, 255 - image):
        assert Walls.of(StackPicture.of(picture), {1: {4: cropped(disc)}}) is None


def test_a_rim_that_belongs_to_the_object_is_no_wall():
    rows, columns = np.mgrid[:SIDE, :SIDE]
    away = np.hypot(rows - 40, columns - 45)
    rim = np.exp(-(((away - 12) / 1.5) ** 2))
    noise = np.random.default_rng(0).normal(0, 5, (PLANES, SIDE, SIDE))
    image = np.clip(60 + 150 * rim + noise, 0, 255).astype(np.uint8)
    with_rim, without = (StackPicture.of(image), {1: {4: cropped(away < 14)}}), cropped(away < 12)
    assert Walls.of(*with_rim) is None
    assert Walls.of(StackPicture.of(image), {1: {4: without}}) is not None


def test_no_anchor_with_pixels_has_no_walls():
    image, _ = tissue()
    empty = MaskCrop(0, 0, np.zeros((0, 0), bool))
    assert Walls.of(StackPicture.of(image), {1: {4: empty}}) is None


def test_what_lies_apart_is_fitted_as_if_it_were_alone():
    image, labels = tissue()
    wide = np.concatenate([image, np.full_like(image, 70), image], axis=2)
    one, other = masks_of(labels, moved=2)[5], masks_of(labels, moved=2)[7]
    found = Walls(StackPicture.of(wide), True, 120.0)
    far = MaskCrop(other.top, other.left + 2 * SIDE, other.mask)
    both = fit(found, {0: {1: one, 2: far}}, {p: {1: one, 2: far} for p in range(1, PLANES)})
    alone = fit(found, {0: {1: one}}, {p: {1: one} for p in range(1, PLANES)})
    for plane in range(PLANES):
        assert both[plane][1].box == alone[plane][1].box
        assert np.array_equal(both[plane][1].mask, alone[plane][1].mask)


@pytest.mark.parametrize("kept", [True, False])
def test_many_planes_are_fitted_in_parts_with_much_the_same_masks(monkeypatch, kept):
    image, labels = tissue()
    certain = {4: masks_of(labels)}
    followed = {plane: masks_of(labels, moved=2) for plane in range(PLANES) if plane != 4}
    whole = fit(Walls(StackPicture.of(image), True, 120.0), certain, followed)
    monkeypatch.setattr(walls, "VOXELS", 2 * SIDE**2)
    if not kept:
        monkeypatch.setattr(basins, "KEPT", 0)
    parts = fit(Walls(StackPicture.of(image), True, 120.0), certain, followed)
    for plane in range(PLANES):
        assert parts[plane].keys() == whole[plane].keys()
        agreement = [overlap(parts[plane][n], whole[plane][n]) for n in whole[plane]]
        assert np.mean(agreement) > 0.98


def test_each_plane_is_read_in_one_go_since_few_are_kept():
    image, labels = tissue()
    crops = masks_of(labels, moved=2)
    far = MaskCrop(crops[7].top, crops[7].left + 2 * SIDE, crops[7].mask)
    stack = WatchedPicture(np.concatenate([image, image, image], axis=2), None)
    masks = {1: crops[5], 2: far}
    fit(Walls(stack, True, 120.0), {4: masks}, dict.fromkeys((2, 3, 5), masks))
    assert stack.read_planes == [plane for plane in range(PLANES) for _ in range(2)]
    stack.read_planes.clear()
    Walls.of(stack, {n + at: {at: crop} for at in (1, 6) for n, crop in masks.items()})
    assert stack.read_planes == [1, 1, 6, 6]


def test_corrections_at_the_ends_of_objects_do_not_hide_the_walls():
    image, labels = tissue()
    true = masks_of(labels)
    small = np.zeros_like(labels, bool)
    known = {n: {4: crop} for n, crop in true.items()}
    for number, crop in true.items():
        middle = crop.top + crop.mask.shape[0] // 2, crop.left + crop.mask.shape[1] // 2
        for plane, side in ((0, 3), (8, 4)):
            small[:] = False
            small[middle[0] : middle[0] + side, middle[1] : middle[1] + side] = True
            known[number][plane] = cropped(small)
    before = Walls.of(StackPicture.of(image), {n: {4: crop} for n, crop in true.items()})
    after = Walls.of(StackPicture.of(image), known)
    assert (before.bright, before.level) == (after.bright, after.level)
