"""What goes in and what comes out: shapes and types, and what each argument means.

What is refused is in ``test_refusals``, several pictures and prompts at once in ``test_batches``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.samv2.image_predictor.predictors import HEIGHT, WIDTH, make_image, make_network
from tests.samv2.small_networks import DRAWN

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

# --- shapes and types ---


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_predict_returns_the_published_shapes(
    ready: SAMV2ImagePredictor, batch: int, multimask: bool
) -> None:
    points = np.full((batch, 2, 2), 20.0)
    labels = np.ones((batch, 2))
    masks, scores, logits = ready.predict(points, labels, multimask_output=multimask)
    axes = (3 if multimask else 1,) if batch == 1 else (batch, 3 if multimask else 1)
    assert (masks.shape, masks.dtype) == ((*axes, HEIGHT, WIDTH), np.bool_)
    assert (scores.shape, scores.dtype) == (axes, np.float32)
    assert (logits.shape, logits.dtype) == ((*axes, 32, 32), np.float32)


def test_logits_on_request_are_float32_and_give_the_masks(ready: SAMV2ImagePredictor) -> None:
    masks, _, _ = ready.predict([[20, 20]], [1])
    logits, _, _ = ready.predict([[20, 20]], [1], return_logits=True)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(masks, logits > 0)


def test_a_prompt_that_says_nothing_is_answered(ready: SAMV2ImagePredictor) -> None:
    masks, _, _ = ready.predict()
    assert masks.shape == (3, HEIGHT, WIDTH)


def test_low_res_logits_are_clamped_so_that_they_can_be_fed_back() -> None:
    network = make_network()
    with torch.no_grad():
        for mlp in network.sam_mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight *= 1e4
    predictor = SAMV2ImagePredictor(network, device="cpu")
    predictor.setimage(make_image())
    _, _, logits = predictor.predict([[20, 20]], [1])
    assert np.abs(logits).max() == 32
    ready_masks, _, _ = predictor.predict([[20, 20]], [1], mask_input=logits[:1])
    assert ready_masks.shape == (3, HEIGHT, WIDTH)


@pytest.mark.parametrize("return_logits", [False, True])
def test_low_res_logits_come_as_they_are_where_masks_are_cleaned(return_logits: bool) -> None:
    areas = {"max_hole_area": 40.0, "max_sprinkle_area": 40.0}
    plain, cleaning = (
        SAMV2ImagePredictor(make_network(), device="cpu", dtype="float32", **each)
        for each in ({}, areas)
    )
    prompt = {"box": [10, 10, 60, 50], "return_logits": return_logits}
    plain.setimage(make_image())
    cleaning.setimage(make_image())
    masks, _, low_res = plain.predict(**prompt)
    cleaned, _, as_they_are = cleaning.predict(**prompt)
    np.testing.assert_array_equal(low_res, as_they_are)
    assert (masks != cleaned).any(), "nothing was there to be cleaned"
    batch = PromptBatch((Prompt.of(1, box=[10, 10, 60, 50]),))
    (one,), (other,) = (p.decode(p.embed(make_image()), batch) for p in (plain, cleaning))
    np.testing.assert_array_equal(one.low_res_logits, other.low_res_logits)


def test_decode_and_predict_agree(ready: SAMV2ImagePredictor) -> None:
    embedding = ready.embed(make_image())
    item = ready.decode(embedding, PromptBatch((Prompt.of(5, box=[10, 10, 50, 50]),)))[0]
    masks, scores, logits = ready.predict(box=[10, 10, 50, 50], multimask_output=False)
    np.testing.assert_array_equal(item.crops[0].full((HEIGHT, WIDTH)), masks[0])
    np.testing.assert_array_equal(item.scores, scores)
    np.testing.assert_array_equal(item.low_res_logits, logits)


# --- meaning of the arguments ---


def test_prompts_and_masks_are_in_pixels_of_the_size_that_the_image_has(ready) -> None:
    small = make_image()
    read = ready.embed(small, image_size=(HEIGHT * 3, WIDTH * 3))
    full = ready.embed(small)
    asked = PromptBatch((Prompt(1, points=[(31.0, 61.0)], box=(28.0, 40.0, 150.0, 160.0)),))
    same = PromptBatch((Prompt(1, points=[(31 / 3, 61 / 3)], box=(28 / 3, 40 / 3, 50, 160 / 3)),))
    large, little = ready.decode(read, asked)[0], ready.decode(full, same)[0]
    np.testing.assert_allclose(large.low_res_logits, little.low_res_logits, atol=1e-4)
    assert large.crops[0].area > 5 * little.crops[0].area


def test_coordinates_in_the_unit_square_mean_shares_of_the_image(
    ready: SAMV2ImagePredictor,
) -> None:
    pixels = ready.predict([[45, 15]], [1], box=[9, 6, 81, 54], return_logits=True)
    shares = ready.predict(
        [[0.5, 0.25]], [1], box=[0.1, 0.1, 0.9, 0.9], normalize_coords=False, return_logits=True
    )
    for one, other in zip(pixels, shares, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_swapped_corners_mean_the_same_box(ready: SAMV2ImagePredictor) -> None:
    straight = ready.predict(box=[10, 12, 50, 40])
    swapped = ready.predict(box=[50, 40, 10, 12])
    np.testing.assert_array_equal(straight[2], swapped[2])


def test_a_box_that_sticks_out_is_cut_at_the_image(ready: SAMV2ImagePredictor) -> None:
    embedding = ready.embed(make_image())
    (out,), (cut,) = (
        ready.decode(embedding, PromptBatch((Prompt.of(1, box=box),)))
        for box in ([-30, -9, 500, 40], [0, 0, WIDTH, 40])
    )
    np.testing.assert_array_equal(out.low_res_logits, cut.low_res_logits)


def test_a_grey_image_is_the_same_as_its_rgb_copy(predictor: SAMV2ImagePredictor) -> None:
    grey = make_image(shape=(HEIGHT, WIDTH))
    one = predictor.embed(grey).features
    other = predictor.embed(np.stack([grey] * 3, axis=-1)).features
    for mine, theirs in zip(one.tensors().values(), other.tensors().values(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "view", [lambda a: a[::-1], lambda a: a[:, ::2], lambda a: np.asfortranarray(a)]
)
def test_any_memory_layout_is_read_right(
    predictor: SAMV2ImagePredictor, view: Callable[[np.ndarray], np.ndarray]
) -> None:
    image = view(make_image())
    image.flags.writeable = False
    one, other = predictor.embed(image), predictor.embed(np.ascontiguousarray(image))
    assert torch.equal(one.features.embedding, other.features.embedding)


def test_the_stretched_image_is_pillows_antialiased_bilinear() -> None:
    from PIL import Image

    from napari_samv2_prompts.samv2.inference.preprocess import to_pixels
    from napari_samv2_prompts.samv2.modeling.pixels import DEVIATION, MEAN

    image = make_image(shape=(300, 200, 3))
    pixels = to_pixels(image, 128, torch.device("cpu"))[0].numpy()
    levels = (pixels * np.reshape(DEVIATION, (3, 1, 1)) + np.reshape(MEAN, (3, 1, 1))) * 255
    pillow = np.asarray(Image.fromarray(image).resize((128, 128), Image.Resampling.BILINEAR))
    assert np.abs(levels.transpose(1, 2, 0) - pillow).max() <= 1.01  # Pillow rounds twice


# --- beside the image ---


@pytest.mark.parametrize(
    "prompt",
    [
        {"point_coords": [[-20.0, 30.0]], "point_labels": [1]},
        {"point_coords": [[40.0, 900.0]], "point_labels": [0]},
        {"box": [-30.0, -20.0, 50.0, 40.0]},
        {"box": [200.0, 5.0, 300.0, 20.0]},
    ],
)
def test_scripts_may_prompt_beside_the_image_as_published(prompt: dict[str, Any]) -> None:
    predictor = SAMV2ImagePredictor(make_network(), device="cpu", dtype="float32")
    predictor.setimage(make_image())
    masks, scores, low_res = predictor.predict(**prompt)
    given = np.array(prompt.get("point_coords", prompt.get("box")), np.float32).reshape(1, -1, 2)
    labels = torch.tensor([prompt.get("point_labels", [2, 3])])
    scale = np.array([128 / WIDTH, 128 / HEIGHT], np.float32)  # neither clipped nor refused
    features = predictor._embeddings[0].features
    with torch.inference_mode():
        decoded = predictor._network.decode_prompts(
            features, torch.from_numpy(given * scale), labels
        )
    np.testing.assert_allclose(low_res, decoded.logits[0, 1:], atol=1e-4)
    np.testing.assert_allclose(scores, decoded.scores[0, 1:], atol=1e-5)
    assert masks.shape == (3, HEIGHT, WIDTH)


def test_the_small_model_answers_beside_the_image_too() -> None:
    predictor = SAMV2ImagePredictor(make_network(DRAWN), device="cpu", dtype="float32")
    predictor.setimage(make_image())
    for prompt in (
        {"point_coords": [[-200.0, 30.0], [5, 999]], "point_labels": [1, 0]},
        {"box": [200.0, 500.0, 300.0, 900.0]},
    ):
        masks, scores, _ = predictor.predict(**prompt)
        assert masks.shape == (3, HEIGHT, WIDTH)
        assert np.isfinite(scores).all()
