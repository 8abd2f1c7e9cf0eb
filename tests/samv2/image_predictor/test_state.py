"""What a predictor keeps and what it leaves alone: embeddings, its network, number types.

Which device and number type are chosen is in ``tests/samv2/test_device.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.samv2.image_predictor.predictors import make_image, make_network
from tests.samv2.small_networks import DRAWN, MINI

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.modeling.config import Variant

# --- embeddings ---


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


def test_weights_that_differ_in_one_number_are_told_apart() -> None:
    network = make_network()
    first = SAMV2ImagePredictor(network, device="cpu")
    with torch.no_grad():
        network.image_encoder.trunk.blocks[1].mlp.layers[0].weight[3, 2] += 1
    second = SAMV2ImagePredictor(network, device="cpu")
    embedding = first.embed(make_image())
    with pytest.raises(ValueError, match="embed the image again"):
        second.decode(embedding, PromptBatch((Prompt.of(1, [[20, 20]]),)))


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


# --- the network ---


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
