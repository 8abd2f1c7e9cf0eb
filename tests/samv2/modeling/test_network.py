"""The network takes the published layouts, keeps what it does not use, and builds any row."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from napari_samv2_prompts.samv2 import available_models, build_samv2
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded, choose_single
from napari_samv2_prompts.samv2.nano.config import NanoVariant
from napari_samv2_prompts.samv2.weights.variants import VARIANTS, find_variant

PUBLISHED = sorted(name for name in VARIANTS if name != "nano")
OWN = NanoVariant(
    "own", "own", 16, 1, (1, 2, 3, 1), (4,), (8, 4, 6, 3), input_size=192,
    width=48, decoder_heads=2, decoder_mlp=40, score_width=24,
    top_down_levels=(0, 1, 2, 3), refine_8=(1, 2), refine_4=(1,),
    mask_scores=8,
)  # fmt: skip
PLAIN = Variant(
    "plain", "own", 16, 1, (1, 2, 3, 1), (4,), (8, 4, 6, 3), input_size=192,
    width=48, decoder_heads=2, decoder_mlp=40, score_width=24, top_down_levels=(0, 1, 2, 3),
)  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_loads_strictly_and_comes_back_whole(
    name: str, layouts: dict[str, dict[str, list[int]]]
) -> None:
    with torch.device("meta"):
        network = build_samv2(name)
        state = {key: torch.empty(shape) for key, shape in layouts[name].items()}
    network.load_state_dict(state, strict=True, assign=True)
    saved = network.state_dict()
    assert {key: list(value.shape) for key, value in saved.items()} == layouts[name]


def test_memory_tensors_are_kept_bit_for_bit(layouts: dict[str, dict[str, list[int]]]) -> None:
    network = build_samv2("tiny")
    state = {key: torch.randn(shape) for key, shape in layouts["sam2.1_hiera_tiny"].items()}
    network.load_state_dict(state, strict=True)
    saved = network.state_dict()
    assert all(torch.equal(saved[key], tensor) for key, tensor in state.items())


def test_loading_fills_in_no_first_weights_and_leaves_random_numbers_alone() -> None:
    code = (
        "import sys, torch; from napari_samv2_prompts.samv2 import build_samv2;"
        "from napari_samv2_prompts.samv2.weights.registry import find;"
        "before, state = set(sys.modules), torch.get_rng_state();"
        "network = build_samv2('nano', checkpoint=find('nano'));"
        "assert torch.equal(state, torch.get_rng_state());"
        "assert not any(tensor.is_meta for tensor in network.state_dict().values());"
        "late = {'sympy', 'torch._dynamo'} & (set(sys.modules) - before);"  # a second or two
        "sys.exit(', '.join(late) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("change", ["missing", "unknown", "misshapen"])
def test_any_other_layout_is_refused(change: str) -> None:
    network = build_samv2(OWN)
    state = network.state_dict()
    if change == "missing":
        del state["no_mem_embed"]
    elif change == "unknown":
        state["image_encoder.trunk.blocks.99.norm1.weight"] = torch.zeros(3)
    else:
        state["no_mem_embed"] = torch.zeros(1, 1, 7)
    with pytest.raises(RuntimeError):
        network.load_state_dict(state, strict=True)


@pytest.mark.parametrize("side", [192, 320])
def test_a_row_of_ones_own_says_all_sizes_and_any_input_runs(side: int) -> None:
    network = build_samv2(OWN)
    pixels = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        features = network.encode_image(pixels)
        decoded = network.decode_prompts(
            features.select(torch.tensor([0, 1, 1])),
            torch.rand(3, 2, 2) * side,
            torch.tensor([[2, 3], [1, 0], [1, -1]]),
            torch.randn(3, 1, side // 4, side // 4),
        )
    assert features.embedding.shape == (2, 48, side // 16, side // 16)
    assert features.high_res_4.shape == (2, (side // 16) ** 2, 16, 6)
    assert features.high_res_8.shape == (2, (side // 16) ** 2, 4, 12)
    assert decoded.logits.shape == (3, 4, side // 4, side // 4)
    assert decoded.scores.shape == (3, 4)
    assert decoded.object_logits.shape == (3,)


def test_prompts_sharing_an_image_get_what_each_would_get_with_a_copy() -> None:
    for variant in (
        OWN,
        PLAIN,
    ):
        network = build_samv2(variant)
        coords, labels = torch.rand(5, 2, 2) * 192, torch.ones(5, 2, dtype=torch.long)
        with torch.inference_mode():
            features = network.encode_image(torch.randn(1, 3, 192, 192))
            shared = network.decode_prompts(features, coords, labels)
            index = torch.zeros(5, dtype=torch.long)
            copied = network.decode_prompts(features.select(index), coords, labels)
            prepared = network.decode_prompts(network.prepare(features), coords, labels)
        torch.testing.assert_close(shared.logits, copied.logits, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(shared.scores, copied.scores, atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(prepared.logits, copied.logits, atol=1e-5, rtol=1e-4)


def test_every_weight_is_trained() -> None:
    network = build_samv2(OWN).train()
    features = network.encode_image(torch.randn(1, 3, 192, 192))
    decoded = network.decode_prompts(
        features,
        torch.rand(2, 5, 2) * 192,
        torch.tensor([[2, 3, 1, 0, -1]] * 2),
        torch.randn(2, 1, 48, 48),
    )
    (decoded.logits.square().sum() + decoded.scores.sum() + decoded.object_logits.sum()).backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None}
    # What judges masks is fitted by itself, when the network is trained.
    idle = {name for name in idle if not name.startswith(("scale_scores.", "box_blend."))}
    # A drawn prompt is never absent, and softmax does not see the bias of keys.
    keys = "sam_mask_decoder.transformer.final_attn_token_to_image.k_proj.bias"
    assert idle == {"sam_prompt_encoder.no_mask_embed.weight", keys}


def test_an_unstable_single_mask_gives_way_to_the_best_candidate() -> None:
    logits = torch.full((3, 4, 8, 8), -5.0)
    logits[:, 0, :4] = 5.0
    logits[1, 0, :4] = 0.01  # moving the threshold by 0.05 takes all of it away
    logits[2, 0] = -5.0  # empty counts as stable
    logits[:, 2, :2] = 3.0
    scores = torch.tensor([[0.5, 0.1, 0.9, 0.3]] * 3)
    chosen = choose_single(Decoded(logits, scores, torch.zeros(3)))
    assert torch.equal(chosen.logits[:, 0], torch.stack([logits[0, 0], logits[1, 2], logits[2, 0]]))
    torch.testing.assert_close(chosen.scores[:, 0], torch.tensor([0.5, 0.9, 0.5]))


def test_models_are_found_by_short_and_full_name() -> None:
    assert available_models()[:5] == ("nano", "tiny", "small", "base_plus", "large")
    assert set(VARIANTS) < set(available_models())
    assert find_variant("tiny").name == "sam2.1_hiera_tiny"
    assert find_variant("tiny", "2.0").name == "sam2_hiera_tiny"
    assert find_variant("sam2_hiera_tiny", "2.1").version == "2.0"
    assert find_variant("nano", "2.0") is find_variant("nano")
