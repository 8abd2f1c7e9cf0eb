"""The small networks of propagation, beside PyTorch's layers."""

from __future__ import annotations

import numpy as np
import torch

from napari_samv2_prompts.propagation import weights
from napari_samv2_prompts.propagation.doubt import Measures
from napari_samv2_prompts.propagation.evidence import FEATURES


def test_convolutions_are_those_of_pytorch() -> None:
    torch.manual_seed(0)
    inner = [torch.nn.Conv2d(3, 5, 3, padding=1), torch.nn.Conv2d(5, 5, 3, padding=2, dilation=2)]
    last = torch.nn.Conv2d(8, 1, 1)
    maps = torch.randn(1, 3, 11, 14)
    hidden = maps
    for layer in inner:
        hidden = layer(hidden).relu()
    expected = last(torch.cat([hidden, maps], 1))[0, 0]
    numbers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in inner]
    numbers.append((last.weight.detach().numpy()[:, :, 0, 0], last.bias.detach().numpy()))
    np.testing.assert_allclose(
        weights.convolve(numbers, maps[0].numpy()), expected.detach().numpy(), atol=1e-5
    )


def test_the_fitted_networks_take_what_is_measured() -> None:
    fitted = weights.load()
    assert fitted["evidence"][0][0].shape[1] == len(FEATURES)
    assert fitted["doubt"][0][0].shape[1] == fitted["gone"][0][0].shape[1]
    assert fitted["gone"][0][0].shape[1] == len(Measures.__dataclass_fields__)
