"""Apple GPUs refuse two things in older PyTorch: neither is asked of them, and nothing changes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
from napari_samv2_prompts.samv2.ops import resampling
from napari_samv2_prompts.samv2.ops.resampling import sample_bilinear
from napari_samv2_prompts.samv2.weights.registry import find

MPS = torch.device("mps")
coordinates = st.floats(-20, 40)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=6))
def test_clamped_places_read_what_lies_at_the_border(places: list[tuple[float, float]]) -> None:
    maps = torch.arange(3 * 17 * 13, dtype=torch.float32).view(1, 3, 17, 13).sin()
    expected = sample_bilinear(maps, torch.tensor([places]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "_refuses_borders", lambda device: True)
        found = sample_bilinear(maps, torch.tensor([places]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_nano_decodes_where_borders_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_samv2("nano", checkpoint=find("nano"))
    coords, labels = torch.tensor([[[0.0, 0.0], [100.0, 127.0]]]), torch.tensor([[1, 0]])
    with torch.inference_mode():
        features = network.encode_image(torch.randn(1, 3, 128, 128))
        expected = network.decode_prompts(features, coords, labels)
        sample = F.grid_sample

        def as_on_older_apple_gpus(*tensors: torch.Tensor, padding_mode: str, **rest: Any) -> Any:
            assert padding_mode == "zeros", "Unsupported Border padding mode"
            return sample(*tensors, padding_mode=padding_mode, **rest)

        monkeypatch.setattr(F, "grid_sample", as_on_older_apple_gpus)
        monkeypatch.setattr(resampling, "_refuses_borders", lambda device: True)
        found = network.decode_prompts(features, coords, labels)
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-3, rtol=1e-3)


def test_only_apple_gpus_are_spared() -> None:
    assert resampling._refuses_borders(MPS)
    assert not resampling._refuses_borders(torch.device("cuda"))
    assert resampling.device_to_resize_on(torch.device("cuda")) == torch.device("cuda")


def test_images_for_apple_gpus_are_resized_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    resized_on = []
    interpolate = F.interpolate

    def watched(x: torch.Tensor, **rest: Any) -> torch.Tensor:
        resized_on.append(x.device.type)
        return interpolate(x, **rest)

    monkeypatch.setattr(F, "interpolate", watched)
    with suppress(RuntimeError, NotImplementedError):  # here is no such GPU to bring pixels to
        to_pixels(np.zeros((20, 30, 3), np.uint8), 64, MPS)
    assert set(resized_on) == {"cpu"}
