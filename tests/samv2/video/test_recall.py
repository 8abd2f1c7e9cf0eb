"""Through a stack with a model's memory: the same interface as handing masks over."""

from __future__ import annotations

import numpy as np
import pytest
from tests.samv2.video.films import MINI, calm_network, moving_discs

from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import (
    Embeddings,
    Found,
    MemoryFollower,
    Wanted,
    propagate,
)
from napari_samv2_prompts.regions import InputSides
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, SAMV2VideoPredictor
from napari_samv2_prompts.units.stacks import segment_stack

SIDE = 128
PLANES = 4


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor(calm_network(MINI, SIDE), device="cpu", dtype="float32")


def follower(predictor: SAMV2ImagePredictor, planes: np.ndarray) -> MemoryFollower:
    stack, sides = StackPicture.of(planes), InputSides(SIDE, SIDE)
    embed = Embeddings.of_stack(stack, predictor.embed, sides)
    return MemoryFollower(stack, embed, predictor.recall())


def disc(planes: np.ndarray, plane: int) -> MaskCrop:
    inside = planes[plane, ..., 0] > 200
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    part = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return MaskCrop(int(rows[0]), int(columns[0]), part)


def test_the_plane_next_to_an_anchor_is_what_the_video_predictor_finds(predictor) -> None:
    planes = moving_discs(PLANES, SIDE)
    wanted = Wanted(0, PLANES - 1, "both")
    found = Found()
    for filled in propagate(
        follower(predictor, planes), {5: {1: disc(planes, 1)}}, Found(), wanted
    ):
        found.add(filled)
    video = SAMV2VideoPredictor(calm_network(MINI, SIDE), device="cpu", dtype="float32")
    state = video.initstate(planes)
    video.addnewmask(state, 1, 5, planes[1, ..., 0] > 200)
    _, (_, _, expected) = video.propagateinvideo(state, max_frame_num_to_track=1)
    section = found.sections[5][2]
    mask = np.zeros((SIDE, SIDE), bool)
    top, left, bottom, right = section.crop.box
    mask[top:bottom, left:right] = section.crop.mask
    both = mask & (expected[0, 0] > 0)
    assert both.sum() / (mask | (expected[0, 0] > 0)).sum() > 0.98  # embeddings are halved here


def test_going_on_is_as_never_having_stopped(predictor) -> None:
    planes, anchors = moving_discs(PLANES, SIDE), {}
    anchors = {1: {0: disc(planes, 0)}, 2: {3: disc(planes, 3)}}
    wanted = Wanted(0, PLANES - 1, "both")
    whole = list(propagate(follower(predictor, planes), anchors, Found(), wanted))
    found = Found()
    for filled in whole[:2]:
        found.add(filled)
    rest = list(propagate(follower(predictor, planes), anchors, found, wanted))
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.plane == other.plane
        for number, section in one.sections.items():
            np.testing.assert_array_equal(section.crop.mask, other.sections[number].crop.mask)


def test_segment_stack_takes_the_method(predictor) -> None:
    planes = moving_discs(3, SIDE)
    labels = segment_stack(
        planes, boxes={7: (0, 22, 35, 54, 67)}, predictor=predictor, method="memory"
    )
    assert labels.shape == (3, SIDE, SIDE)
    assert (labels[1] == 7).any()
    with pytest.raises(ValueError, match="'nano' has no memory"):
        segment_stack(planes, boxes={7: (0, 22, 35, 54, 67)}, model="nano", method="memory")
