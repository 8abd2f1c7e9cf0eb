"""The published generator, against records that the official package made."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.samv2.amg_cases import CASES, picture
from tests.samv2.seeded_weights import seed_weights

from napari_samv2_prompts.samv2 import (
    SAMV2AutomaticMaskGenerator,
    SAMV2ImagePredictor,
    build_samv2,
)
from napari_samv2_prompts.samv2.automatic_masks import crop_boxes

RECORDS = Path(__file__).parents[1] / "data" / "automatic_masks.json.gz"
QUICK = ("grid", "refined", "run lengths")


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    network = build_samv2("tiny")
    seed_weights(network)
    predictor = SAMV2ImagePredictor(network, device="cpu", dtype="float32")
    embed, known = predictor.embed, {}

    def once(image: np.ndarray, *args: Any) -> Any:  # the picture is the same in most cases
        key = image.tobytes()
        if key not in known:
            known[key] = embed(image, *args)
        return known[key]

    predictor.embed = once
    return predictor


def recorded(name: str) -> list[dict[str, Any]]:
    with gzip.open(RECORDS) as file:
        records = json.load(file)[name]
    return [record for record in records if record["area"]]  # ours leaves empty masks out


def generate(predictor: SAMV2ImagePredictor, name: str) -> list[dict[str, Any]]:
    return SAMV2AutomaticMaskGenerator(predictor, **CASES[name]).generate(picture())


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CASES],
)
def test_records_are_the_official_ones(predictor: SAMV2ImagePredictor, name: str) -> None:
    ours, theirs = generate(predictor, name), recorded(name)
    assert len(ours) == len(theirs)
    places = [[one["point_coords"][0] for one in records] for records in (ours, theirs)]
    np.testing.assert_allclose(*places, atol=1e-3)
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(np.subtract(one["bbox"], other["bbox"])).max() <= 1
        assert one["area"] == pytest.approx(other["area"], rel=0.01, abs=3)
        assert one["predicted_iou"] == pytest.approx(other["predicted_iou"], abs=1e-4)
        # Ours is measured on clamped logits, which a few pixels of a wild mask may tell.
        if other["area"] > 50:
            assert one["stability_score"] == pytest.approx(other["stability_score"], abs=0.01)
        assert one["crop_box"] == other["crop_box"]


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (3, 20)])
def test_crops_lie_within_images_of_fewer_pixels_than_crops_a_side(shape: tuple[int, int]) -> None:
    crops = crop_boxes(shape, 3, 512 / 1500)
    covered = np.zeros((4, *shape), bool)
    for layer, (x0, y0, x1, y1) in crops:
        assert 0 <= x0 < x1 <= shape[1]
        assert 0 <= y0 < y1 <= shape[0]
        covered[layer, y0:y1, x0:x1] = True
    assert covered.all()


def test_the_three_forms_of_a_mask_are_the_same(predictor: SAMV2ImagePredictor) -> None:
    from pycocotools import mask as coco

    low = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    forms = {
        mode: SAMV2AutomaticMaskGenerator(predictor, output_mode=mode, **low).generate(picture())
        for mode in ("binary_mask", "uncompressed_rle", "coco_rle")
    }
    assert forms["binary_mask"]
    for plain, runs, coded in zip(*forms.values(), strict=True):
        mask = plain["segmentation"]
        assert plain["area"] == mask.sum()
        counts = runs["segmentation"]["counts"]
        values = np.arange(len(counts)) % 2 == 1
        shape = tuple(runs["segmentation"]["size"])
        assert (np.repeat(values, counts).reshape(shape, order="F") == mask).all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of pycocotools, about numpy 2
            assert (coco.decode(coded["segmentation"]) == mask).all()


def test_memory_does_not_hold_all_answers(predictor: SAMV2ImagePredictor) -> None:
    sizes = []
    decode = predictor.decode

    def counting(embedding: Any, batch: Any, *args: Any) -> Any:
        sizes.append(len(batch))
        return decode(embedding, batch, *args)

    predictor.decode = counting
    try:
        SAMV2AutomaticMaskGenerator(
            predictor, points_per_side=4, points_per_batch=5, pred_iou_thresh=0.9
        ).generate(picture())
    finally:
        predictor.decode = decode
    assert sizes == [5, 5, 5, 1]


def test_arguments_that_make_no_sense_are_refused(predictor: SAMV2ImagePredictor) -> None:
    with pytest.raises(ValueError, match="either points_per_side or point_grids"):
        SAMV2AutomaticMaskGenerator(predictor, points_per_side=None)
    with pytest.raises(ValueError, match="output_mode is one of"):
        SAMV2AutomaticMaskGenerator(predictor, output_mode="png")
    with pytest.raises(ValueError, match="need 3 grids"):
        SAMV2AutomaticMaskGenerator(
            predictor, points_per_side=None, point_grids=[[[0.5, 0.5]]], crop_n_layers=2
        )


def test_the_default_network_is_the_bundled_one() -> None:
    generator = SAMV2AutomaticMaskGenerator(device="cpu")
    assert generator.predictor.variant.name == "nano"
    assert generator.predictor.device == torch.device("cpu")
