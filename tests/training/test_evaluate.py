from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from training.annotated import Annotated
from training.checkpoint import save, start
from training.data import SampleSettings
from training.evaluate import evaluate_image, load_model
from training.export import export
from training.recipe import Recipe
from training.report import calibration, table
from training.unseen import coin_labels

from napari_samv2_prompts.samv2.modeling import point_labels
from napari_samv2_prompts.samv2.modeling.mask_decoder import Decoded
from napari_samv2_prompts.samv2.modeling.network import SAMV2Network
from training import baselines, clicks


class Oracle(SAMV2Network):
    """Answers every prompt with the true object below its first point's, so evaluation must say
    1."""

    truth: torch.Tensor

    def decode_prompts(self, features, coords, labels, mask_input=None):
        size = self.variant.input_size
        where = coords.mean(1) if labels[0, 0] == point_labels.BOX_START else coords[:, 0]
        cells = (where * self.truth.shape[0] / size).round().long()
        own = self.truth[cells[:, 1], cells[:, 0]]
        masks = (self.truth[None] == own[:, None, None]).float()[:, None]
        logits = torch.nn.functional.interpolate(masks, (size // 4, size // 4), mode="area") - 0.5
        n = len(coords)
        return Decoded(logits.repeat(1, 4, 1, 1) * 20, torch.ones(n, 4), torch.ones(n))


@pytest.fixture
def squares() -> Annotated:
    labels = np.zeros((16, 16), np.int32)
    labels[1:7, 1:7], labels[9:15, 2:8], labels[3:13, 10:15] = 1, 2, 3
    image = np.repeat((labels > 0).astype(np.uint8)[..., None] * 200, 3, 2)
    return Annotated("squares", image, labels, "dark")


def test_a_perfect_model_scores_one(small, squares, tmp_path):
    oracle = Oracle(small).eval()
    oracle.truth = torch.from_numpy(squares.labels)
    rows = evaluate_image(oracle, squares, torch.float32, pictures=tmp_path)
    assert len(rows) == 3
    assert (tmp_path / "squares.png").exists()
    for measure in ("box", "clicks 1", "clicks 5", "mask 0", "best of three"):
        assert [row[measure] for row in rows] == [1.0, 1.0, 1.0]
    assert "| objects | 3 |" in table(rows)


def test_a_random_model_scores_low_and_small_objects_are_left_out(small, squares):
    squares.labels[0, :9] = 4
    rows = evaluate_image(SAMV2Network(small).eval(), squares, torch.float32, limit=2)
    assert len(rows) == 2
    assert np.mean([row["box"] for row in rows]) < 0.6
    assert set(calibration(rows)) == {"1 click", "box", "1 to 5 clicks"}


def test_baselines_find_what_is_easy(squares):
    grey = baselines.to_grey(squares.image)
    mask = squares.labels == 3
    box, (x, y, _) = clicks.mask_box(mask), clicks.centre(mask)
    assert np.array_equal(baselines.otsu_in_box(grey, box + np.array([-1, -1, 0, 1])), mask)
    assert np.array_equal(
        baselines.region_at(baselines.watershed_regions(grey, bright=True), x, y), mask
    )
    ellipse = baselines.ellipse_in_box(mask.shape, box)
    assert not (ellipse & ~mask).any()
    assert ellipse.sum() == pytest.approx(np.pi / 4 * mask.sum(), rel=0.15)


def test_exported_weights_come_back_with_their_recipe(tmp_path):
    from napari_samv2_prompts.samv2.weights.variants import find_variant

    run = start(Recipe(steps=1, batch=1, samples=SampleSettings()), find_variant("nano"))
    save(run, tmp_path / "checkpoint.pt")
    (tmp_path / "recipe.json").write_text(json.dumps({"steps": 1}))
    metadata = export(tmp_path, tmp_path / "weights.safetensors")
    loaded = load_model(tmp_path / "weights.safetensors").state_dict()
    for name, tensor in run.ema.state_dict().items():
        assert torch.equal(loaded[name], tensor.half().float())
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata() == metadata
    assert len(metadata["recipe_sha256"]) == 64


def test_weights_beyond_half_precision_are_refused(tmp_path):
    from napari_samv2_prompts.samv2.weights.variants import find_variant

    run = start(Recipe(steps=1, batch=1, samples=SampleSettings()), find_variant("nano"))
    run.ema.no_mem_embed.fill_(1e6)
    save(run, tmp_path / "checkpoint.pt")
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="no_mem_embed"):
        export(tmp_path, tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()


def test_there_are_24_coins():
    labels = coin_labels()
    assert labels.max() == 24
    assert np.bincount(labels.ravel())[1:].min() > 1000
