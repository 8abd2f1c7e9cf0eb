"""Small things are looked at closer: decoded in the picture enlarged around them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.modeling.cells import to_cells
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.pixels import colour_statistics, to_unit
from napari_samv2_prompts.samv2.modeling.point_labels import BOX_END, BOX_START, POSITIVE
from napari_samv2_prompts.samv2.nano.box_blend import BoxBlend
from napari_samv2_prompts.samv2.nano.closer import kept, pooled
from napari_samv2_prompts.samv2.nano.config import NANO
from napari_samv2_prompts.samv2.nano.contrast import stretch_contrast
from napari_samv2_prompts.samv2.nano.decode import Asked, decode_on_levels
from napari_samv2_prompts.samv2.nano.features import NanoFeatures

SIDE = 512
BOX = torch.tensor([[BOX_START, BOX_END]])


def features_of(unit: torch.Tensor) -> NanoFeatures:
    """Features that tell nothing but the brightness of each cell of four pixels."""
    cells = F.avg_pool2d(unit[:, :1], 4)
    finest = cells.permute(0, 2, 3, 1)
    return NanoFeatures(
        F.avg_pool2d(cells, 4),
        to_cells(finest, 2),
        to_cells(finest[:, ::2, ::2], 1),
        cells.expand(-1, 8, -1, -1),
    )


class BrightNetwork:
    """Answers with what is bright; counts the windows that it is asked to embed."""

    variant = NANO

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.box_blend, self.embedded = BoxBlend(24).requires_grad_(requires_grad=False), 0
        self.masks: list[Any] = []

    def encode_stretched(self, pixels: torch.Tensor) -> NanoFeatures:
        self.embedded += len(pixels)
        return features_of(to_unit(pixels))

    def decode_prompts(
        self, image: NanoFeatures, coords: torch.Tensor, labels: torch.Tensor, mask: Any
    ) -> Decoded:
        self.masks.append(mask)
        logits = 200 * (image.descriptors[:, :1] - 0.5).expand(-1, 4, -1, -1)
        return Decoded(logits, torch.full((len(coords), 4), 0.9), torch.ones(len(coords)))


def disc(x: float, y: float, radius: float, side: int = SIDE, cell: int = 1) -> torch.Tensor:
    at = (torch.arange(side // cell) + 0.5) * cell - 0.5
    return ((at[None] - x) ** 2 + (at[:, None] - y) ** 2).sqrt() <= radius


def pixels_of(mask: torch.Tensor) -> torch.Tensor:
    return (mask[None, None] * 255).to(torch.uint8)


def box_of(x: float, y: float, radius: float) -> torch.Tensor:
    return torch.tensor([[[x - radius, y - radius], [x + radius, y + radius]]], dtype=torch.float)


places = st.tuples(st.floats(12, SIDE - 13), st.floats(12, SIDE - 13))


@settings(max_examples=30)
@given(places, st.floats(6, 11))
def test_a_small_thing_is_found_in_its_place_on_a_finer_grid(
    place: tuple[float, float], radius: float
) -> None:
    network, pixels = BrightNetwork(), pixels_of(disc(*place, radius))
    levels = [features_of(pixels.float() / 255)]
    asked = Asked(box_of(*place, radius), BOX, None, [False])
    (found,) = decode_on_levels(network, levels, asked, pixels)
    assert network.embedded == 1
    assert found.finer is not None
    assert found.finer.shape == (1, SIDE // 2, SIDE // 2)
    assert found.logits.shape == (1, SIDE // 4, SIDE // 4)
    mask, true = found.finer[0] > 0, disc(*place, radius, cell=2)
    assert (mask & true).sum() / (mask | true).sum() > 0.75
    coarse = F.interpolate(true[None, None].float(), scale_factor=0.5, mode="area")[0, 0]
    assert (found.logits[0] > 0)[coarse >= 0.9].all()
    assert not (found.logits[0] > 0)[coarse == 0].any()


@given(st.floats(49, 200), st.booleans())
@settings(max_examples=10)
def test_a_large_box_or_a_picture_without_pixels_is_decoded_once(
    extent: float, given_pixels: bool
) -> None:
    network, pixels = BrightNetwork(), pixels_of(disc(250, 250, extent / 2))
    extent = extent if given_pixels else 20
    levels = [features_of(pixels.float() / 255)]
    asked = Asked(box_of(250, 250, extent / 2), BOX, None, [False])
    (found,) = decode_on_levels(network, levels, asked, pixels if given_pixels else None)
    assert network.embedded == 0
    assert found.finer is None


def test_rows_of_a_batch_are_each_looked_at_as_they_need() -> None:
    network = BrightNetwork()
    pixels = pixels_of(disc(100, 100, 9) | disc(300, 300, 60))
    coords = torch.cat([box_of(300, 300, 60), box_of(100, 100, 9)])
    levels = [features_of(pixels.float() / 255)]
    asked = Asked(coords, BOX.repeat(2, 1), None, [False, False])
    large, small = decode_on_levels(network, levels, asked, pixels)
    assert large.finer is None
    assert small.finer is not None
    assert large.logits[0, 75, 75] > 0 > small.logits[0, 75, 75]
    assert large.logits[0, 25, 25] < 0 < small.logits[0, 25, 25]


def test_a_correction_that_asks_for_something_large_is_not_cut_to_a_part_of_it() -> None:
    network, pixels = BrightNetwork(), pixels_of(disc(250, 250, 80))
    nucleus = torch.where(disc(240, 250, 12, cell=4), 8.0, -8.0)[None, None]
    clicks = torch.tensor([[[240.0, 250.0], [255.0, 250.0]]])
    levels = [features_of(pixels.float() / 255)]
    asked = Asked(clicks, torch.full((1, 2), POSITIVE), nucleus, [False])
    (found,) = decode_on_levels(network, levels, asked, pixels)
    assert found.finer is None
    cell = disc(250, 250, 80, cell=4)
    mask = found.logits[0] > 0
    assert (mask & cell).sum() / (mask | cell).sum() > 0.9


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_what_is_thin_is_not_lost_in_the_low_res_logits(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    fine = torch.full((1, 64, 64), -8.0)
    start, length = int(rng.integers(0, 60)), int(rng.integers(4, 60))
    fine[0, start : start + width, :length] = 8.0
    low = pooled(fine) > 0
    assert low.any()
    assert low.shape == (1, 32, 32)
    assert int(low.sum()) <= int((fine > 0).sum())


def test_a_correction_brings_the_last_mask_along() -> None:
    network, pixels = BrightNetwork(), pixels_of(disc(100, 120, 9))
    last = torch.where(disc(100, 120, 9, cell=4), 8.0, -8.0)[None, None]
    click = torch.tensor([[[100.0, 120.0]]])
    levels = [features_of(pixels.float() / 255)]
    asked = Asked(click, torch.tensor([[POSITIVE]]), last, [False])
    (found,) = decode_on_levels(network, levels, asked, pixels)
    assert found.finer is not None
    mask = network.masks[-1]
    assert mask.shape == (1, 1, NANO.window // 4, NANO.window // 4)
    assert (mask > 0).sum() == pytest.approx(np.pi * 9**2 / 4, rel=0.3)  # cells of two pixels


@given(st.booleans(), st.integers(0, 2**32))
@settings(max_examples=20)
def test_what_is_kept_of_pixels_is_what_is_embedded_to_8_bits(grey: bool, seed: int) -> None:
    unit = torch.from_numpy(np.random.default_rng(seed).random((1, 3, 64, 64), np.float32))
    unit = unit[:, :1].expand(-1, 3, -1, -1) if grey else unit
    mean, deviation = colour_statistics(unit)
    pixels = (unit - mean) / deviation
    own = kept(pixels)
    assert own.shape[1] == (1 if grey else 3)
    expected = to_unit(stretch_contrast(pixels))
    torch.testing.assert_close(own.expand(1, 3, 64, 64) / 255, expected, atol=0.51 / 255, rtol=0)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [((300, 380), None), ((640, 600), 1), ((700, 690), 1), ((640, 600, 3), 3)],
)
def test_pixels_are_kept_of_images_that_are_not_enlarged_and_come_back_from_bytes(
    shape: tuple[int, ...], channels: int | None
) -> None:
    nano = SAMV2ImagePredictor("nano", device="cpu", dtype="float32")
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    embedding = nano.embed(image)
    again = nano.packing.unpack(nano.packing.pack(embedding, "key"), "key")
    if channels is None:
        assert embedding.pixels is None
        assert again.pixels is None
        return
    assert embedding.pixels is not None
    assert embedding.pixels.shape == (1, channels, embedding.input_size, embedding.input_size)
    assert torch.equal(embedding.pixels, again.pixels)
    assert embedding.from_afar().nbytes == embedding.nbytes - embedding.pixels.nbytes


def test_a_small_box_is_answered_closer_unless_from_afar() -> None:
    nano = SAMV2ImagePredictor("nano", device="cpu", dtype="float32")
    true = disc(200.3, 330.6, 9, 640).numpy()
    image = np.where(true, 190, 60) + np.random.default_rng(1).normal(0, 4, true.shape)
    embedding = nano.embed(image.astype(np.uint8))
    batch = PromptBatch((Prompt(1, box=(191.3, 321.6, 209.3, 339.6)),))
    ious = []
    for each in (embedding, embedding.from_afar()):
        (answer,) = nano.decode(each, batch)
        found = answer.crops[answer.best].full(true.shape)
        ious.append((found & true).sum() / (found | true).sum())
        assert answer.low_res_logits.shape[1:] == (160, 160)
    assert ious[0] > 0.93
    assert ious[0] > ious[1]
