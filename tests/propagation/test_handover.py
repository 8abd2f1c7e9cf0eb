"""Films of bright discs on dark ground, and a model that finds what is bright in a box."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import cropped
from napari_samv2_prompts.propagation import (
    Embeddings,
    Found,
    HandOver,
    History,
    Wanted,
    correspondence,
    propagate,
)
from napari_samv2_prompts.propagation.patches import smoothed
from napari_samv2_prompts.regions import InputSides

from .fakes import BrightModel

FRAMES, SIDE, RADIUS = 7, 64, 7
ALL = Wanted(0, FRAMES - 1)


def film(paths, shades=(220, 190), side=SIDE):
    """Discs along paths ``{object: [(row, column) or None, ...]}``, and their labels."""
    rng = np.random.default_rng(0)
    image = rng.normal(40, 6, (FRAMES, side, side))
    labels = np.zeros(image.shape, int)
    rows, columns = np.mgrid[:side, :side]
    texture = rng.normal(0, 10, (side, side))
    for (number, path), shade in zip(paths.items(), shades, strict=False):
        for frame, at in enumerate(path):
            if at is not None:
                disc = (rows - at[0]) ** 2 + (columns - at[1]) ** 2 <= RADIUS**2
                disc &= labels[frame] == 0
                labels[frame][disc] = number
                moved = np.roll(texture, (round(at[0]), round(at[1])), (0, 1))
                image[frame][disc] = shade + moved[disc]
    return image.clip(0, 255).astype(np.uint8), labels


def follow(image, labels, at=0, wanted=ALL, most=1024):
    model, stack = BrightModel(), StackPicture.of(image)
    embed = Embeddings.of_stack(stack, model.embed, InputSides(64, most))
    anchors = {int(n): {at: cropped(labels[at] == n)} for n in np.unique(labels[at]) if n}
    found = Found()
    for filled in propagate(HandOver(stack, embed, model.decode), anchors, found, wanted):
        found.add(filled)
    return found, model


def ious(found, labels, number):
    return {
        plane: (section.crop.full(labels.shape[1:]) & (labels[plane] == number)).sum()
        / (section.crop.full(labels.shape[1:]) | (labels[plane] == number)).sum()
        for plane, section in found.sections[number].items()
    }


def test_a_moving_object_is_followed():
    image, labels = film({1: [(15 + 4 * t, 12 + 5 * t) for t in range(FRAMES)]})
    found, _ = follow(image, labels)
    assert min(ious(found, labels, 1).values()) > 0.85
    assert len(found.sections[1]) == FRAMES - 1


def test_where_no_walls_are_seen_masks_are_smoothed_and_as_doubtful_as_they_were(monkeypatch):
    image, labels = film({1: [(30, 30)] * FRAMES})
    found, _ = follow(image, labels)
    monkeypatch.setattr(HandOver, "fitter", lambda self, anchors: None)
    as_followed, _ = follow(image, labels)
    for plane, section in found.sections[1].items():
        before = as_followed.sections[1][plane]
        assert not section.rough
        assert section.followed is not None
        np.testing.assert_array_equal(section.followed.full((64, 64)), before.crop.full((64, 64)))
        assert section.doubt == before.doubt
    assert found.sections.keys() == as_followed.sections.keys()
    assert found.sections[1].keys() == as_followed.sections[1].keys()


def test_nothing_is_looked_at_closer_while_objects_are_followed():
    image, labels = film({1: [(15 + 4 * t, 12 + 5 * t) for t in range(FRAMES)]})
    _, model = follow(image, labels)
    assert model.afar
    assert all(model.afar)


def test_touching_objects_keep_apart():
    paths = {1: [(30, 20 + t) for t in range(FRAMES)], 2: [(30, 46 - 2 * t) for t in range(FRAMES)]}
    image, labels = film(paths, (200, 200))
    found, _ = follow(image, labels)
    for number in (1, 2):
        assert min(ious(found, labels, number).values()) > 0.7
    for plane in range(1, FRAMES):
        masks = [found.sections[n][plane].crop.full(image.shape[1:]) for n in (1, 2)]
        assert not (masks[0] & masks[1]).any()


@pytest.mark.parametrize("together", [True, False])
def test_an_object_inside_another_keeps_its_pixels(together):
    rows, columns = np.mgrid[:96, :96]
    labels = np.zeros((FRAMES, 96, 96), int)
    labels[:, (rows - 48) ** 2 + (columns - 46) ** 2 <= 34**2] = 1
    labels[:, (rows - 48) ** 2 + (columns - 48) ** 2 <= 3**2] = 2
    noise = np.random.default_rng(0).normal(0, 4, labels.shape)
    image = (np.choose(labels, (30, 200, 250)) + noise).clip(0, 255).astype(np.uint8)
    model, stack = BrightModel(), StackPicture.of(image)
    method = HandOver(
        stack, Embeddings.of_stack(stack, model.embed, InputSides(64, 1024)), model.decode
    )
    crops = {number: cropped(labels[0] == number) for number in (1, 2)}
    histories = {n: History(((0, crop),), {0: crop}) for n, crop in crops.items()}
    if together:
        guesses = method.follow(1, histories, [])
        inner = guesses[2].crop
    else:
        guesses, inner = method.follow(1, {1: histories[1]}, [crops[2]]), crops[2]
    assert inner.area > 20
    masks = [crop.full((96, 96)) for crop in (guesses[1].crop, inner)]
    assert not (masks[0] & masks[1]).any()


def test_an_object_that_vanishes_ends_there():
    image, labels = film({1: [(30, 30)] * 4 + [None] * 3, 2: [(12, 12)] * FRAMES})
    found, _ = follow(image, labels)
    assert [(end.object, end.plane) for end in found.ends.values()] == [(1, 4)]
    assert len(found.sections[2]) == FRAMES - 1


def test_only_what_is_needed_of_a_large_plane_is_read_and_embedded():
    image, labels = film({1: [(60, 60 + 3 * t) for t in range(FRAMES)]}, side=256)
    found, model = follow(image, labels, most=64)
    assert min(ious(found, labels, 1).values()) > 0.85
    assert max(max(size) for size in model.sizes) <= 96


def test_objects_far_apart_are_embedded_each_in_its_own_part():
    image, labels = film({1: [(30, 30)] * FRAMES, 2: [(220, 220)] * FRAMES}, side=256)
    found, model = follow(image, labels, most=64)
    assert set(found.sections) == {1, 2}
    assert max(max(size) for size in model.sizes) <= 96


@pytest.mark.parametrize("at", [0, 3, FRAMES - 1])
def test_the_same_question_has_the_same_answer(at):
    image, labels = film({1: [(30, 20 + 2 * t) for t in range(FRAMES)]})
    first, second = (follow(image, labels, at)[0] for _ in range(2))
    for plane, section in first.sections[1].items():
        other = second.sections[1][plane]
        assert section.crop.box == other.crop.box
        assert np.array_equal(section.crop.mask, other.crop.mask)
        assert section.doubt == other.doubt


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_planes_may_be_a_pixel_wide_or_high(shape):
    before = np.random.default_rng(0).uniform(0, 255, np.add(shape, 2 * correspondence.RADIUS))
    before = before.astype(np.float32)
    kept = before.copy()
    inner = (slice(correspondence.RADIUS, -correspondence.RADIUS),) * 2
    soft = correspondence.moved(before, before[inner], np.ones_like(before))
    np.testing.assert_allclose(soft, np.ones(shape), rtol=1e-5)
    np.testing.assert_array_equal(before, kept)
    image = np.full((FRAMES, *shape), 200, np.uint8)
    found, _ = follow(image, np.ones(image.shape, int))
    assert set(found.sections) | {end.object for end in found.ends.values()} == {1}


def test_grey_values_are_smoothed_as_a_convolution_does():
    grey = np.random.default_rng(0).uniform(0, 255, (9, 12)).astype(np.float32)
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    expected = ndimage.convolve(grey, kernel)[1:-1, 1:-1]
    np.testing.assert_allclose(smoothed(grey), expected, rtol=1e-5)
