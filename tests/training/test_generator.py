from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import disk
from training.generator import KINDS, generate
from training.scenes import SCENES
from training.shapes import SHAPES, paint


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_numbered_without_gaps_and_parts_lie_in_wholes(kind):
    for seed in range(4):
        scene = generate(np.random.default_rng(seed), 128, kind)
        assert scene.image.shape == (128, 128, 3)
        assert scene.image.dtype == np.uint8
        for labels in (scene.wholes, scene.parts):
            assert set(np.unique(labels)) - {0} == set(range(1, labels.max() + 1))
        for part in range(1, scene.parts.max() + 1):
            assert len(np.unique(scene.wholes[scene.parts == part])) == 1
        assert (scene.wholes[scene.parts > 0] > 0).all()


@pytest.mark.parametrize("kind", ["nested", "rings"])
def test_scenes_with_levels_have_parts(kind):
    parts = [generate(np.random.default_rng(seed), 128, kind).parts.max() for seed in range(6)]
    assert sum(parts) > 6


def test_a_seed_gives_one_scene():
    one, two = (generate(np.random.default_rng(5), 96) for _ in range(2))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.wholes, two.wholes)


def test_sizes_reach_from_eight_pixels_to_half_the_image():
    extents = []
    for seed in range(60):
        scene = generate(np.random.default_rng(seed), 128)
        slices = [s for s in ndimage.find_objects(scene.wholes) if s]
        extents += [max(y.stop - y.start, x.stop - x.start) for y, x in slices]
    assert np.percentile(extents, 10) <= 12
    assert max(extents) >= 60
    assert max(extents) <= 128


def test_masks_fit_the_picture():
    """Edges of the picture lie on the masks' outlines, not beside them."""
    on, off = [], []
    for seed in range(20):
        scene = generate(np.random.default_rng(seed), 128, "discs")
        grey = scene.image.astype(float).mean(-1)
        steepness = ndimage.gaussian_gradient_magnitude(grey, 1.0)
        inside = scene.wholes > 0
        outline = ndimage.binary_dilation(inside) ^ ndimage.binary_erosion(inside)
        away = ~ndimage.binary_dilation(outline, iterations=4)
        if outline.any() and away.any():
            on.append(steepness[outline].mean())
            off.append(steepness[away].mean())
    assert np.mean(np.array(on) > 1.5 * np.array(off)) > 0.8


def test_both_contrasts_and_colour_occur():
    signs, colours = [], []
    for seed in range(40):
        scene = generate(np.random.default_rng(seed), 64, "ellipses")
        image = scene.image.astype(float)
        if scene.wholes.any():
            inside = scene.wholes > 0
            signs.append(image[inside].mean() > image[~inside].mean())
        colours.append(np.ptp(image, axis=2).max() > 20)
    assert 0.2 < np.mean(signs) < 0.8
    assert 0.1 < np.mean(colours) < 0.7


def test_a_disc_is_a_disc():
    outline, part = SHAPES["disc"](np.random.default_rng(0), 9.5)
    expected = np.zeros_like(outline)
    middle = outline.shape[0] // 2
    expected[disk((middle, middle), 9.5, shape=expected.shape)] = True
    assert np.array_equal(outline, expected)
    assert part is None


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_in_one_piece_and_not_cut_off(name):
    for seed in range(20):
        outline, _ = SHAPES[name](np.random.default_rng(seed), 12.0)
        assert ndimage.label(outline, np.ones((3, 3)))[1] == 1
        assert not np.concatenate([outline[[0, -1]].ravel(), outline[:, [0, -1]].ravel()]).any()


def test_painting_keeps_what_is_there():
    labels = np.zeros((20, 20), np.int32)
    square = np.ones((9, 9), bool)
    assert paint(labels, square, np.array([6.0, 6.0]), 1)
    before = labels.copy()
    assert not paint(labels, square, np.array([7.0, 7.0]), 2, free_overlap=0.25)
    assert np.array_equal(labels, before)
    assert paint(labels, square, np.array([6.0, 14.0]), 2, free_overlap=0.25)
    assert np.array_equal(labels == 1, before == 1)


@pytest.mark.parametrize(("kind", "size"), [("stars", 64), (None, 8)])
def test_impossible_scenes_are_refused(kind, size):
    with pytest.raises(ValueError, match=r"stars|32 pixels"):
        generate(np.random.default_rng(0), size, kind)


@pytest.mark.parametrize("kind", sorted(SCENES))
def test_each_kind_of_scene_has_objects_and_parts_that_lie_in_wholes(kind):
    for seed in range(4):
        scene, again = (SCENES[kind](np.random.default_rng(seed), 128) for _ in range(2))
        assert np.array_equal(scene.image, again.image)
        assert scene.image.shape == (128, 128, 3)
        assert scene.wholes.max() > 0
        assert scene.image.std() > 2
        assert not (scene.parts > 0)[scene.wholes == 0].any()
