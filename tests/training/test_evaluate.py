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

from napari_samv2_prompts.mask_crops import Crops, cropped
from napari_samv2_prompts.prompts import ItemMasks, Masks
from napari_samv2_prompts.samv2.finetune import clicks
from training import baselines


class Oracle:
    """Answers every prompt with the true object in its middle, so evaluation must say 1."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels

    def embed(self, image):
        return None

    def decode(self, embedding, batch):
        items = []
        for prompt in batch:
            x, y = np.mean(np.reshape(prompt.box, (2, 2)), 0) if prompt.box else prompt.points[0]
            crop = cropped(self.labels == self.labels[round(y), round(x)])
            logits = np.zeros((3, 4, 4), np.float32)
            items.append(
                ItemMasks(
                    prompt.object, Crops([crop] * 3), np.full(3, 1 / prompt.object), logits, 1.0
                )
            )
        return Masks(tuple(items), self.labels.shape)


@pytest.fixture
def squares() -> Annotated:
    labels = np.zeros((16, 16), np.int32)
    labels[1:7, 1:7], labels[9:15, 2:8], labels[3:13, 10:15] = 1, 2, 3
    image = np.repeat((labels > 0).astype(np.uint8)[..., None] * 200, 3, 2)
    return Annotated("squares", image, labels, "dark")


def test_a_perfect_model_scores_one(squares, tmp_path):
    rows = evaluate_image(Oracle(squares.labels), squares, pictures=tmp_path)
    assert len(rows) == 3
    assert (tmp_path / "squares.png").exists()
    for measure in ("box", "clicks 1", "clicks 5", "best of three"):
        assert [row[measure] for row in rows] == [1.0, 1.0, 1.0]
    assert "| objects | 3 |" in table(rows)


def test_a_wrong_model_scores_low_and_small_objects_are_left_out(squares):
    wrong = Oracle(np.where(squares.labels == 1, 1, 2))
    squares.labels[0, :9] = 4
    rows = evaluate_image(wrong, squares, limit=2)
    assert len(rows) == 2
    assert np.mean([row["box"] for row in rows]) < 0.7
    assert set(calibration(rows)) == {"1 click", "box", "1 to 5 clicks"}


def test_the_mean_of_kinds_counts_each_kind_once(squares):
    rows = [{"box": 1.0, "kind": "a", "size": "large"}] * 9
    rows += [{"box": 0.0, "kind": "b", "size": "large"}]
    assert table(rows).splitlines()[-1].endswith("| 0.500 |")


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


def test_the_mean_of_two_runs_is_exported(tmp_path):
    from napari_samv2_prompts.samv2.weights.variants import find_variant

    for name, value in (("before", 1.0), ("after", 2.0)):
        run = start(Recipe(steps=1, batch=1, samples=SampleSettings()), find_variant("nano"))
        run.ema.no_mem_embed.fill_(value)
        save(run, tmp_path / name / "checkpoint.pt")
        (tmp_path / name / "recipe.json").write_text("{}")
    metadata = export(tmp_path / "after", tmp_path / "weights.safetensors", [tmp_path / "before"])
    assert len(json.loads(metadata["recipe"])["mean_with"]) == 1
    assert (load_model(tmp_path / "weights.safetensors").no_mem_embed == 1.5).all()


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
