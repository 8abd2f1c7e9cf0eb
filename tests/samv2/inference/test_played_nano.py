"""What of the small model's decoder a GPU plays back, shown without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.inference import cuda_graphs as recordings
from napari_samv2_prompts.samv2.inference.played_nano import PlayedNano
from napari_samv2_prompts.samv2.nano.features import NanoFeatures
from napari_samv2_prompts.samv2.nano.network import NanoNetwork

PLACES = [(100.0, 60.0), (300.0, 200.0), (420.0, 330.0), (150.0, 380.0), (500.0, 90.0)]


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor("nano", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    y, x = np.mgrid[:448, :576]
    picture = np.full((448, 576), 60, np.uint8)
    for number, (left, top) in enumerate(PLACES):
        picture[np.hypot(x - left, y - top) < 20 + 8 * number] = 120 + 25 * number
    return picture


class Recorded:
    """The steps of a function with given tensors, which other tensors are put through."""

    def __init__(self, work: Any, arguments: tuple[Any, ...]) -> None:
        def flat(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            result = work(*recordings._with_tensors(arguments, iter(tensors)))
            self.result = result
            return tuple(recordings._tensors(result))

        self.steps = make_fx(flat)(*recordings._tensors(arguments))

    def play(self, inputs: tuple[torch.Tensor, ...]) -> Any:
        return recordings._with_tensors(self.result, iter(self.steps(*inputs)))


def test_what_is_played_back_is_what_is_computed(predictor, picture, monkeypatch) -> None:
    """A recording is of the first click's steps; other clicks go through the same ones."""
    made = []

    def recorded(self: Any, device: Any, arguments: tuple[Any, ...]) -> Recorded:
        made.append(Recorded(self._work, arguments))
        return made[-1]

    monkeypatch.setattr(recordings.GraphedCallable, "_recorded", recorded)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    embedding = predictor.embed(picture)
    batches = [PromptBatch((Prompt.of(1, [place]),)) for place in PLACES[::2]]
    expected = [predictor.decode(embedding, batch) for batch in batches]
    monkeypatch.setattr(predictor._decoder, "_nano", PlayedNano(predictor._network))
    for batch, known in zip(batches, expected, strict=True):
        (mine,), (one,) = predictor.decode(embedding, batch), known
        np.testing.assert_allclose(mine.scores, one.scores, atol=1e-4)
        np.testing.assert_allclose(mine.low_res_logits, one.low_res_logits, atol=1e-3)
    assert len(made) == 1  # windows of all levels together


def test_reading_looks_at_no_value_and_drawing_does(predictor) -> None:
    """Tensors without values: what asks for one fails, as it would while it is recorded."""
    network = predictor._network
    assert isinstance(network, NanoNetwork)
    with torch.inference_mode():
        features = network.encode_image(torch.rand(1, 3, 256, 256))
        coords, labels = torch.tensor([[[70.0, 80.0]]]), torch.ones(1, 1, dtype=torch.int64)
        drawn = network.draw(features, coords, labels, None)
    with torch.device("meta"):
        bare = NanoNetwork(network.variant)

    def without_values(tree: Any) -> Any:
        tensors = [torch.empty_like(tensor, device="meta") for tensor in recordings._tensors(tree)]
        return recordings._with_tensors(tree, iter(tensors))

    no_features = without_values(features)
    assert isinstance(no_features, NanoFeatures)
    assert bare.read(no_features, without_values(drawn)).logits.shape == (1, 4, 64, 64)
    with pytest.raises((NotImplementedError, RuntimeError)):
        bare.draw(no_features, coords.to("meta"), labels.to("meta"), None)
