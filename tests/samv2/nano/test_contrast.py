"""Stretching gives an image its full contrast, whatever its contrast was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.modeling.pixels import to_unit
from napari_samv2_prompts.samv2.nano.contrast import _sorted_quantiles, stretch_contrast

CPU = torch.device("cpu")


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (0.3, 0.6), (1.0, -0.0)])
def test_stretching_undoes_a_change_of_contrast(gain: float, offset: float) -> None:
    # Smooth, so that 8 bits of a third of the range still hold it.
    image = ndimage.gaussian_filter(np.random.default_rng(0).random((64, 64)), 6)
    image = (image - image.min()) / np.ptp(image)
    reference, other = (
        to_unit(stretch_contrast(to_pixels(np.uint8(255 * x), 64, CPU)))
        for x in (image, image * gain + offset)
    )
    assert (reference - other).abs().max() < 3 / (255 * gain)
    assert float(reference.min()) < 1e-6
    assert float(reference.max()) > 1 - 1e-6


def test_an_image_of_noise_is_not_stretched_to_full_contrast() -> None:
    noise = np.random.default_rng(0).integers(100, 103, (64, 64), dtype=np.uint8)
    unit = to_unit(stretch_contrast(to_pixels(noise, 64, CPU)))
    assert float(unit.std()) < 0.1


def test_a_hot_pixel_does_not_darken_the_rest() -> None:
    image = np.full((256, 256), 20, np.uint8)
    image[64:128, 64:128] = 60
    hot = image.copy()
    hot[10, 10] = 255
    plain, other = (to_unit(stretch_contrast(to_pixels(x, 256, CPU))) for x in (image, hot))
    assert float((plain - other)[..., 64:128, 64:128].abs().max()) < 0.01


@given(
    arrays.arrays(np.float32, (2, 50), elements=st.floats(0, 1, width=32)),
    st.floats(0, 1, width=32),
)
def test_quantiles_by_sorting_are_numpys(rows, share) -> None:
    (found,) = _sorted_quantiles(torch.from_numpy(rows), (share,))
    np.testing.assert_allclose(found, np.quantile(rows, share, axis=1), atol=1e-5)
