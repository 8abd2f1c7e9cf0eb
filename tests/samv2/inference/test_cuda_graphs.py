"""What a GPU plays back is what it would compute; the rest of recordings, without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.inference import cuda_graphs as recordings
from napari_samv2_prompts.samv2.inference.embedding import Embedding
from napari_samv2_prompts.samv2.modeling.network import ImageFeatures, PreparedImage
from napari_samv2_prompts.samv2.nano.features import NanoFeatures

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 24, 20, 3), np.uint8).repeat(20, 1)


def gpu(test: Callable[..., None]) -> Callable[..., None]:
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    return pytest.mark.gpu(skip(test))


def tiny(dtype: str) -> SAMV2ImagePredictor:
    torch.manual_seed(0)
    return SAMV2ImagePredictor(build_samv2("tiny"), device="cuda", dtype=dtype)


def close(a: Embedding, b: Embedding) -> None:
    for one, other in zip(*(e.features.tensors().values() for e in (a, b)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_the_tensors_of_nested_tuples_are_exchanged_in_their_order() -> None:
    features = NanoFeatures(*(torch.full((1,), float(i)) for i in range(4)))
    position, coords, nothing = torch.full((1,), 4.0), torch.full((1,), 5.0), ()
    tree = PreparedImage(features, nothing, position, None), coords, None
    tensors = list(recordings._tensors(tree))
    assert [int(tensor) for tensor in tensors] == [0, 1, 2, 3, 4, 5]
    exchanged = recordings._with_tensors(tree, iter("abcdef"))
    features = exchanged[0].features
    assert isinstance(features, NanoFeatures)
    assert "".join(features.tensors().values()) == "abcd"
    assert exchanged == (PreparedImage(features, (), "e", None), "f", None)


@pytest.mark.parametrize("possible", [True, False])
def test_a_recording_is_tried_once_and_from_the_second_time_on(possible, monkeypatch) -> None:
    class Recording:
        def play(self, inputs):
            return inputs[0] + 1

    tried = []

    def recorded(self, device, arguments):
        tried.append(arguments)
        return Recording() if possible else None

    monkeypatch.setattr(recordings.GraphedCallable, "_recorded", recorded)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    called = []

    def work(x: torch.Tensor) -> torch.Tensor:
        called.append(1)
        return x + 1

    replayed = recordings.GraphedCallable(work, keep=1)
    for number in range(5):
        assert replayed(torch.full((2,), float(number))).tolist() == [number + 1] * 2
    assert len(tried) == 1
    assert len(called) == (1 if possible else 5)
    replayed(torch.zeros(3))  # other shapes, for which the first is given up
    replayed(torch.zeros(2))
    assert len(tried) == 1


def test_another_image_of_the_same_shapes_is_played_back(monkeypatch) -> None:
    """Features are compared by what they are, not by their values or which ones they are."""

    class Recording:
        def play(self, inputs):
            return "played back"

    monkeypatch.setattr(recordings.GraphedCallable, "_recorded", lambda *_: Recording())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    graphed = recordings.GraphedCallable(lambda *_: "computed", keep=2)

    def image(value: float) -> PreparedImage:
        features = ImageFeatures(*(torch.full((1,), value) for _ in range(3)))
        return PreparedImage(features, (), torch.zeros(1), None)

    found = [graphed(image(float(number)), torch.zeros(1), None) for number in range(3)]
    assert found == ["computed", "played back", "played back"]
    assert graphed(image(0.0), torch.zeros(1), torch.zeros(1)) == "computed"  # with a mask


def test_work_that_is_not_recorded_keeps_nobody_waiting() -> None:
    inside = Barrier(2, timeout=60)

    def work(x: torch.Tensor) -> torch.Tensor:
        inside.wait()  # breaks where only one is let in at a time
        return x

    graphed = recordings.GraphedCallable(work, keep=2)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(graphed, [torch.zeros(2), torch.zeros(3)]))


def test_a_recording_is_made_on_the_device_of_its_tensors(monkeypatch) -> None:
    asked = []

    def mem_get_info(device=None):
        asked.append(device)
        return 0, 0

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    graphed = recordings.GraphedCallable(lambda x: x, keep=1)
    for _ in range(2):
        graphed(torch.zeros(2))
    assert asked == [torch.device("cpu")]


@gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_played_back_embeddings_are_those_that_are_computed(dtype) -> None:
    predictor, network = tiny(dtype), tiny(dtype)._network
    encoded = []
    predictor._network.image_encoder.register_forward_hook(lambda *_: encoded.append(1))
    with torch.inference_mode():
        made = [predictor.embed(image) for image in IMAGES]
        assert len(encoded) == 3  # the first, and for the second a trial and the recording
        for image, embedding in zip(IMAGES, made, strict=True):
            fresh = SAMV2ImagePredictor(network, device="cuda", dtype=dtype)
            close(embedding, fresh.embed(image))  # the first of a predictor is never played back


@gpu
def test_played_back_masks_are_those_that_are_computed() -> None:
    predictor = tiny("float32")
    embeddings = [predictor.embed(image) for image in IMAGES]
    clicks = [(3, 4), (10, 100), (15, 300), (8, 200)]
    for embedding in embeddings:
        for click in clicks:
            batch = PromptBatch((Prompt.of(1, [click]),))
            played = predictor.decode(embedding, batch).items[0]
            fresh = SAMV2ImagePredictor(predictor._network, device="cuda", dtype="float32")
            first = fresh.decode(embedding, batch).items[0]
            np.testing.assert_allclose(played.low_res_logits, first.low_res_logits, atol=2e-2)
            np.testing.assert_allclose(played.scores, first.scores, atol=1e-3)


@gpu
def test_the_gpu_agrees_with_the_cpu() -> None:
    torch.manual_seed(0)
    network = build_samv2("tiny")
    on_cpu = SAMV2ImagePredictor(network, device="cpu", dtype="float32")
    reference = on_cpu.embed(IMAGES[0])
    batch = PromptBatch(tuple(Prompt.of(i, box=(2, 5 * i, 15, 5 * i + 60)) for i in range(1, 9)))
    expected = on_cpu.decode(reference, batch, multimask_output=True)
    on_gpu = SAMV2ImagePredictor(network, device="cuda", dtype="float32")
    found = on_gpu.decode(on_gpu.embed(IMAGES[0]), batch, multimask_output=True)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.low_res_logits, theirs.low_res_logits, atol=5e-2)


@gpu
def test_nano_on_a_gpu_finds_what_it_finds_on_a_cpu() -> None:
    rows, columns = np.mgrid[:300, :400]
    disc = (rows - 150) ** 2 + (columns - 200) ** 2 < 40**2
    image = (60 + 120 * disc).astype(np.uint8)
    batch = PromptBatch((Prompt.of(1, [(200, 150)]), Prompt.of(2, box=(160, 110, 240, 190))))
    for _ in range(3):
        predictor = SAMV2ImagePredictor("nano", device="cuda")
        for _ in range(3):
            masks = predictor.decode(predictor.embed(image), batch)
            for item in masks:
                whole = item.crops[item.best].full(image.shape)
                assert (whole & disc).sum() / (whole | disc).sum() > 0.9


@gpu
def test_several_threads_may_use_one_predictor() -> None:
    predictor = tiny("bfloat16")
    alone = [predictor.embed(image) for image in IMAGES]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            for a, b in zip(alone, pool.map(predictor.embed, IMAGES), strict=True):
                close(a, b)


@gpu
def test_nothing_is_recorded_where_memory_is_scarce(monkeypatch) -> None:
    monkeypatch.setattr(recordings, "ROOM", 1e15)
    calls = []

    def work(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return x + 1

    replayed = recordings.GraphedCallable(work, keep=1)
    for number in range(4):
        x = torch.full((2,), float(number), device="cuda")
        assert torch.equal(replayed(x), x + 1)
    assert len(calls) == 4


@gpu
def test_what_cannot_be_recorded_is_called() -> None:
    def work(x: torch.Tensor) -> torch.Tensor:
        return x + float(x.sum())  # looks at a value

    replayed = recordings.GraphedCallable(work, keep=1)
    for number in range(4):
        x = torch.full((2,), float(number), device="cuda")
        assert torch.equal(replayed(x), x + 2 * number)
    assert torch.equal(torch.ones(2, device="cuda") * 2, torch.full((2,), 2.0, device="cuda"))
