"""Weights of two stages mixed, and the history that goes with them."""

from __future__ import annotations

import json
import sys

import torch
from safetensors import safe_open
from training.evaluate import load_model
from training.export import write

from napari_samv2_prompts.samv2.weights.build import build_samv2
from training import blend


def test_a_blend_is_between_two_stages_and_scores_as_the_earlier_one(tmp_path, monkeypatch):
    earlier, later = (build_samv2("nano").state_dict() for _ in range(2))
    for name, weights in (("earlier", earlier), ("later", later)):
        write(weights, {"stage": name}, 7, tmp_path / f"{name}.safetensors")
    files = [str(tmp_path / f"{name}.safetensors") for name in ("later", "earlier", "blend")]
    monkeypatch.setattr(sys, "argv", ["blend", *files[:2], "--share", "0.25", "--to", files[2]])
    blend.main()
    found = load_model(tmp_path / "blend.safetensors").state_dict()
    trunk = "image_encoder.trunk.patch_embed.proj.weight"
    expected = 0.75 * later[trunk] + 0.25 * earlier[trunk]
    torch.testing.assert_close(found[trunk], expected, atol=2e-3, rtol=2e-3)
    score = "sam_mask_decoder.iou_prediction_head.layers.0.weight"
    assert torch.equal(found[score], earlier[score].half().float())
    with safe_open(tmp_path / "blend.safetensors", "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    assert recipe["begin"] == {"stage": "later", "stopped_at": 7}
    assert recipe["earlier"]["stage"] == "earlier"
