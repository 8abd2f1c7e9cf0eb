"""The layers of a file without a window are those that the window makes."""

from __future__ import annotations

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from napari.layers.utils.stack_utils import split_channels

from napari_samv2_prompts.io import window_layers as module
from napari_samv2_prompts.io.window_layers import window_layers


@pytest.mark.parametrize("wrapped", [np.asarray, da.from_array], ids=["numpy", "dask"])
@pytest.mark.parametrize("axis", [0, 3, -1])
@pytest.mark.parametrize("limits", [[0, 9], [[0, 9], [1, 5]]])
def test_channels_are_parted_as_the_window_parts_them(wrapped, axis, limits, monkeypatch) -> None:
    data = wrapped(np.arange(2 * 4 * 5 * 2, dtype=np.uint8).reshape(2, 4, 5, 2))
    options = {"gamma": [1.0, 0.5], "contrast_limits": limits}
    read = [(data, {"channel_axis": axis, **options}, "image")]
    monkeypatch.setattr(module, "choose_reader", lambda path, reader: "some")
    monkeypatch.setattr(module, "read_layers", lambda path, reader: read)
    layers = window_layers(Path("film.some"))
    shown = split_channels(data, axis, **options)
    for layer, (expected, said, _) in zip(layers, shown, strict=True):
        np.testing.assert_array_equal(layer.full, expected)
        assert {name: layer.options[name] for name in options} == {n: said[n] for n in options}
