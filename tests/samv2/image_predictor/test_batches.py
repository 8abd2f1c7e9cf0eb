"""Several pictures and prompts at once: as if each were alone, in bounded memory.

What single arguments mean is in ``test_arguments``; batches that can't be used are in
``test_refusals``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samv2.image_predictor.predictors import HEIGHT, WIDTH, made, make_image, make_network
from tests.samv2.small_networks import DRAWN

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.device import OutOfMemoryError
from napari_samv2_prompts.samv2.inference import decode as decoding
from napari_samv2_prompts.samv2.inference import encode as encoding
from napari_samv2_prompts.samv2.inference import low_res
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask


def random_prompt(number: int, kinds: np.random.Generator) -> Prompt:
    n_points = int(kinds.integers(0, 4))
    points = kinds.uniform(0, (WIDTH, HEIGHT), (n_points, 2))
    box = (
        np.sort(kinds.uniform(0, HEIGHT, (2, 2)), axis=0).ravel() if kinds.random() < 0.5 else None
    )
    mask = kinds.normal(0, 5, (32, 32)) if kinds.random() < 0.3 else None
    return Prompt.of(number, points, kinds.integers(0, 2, n_points), box, mask)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), size=st.integers(1, 9))
def test_a_ragged_batch_answers_each_item_as_if_it_were_alone(seed: int, size: int) -> None:
    kinds = np.random.default_rng(seed)
    predictor = made(DRAWN)
    embedding = predictor.embed(make_image())
    prompts = [random_prompt(10 * i + 1, kinds) for i in range(size)]
    together = predictor.decode(embedding, PromptBatch(tuple(prompts)))
    assert together.objects == tuple(prompt.object for prompt in prompts)
    for prompt, item in zip(prompts, together, strict=True):
        alone = predictor.decode(embedding, PromptBatch((prompt,)))[0]
        np.testing.assert_allclose(item.low_res_logits, alone.low_res_logits, atol=1e-4)
        # How masks agree is part of a score: a cell at the threshold may fall on either side of it.
        np.testing.assert_allclose(item.scores, alone.scores, atol=1e-3)
        assert len(item.crops) == (3 if prompt.is_ambiguous else 1)


def test_images_of_any_sizes_are_embedded_together_and_predicted_one_by_one(
    predictor: SAMV2ImagePredictor,
) -> None:
    images = [make_image(1), make_image(2, (33, 70)), make_image(3, (128, 31, 3))]
    boxes = [[[5, 5, 20, 20]], [[1, 2, 30, 30], [2, 2, 50, 20]], None]
    points = [None, None, [[3, 4]]]
    predictor.setimagebatch(images)
    masks, _, logits = predictor.predictbatch(
        points, [None, None, [1]], boxes, multimask_output=False
    )
    assert [m.shape for m in masks] == [(1, 60, 90), (2, 1, 33, 70), (1, 128, 31)]
    for image, box, point, together in zip(images, boxes, points, logits, strict=True):
        predictor.setimage(image)
        _, _, alone = predictor.predict(
            point, None if point is None else [1], box, multimask_output=False
        )
        np.testing.assert_allclose(together, alone, atol=1e-3)


def test_images_are_encoded_in_one_pass_while_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = SAMV2ImagePredictor(make_network(), device="cpu")
    sizes: list[int] = []
    encode = predictor._network.encode_image

    def spy(pixels: torch.Tensor, *rest: Any) -> Any:
        sizes.append(len(pixels))
        return encode(pixels, *rest)

    monkeypatch.setattr(predictor, "_encoder", spy)
    monkeypatch.setattr(encoding, "_PIXELS_AT_ONCE", 3 * 128**2)
    predictor.setimagebatch([make_image(i) for i in range(7)])
    assert sizes == [3, 3, 1]
    assert predictor.getimageembedding().shape == (7, 32, 8, 8)


def test_of_the_candidates_of_a_click_one_is_enlarged_before_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []

    def spy(logits: Any, *rest: Any) -> Any:
        made.append(1)
        return crop_mask(logits, *rest)

    monkeypatch.setattr(low_res, "crop_mask", spy)
    predictor = SAMV2ImagePredictor(make_network(), device="cpu")
    click = PromptBatch((Prompt.of(1, [[10, 10]]),))
    (item,) = predictor.decode(predictor.embed(make_image()), click)
    assert len(item.crops) == 3
    _ = item.crops[item.best]
    assert len(made) == 1
    assert len(list(item.crops)) == len(made) == 3


def test_many_prompts_are_decoded_in_bounded_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = SAMV2ImagePredictor(make_network(), device="cpu")
    sizes: list[int] = []
    decode = predictor._network.decode_prompts

    def spy(features: Any, coords: torch.Tensor, *rest: Any) -> Any:
        sizes.append(len(coords))
        return decode(features, coords, *rest)

    monkeypatch.setattr(predictor._network, "decode_prompts", spy)
    monkeypatch.setattr(decoding, "_CELLS_AT_ONCE", 4 * 32**2)
    predictor.setimage(make_image())
    predictor.predict(box=np.tile([[5, 5, 30, 30]], (10, 1)), multimask_output=False)
    assert sizes == [4, 4, 2]


def test_memory_running_out_while_decoding_halves_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = SAMV2ImagePredictor(make_network(), device="cpu", dtype="float32")
    predictor.setimage(make_image())
    boxes = np.tile([[5, 5, 30, 30]], (6, 1)) + np.arange(6)[:, None]
    expected = predictor.predict(box=boxes)
    decode = predictor._network.decode_prompts

    def small_card(features: Any, coords: torch.Tensor, *rest: Any) -> Any:
        if len(coords) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(features, coords, *rest)

    monkeypatch.setattr(predictor._network, "decode_prompts", small_card)
    np.testing.assert_allclose(predictor.predict(box=boxes)[2], expected[2], atol=1e-4)


def test_memory_that_does_not_hold_one_image_is_an_error_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = SAMV2ImagePredictor(make_network(), device="cpu")

    def full(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(predictor, "_encoder", full)
    with pytest.raises(OutOfMemoryError, match="smaller model"):
        predictor.setimage(make_image())
