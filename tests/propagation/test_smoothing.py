"""Followed masks, smoothed by the planes beside them where there are no walls."""

from __future__ import annotations

import numpy as np
import pytest

from napari_samv2_prompts.mask_crops import MaskCrop, cropped
from napari_samv2_prompts.propagation.smoothing import Smoothing

SHAPE = (40, 50)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]]
PLANES = range(5)

Masks = dict[int, dict[int, MaskCrop]]


def disc(row: float, column: float, radius: float) -> MaskCrop:
    return cropped((ROWS - row) ** 2 + (COLUMNS - column) ** 2 <= radius**2)


def smoothed(followed: Masks, certain: Masks | None = None) -> Masks:
    *_, masks = Smoothing(SHAPE).fitted(PLANES, certain or {}, followed)
    return masks


def test_a_plane_that_is_too_wide_becomes_narrower_and_a_narrow_one_wider() -> None:
    radii = (8, 8, 10, 8, 6)
    found = smoothed({plane: {3: disc(20, 20, radius)} for plane, radius in enumerate(radii)})
    assert disc(20, 20, 8).area <= found[2][3].area < disc(20, 20, 10).area
    assert disc(20, 20, 6).area < found[4][3].area <= disc(20, 20, 8).area


def test_what_is_steady_stays_as_it_is() -> None:
    found = smoothed({plane: {3: disc(20, 20, 8)} for plane in PLANES})
    for plane in PLANES:
        assert abs(found[plane][3].area - disc(20, 20, 8).area) <= 12  # cells of the outline


def test_masks_that_are_certain_count_and_stay() -> None:
    followed = {2: {3: disc(20, 20, 6)}}
    found = smoothed(followed, {plane: {3: disc(20, 20, 8)} for plane in (1, 3)})
    assert found.keys() == {2}
    assert found[2][3].area > 1.3 * disc(20, 20, 6).area


def test_nothing_is_taken_from_other_objects() -> None:
    left = {plane: disc(20, 15, 8 if plane != 2 else 5) for plane in PLANES}
    right = disc(20, 25, 5)
    found = smoothed({plane: {1: left[plane], 2: right} for plane in PLANES})
    for plane in PLANES:
        others = {1: right, 2: left[plane]}
        for number, crop in found[plane].items():
            assert not (crop.full(SHAPE) & others[number].full(SHAPE)).any()


@pytest.mark.parametrize("step", [2, 9])
def test_what_moves_on_its_own_stays_as_it_was_followed(step: int) -> None:
    followed = {plane: {3: disc(20, 6 + step * plane, 5)} for plane in PLANES}
    found = smoothed(followed)
    for plane in (1, 2, 3):
        assert found[plane][3] is followed[plane][3]


def test_no_plane_is_lost() -> None:
    line = MaskCrop(4, 4, np.ones((1, 9), bool))
    assert smoothed({2: {3: line}})[2][3] is line


def test_masks_stay_on_the_plane() -> None:
    corner = cropped(disc(0, 0, 9).full(SHAPE))
    top, left, bottom, right = smoothed({plane: {3: corner} for plane in PLANES})[2][3].box
    assert (top, left) == (0, 0)
    assert bottom <= SHAPE[0]
    assert right <= SHAPE[1]
