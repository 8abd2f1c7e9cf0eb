"""Masks at image resolution, holes and sprinkles, against torch, scipy and the definition."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import measure

from napari_samv2_prompts.samv2.inference.enlarge import crop_mask, remove_small_areas, upsample
from napari_samv2_prompts.samv2.inference.low_res import crop_mask_on_gpu

SIDES = st.integers(1, 70)
LARGE = st.integers(300, 400)


def smooth_logits(seed: int, side: int = 16) -> np.ndarray:
    """Return random blobs between about -10 and 10."""
    coarse = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(seed)) * 6
    return F.interpolate(coarse, size=(side, side), mode="bicubic")[0, 0].numpy()


@given(seed=st.integers(0, 10**6), height=SIDES, width=SIDES)
def test_upsampling_is_torchs_bilinear(seed: int, height: int, width: int) -> None:
    logits = smooth_logits(seed)
    ours = upsample(logits, (height, width))
    theirs = F.interpolate(torch.from_numpy(logits)[None, None], (height, width), mode="bilinear")
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), rtol=1e-5, atol=1e-5)


@given(seed=st.integers(0, 10**6), height=SIDES, width=SIDES, threshold=st.floats(-8, 8))
def test_a_crop_is_the_whole_mask(seed: int, height: int, width: int, threshold: float) -> None:
    logits = smooth_logits(seed)
    crop = crop_mask(logits, (height, width), threshold)
    whole = upsample(logits, (height, width)) > np.float32(threshold)
    np.testing.assert_array_equal(crop.full((height, width)), whole)
    if whole.any():
        rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
        assert crop.box == (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    else:
        assert crop.mask.shape == (0, 0)


@given(seed=st.integers(0, 10**6), height=SIDES, width=SIDES, threshold=st.floats(-8, 8))
def test_a_crop_made_by_whole_boxes_is_the_same(
    seed: int, height: int, width: int, threshold: float
) -> None:
    logits = smooth_logits(seed)
    ours = crop_mask(logits, (height, width), threshold)
    there = crop_mask_on_gpu(torch.from_numpy(logits), (height, width), threshold)
    assert there.box == ours.box
    np.testing.assert_array_equal(there.mask, ours.mask)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), height=LARGE, width=LARGE, noisy=st.integers(0, 16))
def test_a_large_mask_is_the_same_where_outlines_are_many_and_where_they_are_few(
    seed: int, height: int, width: int, noisy: int
) -> None:
    logits = smooth_logits(seed)
    random = np.random.default_rng(seed)
    logits[:noisy] += random.normal(0, 20, (noisy, 16)).astype(np.float32)
    whole = upsample(logits, (height, width)) > 0
    np.testing.assert_array_equal(crop_mask(logits, (height, width)).full((height, width)), whole)


def test_a_tall_mask_is_the_same_across_blocks_of_rows() -> None:
    logits = smooth_logits(3)
    whole = upsample(logits, (1000, 200)) > 0
    np.testing.assert_array_equal(crop_mask(logits, (1000, 200)).full((1000, 200)), whole)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), holes=st.integers(0, 30), sprinkles=st.integers(0, 30))
def test_small_areas_go_by_the_size_of_their_component(
    seed: int, holes: int, sprinkles: int
) -> None:
    noisy = smooth_logits(seed, 32) + np.random.default_rng(seed).normal(0, 4, (32, 32))
    logits = noisy.astype(np.float32)
    result = remove_small_areas(logits, 0.0, holes, sprinkles)
    expected = logits.copy()
    for region in measure.regionprops(measure.label(logits <= 0, connectivity=2)):
        if region.area <= holes:
            expected[tuple(region.coords.T)] = 10
    for region in measure.regionprops(measure.label(logits > 0, connectivity=2)):
        if region.area <= sprinkles:
            expected[tuple(region.coords.T)] = -10
    np.testing.assert_array_equal(result, expected)
