"""The predictor's promises: shapes, meaning of the arguments, ragged batches, clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.samv2.small_networks import MINI

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import (
    SAMV2ImagePredictor,
    available_models,
    build_samv2,
)
from napari_samv2_prompts.samv2.device import OutOfMemoryError
from napari_samv2_prompts.samv2.inference import decode as decoding
from napari_samv2_prompts.samv2.inference import encode as encoding
from napari_samv2_prompts.samv2.inference import low_res
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from napari_samv2_prompts.samv2.nano.config import NanoVariant

HEIGHT, WIDTH = 60, 90
DRAWN = NanoVariant(
    "drawn", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), input_size=128,
    width=32, decoder_heads=2, decoder_mlp=32, score_width=32,
    largest_input=256, window=64, refine_8=(1, 2), refine_4=(1,),
)  # fmt: skip


def make_network(variant: Variant = MINI) -> SAMV2Network:
    torch.manual_seed(3)
    return build_samv2(variant)


def make_image(seed: int = 0, shape: tuple[int, ...] = (HEIGHT, WIDTH, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)


@cache
def made(variant: Variant) -> SAMV2ImagePredictor:
    return SAMV2ImagePredictor(make_network(variant), device="cpu")


@pytest.fixture(params=[MINI, DRAWN], ids=["published kind", "drawn prompts"])
def predictor(request: pytest.FixtureRequest) -> SAMV2ImagePredictor:
    """One for all tests, which has forgotten what was before."""
    predictor = made(request.param)
    predictor.resetpredictor()
    return predictor


@pytest.fixture
def ready(predictor: SAMV2ImagePredictor) -> SAMV2ImagePredictor:
    predictor.setimage(make_image())
    return predictor


def test_prompts_and_masks_are_in_pixels_of_the_size_that_the_image_has(ready) -> None:
    small = make_image()
    read = ready.embed(small, image_size=(HEIGHT * 3, WIDTH * 3))
    full = ready.embed(small)
    asked = PromptBatch((Prompt(1, points=[(31.0, 61.0)], box=(28.0, 40.0, 150.0, 160.0)),))
    same = PromptBatch((Prompt(1, points=[(31 / 3, 61 / 3)], box=(28 / 3, 40 / 3, 50, 160 / 3)),))
    large, little = ready.decode(read, asked)[0], ready.decode(full, same)[0]
    np.testing.assert_allclose(large.low_res_logits, little.low_res_logits, atol=1e-4)
    assert large.crops[0].area > 5 * little.crops[0].area


def test_a_mask_prompt_of_a_part_of_the_image_is_refused(ready) -> None:
    side = ready.variant.logits_size
    part = Prompt(1, box=(5, 5, 9, 9), mask=np.ones((side, side)), mask_box=(5, 5, 9, 9))
    with pytest.raises(ValueError, match="whole image"):
        ready.decode(ready.embed(make_image()), PromptBatch((part,)))


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


# --- meaning of the arguments ---


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


# --- several at once ---


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


def test_decode_and_predict_agree(ready: SAMV2ImagePredictor) -> None:
    embedding = ready.embed(make_image())
    item = ready.decode(embedding, PromptBatch((Prompt.of(5, box=[10, 10, 50, 50]),)))[0]
    masks, scores, logits = ready.predict(box=[10, 10, 50, 50], multimask_output=False)
    np.testing.assert_array_equal(item.crops[0].full((HEIGHT, WIDTH)), masks[0])
    np.testing.assert_array_equal(item.scores, scores)
    np.testing.assert_array_equal(item.low_res_logits, logits)


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


# --- state ---


def test_embeddings_are_values_that_outlive_the_next_image(ready: SAMV2ImagePredictor) -> None:
    first = ready.embed(make_image(1))
    batch = PromptBatch((Prompt.of(1, [[20, 20]]),))
    before = ready.decode(first, batch)[0].low_res_logits
    ready.setimage(make_image(2))
    np.testing.assert_array_equal(ready.decode(first, batch)[0].low_res_logits, before)
    assert first.nbytes == sum(
        t.numel() * t.element_size() for level in first.levels for t in level.tensors().values()
    )


def test_another_models_embedding_is_refused(ready: SAMV2ImagePredictor) -> None:
    torch.manual_seed(11)
    other = SAMV2ImagePredictor(build_samv2(MINI), device="cpu")
    with pytest.raises(ValueError, match="embed the image again"):
        other.decode(ready.embed(make_image()), PromptBatch((Prompt.of(1, [[2, 2]]),)))


def test_predicting_before_an_image_is_set_is_refused(predictor: SAMV2ImagePredictor) -> None:
    for call in (predictor.predict, predictor.predictbatch, predictor.getimageembedding):
        with pytest.raises(RuntimeError, match="setimage"):
            call()


def test_reset_forgets_the_image(ready: SAMV2ImagePredictor) -> None:
    ready.resetpredictor()
    with pytest.raises(RuntimeError, match="No image is set"):
        ready.predict([[1, 1]], [1])


def test_predict_does_not_guess_which_of_several_images_is_meant(
    predictor: SAMV2ImagePredictor,
) -> None:
    predictor.setimagebatch([make_image(1), make_image(2)])
    with pytest.raises(RuntimeError, match="predictbatch"):
        predictor.predict([[1, 1]], [1])


def test_a_failed_setimage_leaves_no_old_image_behind(ready: SAMV2ImagePredictor) -> None:
    with pytest.raises(ValueError, match="uint8"):
        ready.setimage(np.zeros((4, 4)))
    with pytest.raises(RuntimeError, match="No image is set"):
        ready.predict([[1, 1]], [1])


def test_embedding_reports_progress_and_can_be_ended(predictor: SAMV2ImagePredictor) -> None:
    shares: list[float] = []
    predictor.embed(make_image(), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    class Enough(Exception):
        pass

    def stop(share: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        predictor.embed(make_image(), progress=stop)


# --- clear refusals ---


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((5, 5), np.uint16), "uint8.*not uint16.*convert"),
        (np.zeros((5, 5, 3), np.float32), "uint8.*not float32"),
        (np.full((5, 5), np.nan), "NaN"),
        (np.zeros((5, 5), bool), "255"),
        (np.zeros((5, 5, 4), np.uint8), "alpha"),
        (np.zeros((5, 5, 1), np.uint8), "last axis"),
        (np.zeros((3, 5, 5), np.uint8), "channels last"),
        (np.zeros((7, 5, 5), np.uint8), "one plane"),
        (np.zeros(5, np.uint8), "shape"),
        (np.zeros((0, 5), np.uint8), "empty"),
        (np.zeros((5, 0, 3), np.uint8), "empty"),
    ],
)
def test_an_unusable_image_is_refused_with_what_to_do(
    predictor: SAMV2ImagePredictor, image: np.ndarray, words: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s){words}"):
        predictor.setimage(image)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"point_coords": [[5, np.nan]], "point_labels": [1]}, "NaN"),
        ({"point_coords": [[5, 5]], "point_labels": [2]}, "1 .*or 0"),
        ({"point_coords": [[5, 5]], "point_labels": [0.5]}, "1 .*or 0"),
        ({"point_coords": [[5, 5]], "point_labels": [1, 0]}, "1 points but 2"),
        ({"point_coords": [[5, 5]]}, "together"),
        ({"point_labels": [1]}, "together"),
        ({"point_coords": [[5, 5, 5]], "point_labels": [1]}, r"\(N, 2\)"),
        ({"box": [5, 5, 5, 20]}, "empty"),
        ({"box": [5, 5, 20]}, "four"),
        ({"box": [np.inf, 5, 20, 30]}, "NaN or infinite"),
        ({"mask_input": np.zeros((1, 64, 64))}, "32 x 32"),
        ({"mask_input": np.full((1, 32, 32), np.nan)}, "NaN"),
        (
            {"point_coords": [[[5, 5]]] * 2, "point_labels": [[1]] * 2, "box": [[1, 1, 9, 9]] * 3},
            "different numbers of objects",
        ),
        ({"box": np.zeros((0, 4))}, "empty"),
    ],
)
def test_unusable_prompts_are_refused_with_the_reason(
    ready: SAMV2ImagePredictor, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=f"(?s){words}"):
        ready.predict(**arguments)


def test_a_batch_of_another_length_than_the_images_is_refused(
    predictor: SAMV2ImagePredictor,
) -> None:
    predictor.setimagebatch([make_image(1), make_image(2)])
    with pytest.raises(ValueError, match="1 entries, but 2 images"):
        predictor.predictbatch(box_batch=[[1, 1, 9, 9]])
    with pytest.raises(ValueError, match="list of images is empty"):
        predictor.setimagebatch([])


def test_an_unknown_model_is_refused_with_the_list_of_models() -> None:
    with pytest.raises(ValueError, match="huge") as caught:
        SAMV2ImagePredictor("huge")
    assert all(name in str(caught.value) for name in available_models())
    with pytest.raises(ValueError, match=r"3\.0"):
        SAMV2ImagePredictor("tiny", version="3.0")


def test_two_models_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="one model, not 2: tiny, large"):
        SAMV2ImagePredictor(use_default_samv2_t=True, use_default_samv2_l=True)
    with pytest.raises(ValueError, match="one model"):
        SAMV2ImagePredictor("small", use_default_samv2_t=True)
    with pytest.raises(ValueError, match="name or a built network"):
        SAMV2ImagePredictor(3)  # type: ignore[arg-type]


# --- number types ---


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("variant", [MINI, DRAWN], ids=["published kind", "drawn prompts"])
def test_half_precision_encodes_in_half_and_decodes_in_full(variant: Variant, dtype: str) -> None:
    # With this threshold a mask is all of its window: no component of it is dropped.
    exact, half = (
        SAMV2ImagePredictor(make_network(variant), device="cpu", dtype=each, mask_threshold=-99)
        for each in ("float32", dtype)
    )
    batch = PromptBatch((Prompt.of(1, [[20, 20]]), Prompt.of(2, box=[10, 10, 50, 40])))
    embedding = half.embed(make_image())
    assert embedding.nbytes * 2 == exact.embed(make_image()).nbytes
    assert half._network.sam_mask_decoder.conv_s0.weight.dtype == torch.float32
    answers = zip(
        half.decode(embedding, batch), exact.decode(exact.embed(make_image()), batch), strict=True
    )
    for approximate, reference in answers:
        spread = np.ptp(reference.low_res_logits)
        difference = np.abs(approximate.low_res_logits - reference.low_res_logits).max()
        assert difference < 0.05 * spread
        np.testing.assert_allclose(approximate.scores, reference.scores, atol=0.02)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (Prompt.of(1, [[200, 20]]), r"\(200, 20\) lies outside"),
        (Prompt.of(1, [[5, -3]]), "outside"),
        (Prompt.of(1, box=[200, 5, 300, 20]), "outside"),
    ],
)
def test_who_draws_beside_the_image_is_told(ready, prompt: Prompt, words: str) -> None:
    embedding = ready.embed(make_image())
    with pytest.raises(ValueError, match=words):
        ready.decode(embedding, PromptBatch((prompt,)))
    with pytest.raises(ValueError, match=words):
        ready.preview(embedding, prompt)


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


def test_a_predictor_does_not_change_the_network_it_is_given() -> None:
    network = make_network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    exact = SAMV2ImagePredictor(network, device="cpu", dtype="float32")
    first = exact.embed(make_image())
    SAMV2ImagePredictor(network, device="cpu", dtype="bfloat16")
    assert network.training
    after = network.state_dict()
    assert all(after[name].dtype == tensor.dtype for name, tensor in before.items())
    again = exact.embed(make_image())
    assert torch.equal(first.features.embedding, again.features.embedding)


def test_weights_that_differ_in_one_number_are_told_apart() -> None:
    network = make_network()
    first = SAMV2ImagePredictor(network, device="cpu")
    with torch.no_grad():
        network.image_encoder.trunk.blocks[1].mlp.layers[0].weight[3, 2] += 1
    second = SAMV2ImagePredictor(network, device="cpu")
    embedding = first.embed(make_image())
    with pytest.raises(ValueError, match="embed the image again"):
        second.decode(embedding, PromptBatch((Prompt.of(1, [[20, 20]]),)))
