"""What is kept of an image: in half the memory, with the same masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from skimage.data import coins
from tests.samv2.small_networks import MINI

from napari_samv2_prompts.prompts import Masks, Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2
from napari_samv2_prompts.samv2.weights.packing import Packing

PROMPTS = PromptBatch(
    (
        Prompt(1, points=[(330, 40)]),
        Prompt(2, box=(251, 30, 301, 76)),
        Prompt(3, points=[(210, 50), (270, 120)], labels=[1, 0]),
    )
)


def random_predictor() -> SAMV2ImagePredictor:
    torch.manual_seed(3)
    return SAMV2ImagePredictor(build_samv2(MINI), device="cpu", dtype="float32")


@pytest.fixture(params=["random", "nano"])
def predictor(request: pytest.FixtureRequest) -> SAMV2ImagePredictor:
    if request.param == "random":
        return random_predictor()
    return SAMV2ImagePredictor("nano", device="cpu", dtype="float32")


def whole(masks: Masks) -> np.ndarray:
    """Every candidate of every object in full size."""
    return np.stack([crop.full(masks.image_size) for item in masks for crop in item.crops])


def test_half_the_memory_gives_the_same_masks(predictor: SAMV2ImagePredictor) -> None:
    exact = predictor.embed(coins())
    kept = exact.halved()
    assert kept.nbytes * 2 == exact.nbytes
    one, other = (whole(predictor.decode(e, PROMPTS)) for e in (exact, kept))
    union = (one | other).sum(axis=(1, 2))
    assert (union > 0).all()
    assert ((one & other).sum(axis=(1, 2)) / union).min() >= 0.99


def test_the_bytes_that_are_counted_are_the_bytes_that_are_held() -> None:
    kept = random_predictor().embed(coins()).halved()
    held = sum(tensor.untyped_storage().nbytes() for tensor in kept.features.tensors().values())
    assert kept.nbytes == held


def test_what_is_in_half_precision_already_stays_as_it_is() -> None:
    embedding = random_predictor().embed(coins())
    brain = replace(embedding, features=embedding.features.to(dtype=torch.bfloat16))
    assert brain.halved() is brain


def test_numbers_too_large_for_half_precision_are_kept_in_full() -> None:
    embedding = random_predictor().embed(coins())
    features = replace(embedding.features, embedding=embedding.features.embedding * 1e6)
    huge = replace(embedding, features=features)
    assert huge.halved() is huge


# --- as bytes ---


def test_an_embedding_comes_back_from_bytes_bit_for_bit() -> None:
    predictor = random_predictor()
    kept = predictor.embed(coins()).halved()
    back = random_predictor().packing.unpack(predictor.packing.pack(kept, "key"), "key")
    assert back.image_size == (303, 384)
    assert (back.input_size, back.model, back.nbytes) == (128, kept.model, kept.nbytes)
    for mine, theirs in zip(*(e.features.tensors().values() for e in (kept, back)), strict=True):
        assert torch.equal(mine, theirs)
    assert len(predictor.decode(back, PROMPTS)) == 3


@pytest.fixture(scope="module")
def packing() -> Packing:
    return random_predictor().packing


@pytest.fixture(scope="module")
def packed() -> bytes:
    predictor = random_predictor()
    return predictor.packing.pack(predictor.embed(coins()).halved(), "key")


@settings(max_examples=100)
@given(place=st.integers(0), bit=st.integers(0, 7))
def test_no_flipped_bit_goes_unnoticed(
    packed: bytes, packing: Packing, place: int, bit: int
) -> None:
    damaged = bytearray(packed)
    damaged[place % len(packed)] ^= 1 << bit
    with pytest.raises(ValueError, match="not the embedding"):
        packing.unpack(bytes(damaged), "key")


@pytest.mark.parametrize(
    "data", [b"", b"\x00" * 8, b"\xff" * 40, b"PK\x03\x04" * 9, (2).to_bytes(8, "little") + b"[]"]
)
def test_other_files_are_refused(packing: Packing, data: bytes) -> None:
    with pytest.raises(ValueError, match="not the embedding"):
        packing.unpack(data, "key")


def test_weights_are_refused_and_so_is_another_key(packed: bytes, packing: Packing) -> None:
    for data, key in ((save({"weight": torch.zeros(3)}), "key"), (packed, "another")):
        with pytest.raises(ValueError, match="not the embedding"):
            packing.unpack(data, key)


def test_every_weight_counts_in_the_fingerprint() -> None:
    network = build_samv2(MINI)
    before = SAMV2ImagePredictor(network, device="cpu").packing.fingerprint
    assert SAMV2ImagePredictor(network, device="cpu").packing.fingerprint == before
    with torch.no_grad():
        network.image_encoder.trunk.blocks[-1].mlp.layers[0].bias[0] += 1
    assert SAMV2ImagePredictor(network, device="cpu").packing.fingerprint != before
