from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_samv2_prompts.samv2.finetune import clicks
from napari_samv2_prompts.samv2.modeling import point_labels

masks = arrays(np.bool_, (12, 15)).filter(lambda m: m.any())
seeds = st.integers(0, 2**31)


@given(masks)
def test_the_box_holds_the_mask_tightly(mask):
    x0, y0, x1, y1 = clicks.mask_box(mask).astype(int)
    assert mask[y0 : y1 + 1, x0 : x1 + 1].sum() == mask.sum()
    assert mask[y0].any()
    assert mask[y1].any()
    assert mask[:, x0].any()
    assert mask[:, x1].any()


@given(masks)
def test_the_centre_is_farthest_from_the_outside(mask):
    x, y, distance = clicks.centre(mask)
    everywhere = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    assert np.isclose(everywhere[int(y), int(x)], everywhere.max())
    assert np.isclose(distance, everywhere.max())


def test_the_centre_of_a_square_is_its_middle():
    mask = np.zeros((30, 30), bool)
    mask[4:13, 10:27] = True
    assert clicks.centre(mask)[:2] == (18, 8)


@given(masks, arrays(np.bool_, (12, 15)))
def test_a_corrective_click_lies_in_the_largest_error_of_its_kind(true, predicted):
    x, y, label = clicks.corrective_click(predicted, true)
    here = (int(y), int(x))
    if np.array_equal(true, predicted):
        assert true[here]
        assert label == point_labels.POSITIVE
        return
    assert true[here] == (label == point_labels.POSITIVE)
    assert predicted[here] != true[here]
    sizes = []
    for error in (true & ~predicted, predicted & ~true):
        regions, _ = ndimage.label(error, np.ones((3, 3)))
        sizes += np.bincount(regions.ravel())[1:].tolist()
        if error[here]:
            own = (regions == regions[here]).sum()
    assert own == max(sizes)


@given(arrays(np.bool_, (12, 15)), arrays(np.bool_, (12, 15)), seeds)
def test_a_training_click_is_in_the_error_and_says_its_side(true, predicted, seed):
    x, y, label = clicks.training_click(np.random.default_rng(seed), predicted, true)
    here = (int(y), int(x))
    assert true[here] == (label == point_labels.POSITIVE)
    if not np.array_equal(true, predicted):
        assert predicted[here] != true[here]


@given(seeds, st.floats(0, 0.3))
def test_a_jittered_box_keeps_its_corners_in_order_and_near(seed, amount):
    box = np.array([3, 4, 30, 20], np.float32)
    moved = clicks.jitter_box(np.random.default_rng(seed), box, amount, limit=5)
    assert (moved[:2] <= moved[2:]).all()
    assert np.abs(moved - box).max() <= 5 or (box[2:] - box[:2]).min() < 10
