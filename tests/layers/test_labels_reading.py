"""Where a label is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Labels

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import label_mask, labels_reading, starting_from
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import Prompt

SHAPE = (40, 30)
PLANE = Plane((0, 1), (None, None), SHAPE)


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 29)), max_size=4), st.integers(1, 5))
def test_a_label_is_found_whole_wherever_it_is(spots: list[tuple[int, int]], rows: int) -> None:
    data = np.zeros(SHAPE, np.uint16)
    for row, column in spots:
        data[row, column] = 7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(labels_reading, "BLOCK", rows * SHAPE[1])
        found = label_mask(Labels(data), PLANE, 7)
    assert (found is None) == (not spots)
    if found is not None:
        np.testing.assert_array_equal(found.full(SHAPE), data == 7)
        assert found.mask.any(axis=0)[[0, -1]].all()
        assert found.mask.any(axis=1)[[0, -1]].all()


def test_a_number_that_the_layer_cannot_hold_is_not_there() -> None:
    assert label_mask(Labels(np.zeros(SHAPE, np.uint8)), PLANE, 300) is None


@pytest.mark.parametrize("side", [3, 600])
def test_a_mask_becomes_logits_over_its_box(side: int) -> None:
    mask = np.zeros((side, side), bool)
    mask[: side // 2 + 1] = True
    prompt = starting_from(Prompt(1, points=[(5, 5)]), MaskCrop(4, 9, mask))
    assert prompt.mask_box == (8.5, 3.5, 8.5 + side, 3.5 + side)
    assert prompt.mask.shape == (min(side, 256),) * 2
    assert abs((prompt.mask > 0).mean() - mask.mean()) < 0.01
    assert starting_from(prompt, MaskCrop(0, 0, ~mask)) is prompt
