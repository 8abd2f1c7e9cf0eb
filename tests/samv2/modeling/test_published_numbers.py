"""With the published weights, the published numbers.

These run where ``NAPARI_SAMV2_PROMPTS_TEST_WEIGHTS`` names a folder with ``sam2.1_hiera_tiny.pt``
and the example pictures ``truck.jpg`` and ``groceries.jpg`` (or these lie in ``../shared/images``).
The expected values are those of the integration tests of the ``transformers`` library for
``facebook/sam2.1-hiera-tiny`` in float32.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_samv2_prompts.prompts import Prompt
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

VARIABLE = "NAPARI_SAMV2_PROMPTS_TEST_WEIGHTS"
FOLDER = Path(os.environ.get(VARIABLE, "nowhere"))
PICTURES = (FOLDER, Path(__file__).parents[4] / "shared" / "images")
SCORE_TOLERANCE = 2e-3
LOGIT_TOLERANCE = 0.05

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        not (FOLDER / "sam2.1_hiera_tiny.pt").exists(),
        reason=f"{VARIABLE} names no folder with the published checkpoints",
    ),
]

TRUCK_BOXES = [[75, 275, 1725, 850], [425, 600, 700, 875], [1375, 550, 1650, 800],
               [1240, 675, 1400, 750]]  # fmt: skip
GROCERY_BOXES = [[450, 170, 520, 350], [350, 190, 450, 350], [500, 170, 580, 350],
                 [580, 170, 640, 350]]  # fmt: skip


def picture(name: str) -> np.ndarray:
    for folder in PICTURES:
        if (folder / name).exists():
            return np.asarray(Image.open(folder / name).convert("RGB"))
    pytest.skip(f"{name} lies in none of the folders it may lie in")


@pytest.fixture(scope="module")
def predictor() -> SAMV2ImagePredictor:
    file = FOLDER / "sam2.1_hiera_tiny.pt"
    return SAMV2ImagePredictor("tiny", checkpoint=file, device="cpu", dtype="float32")


def decode(predictor: SAMV2ImagePredictor, image: str, prompt: Prompt, multimask: bool = False):
    """Return scores and logits as they come, best first; the expected numbers are not clamped."""
    embedding = predictor.embed(picture(image))
    answer = predictor._decode(embedding, [prompt], [multimask])[0]
    order = np.argsort(answer.scores)[::-1]
    return answer.scores[order], answer.logits[order]


def test_one_click_with_three_candidates(predictor: SAMV2ImagePredictor) -> None:
    scores, logits = decode(predictor, "truck.jpg", Prompt.of(0, [[500, 375]]), multimask=True)
    np.testing.assert_allclose(scores, [0.9547, 0.4932, 0.0427], atol=SCORE_TOLERANCE)
    corner = logits[0, 0, :3]
    np.testing.assert_allclose(corner, [-24.9288, -41.7466, -31.0128], atol=LOGIT_TOLERANCE)


def test_one_click_with_one_mask(predictor: SAMV2ImagePredictor) -> None:
    scores, logits = decode(predictor, "truck.jpg", Prompt.of(0, [[500, 375]]))
    np.testing.assert_allclose(scores, [0.9364], atol=SCORE_TOLERANCE)
    corner = logits[0, 0, :3]
    np.testing.assert_allclose(corner, [-7.0462, -13.3857, -9.6419], atol=LOGIT_TOLERANCE)


def test_two_clicks(predictor: SAMV2ImagePredictor) -> None:
    scores, _ = decode(predictor, "groceries.jpg", Prompt.of(0, [[630, 300], [550, 300]]))
    np.testing.assert_allclose(scores, [0.9114], atol=SCORE_TOLERANCE)


@pytest.mark.parametrize(
    ("image", "boxes", "expected", "corner"),
    [
        ("truck.jpg", TRUCK_BOXES, [0.9904, 0.9689, 0.9770, 0.9079], [-11.1540, -18.3994]),
        ("groceries.jpg", GROCERY_BOXES, [0.9739, 0.9816, 0.9838, 0.9781], [-12.4230, -17.4403]),
    ],
)
def test_boxes(
    predictor: SAMV2ImagePredictor,
    image: str,
    boxes: list[list[int]],
    expected: list[float],
    corner: list[float],
) -> None:
    predictor.setimage(picture(image))
    _, scores, logits = predictor.predict(box=boxes, multimask_output=False)
    np.testing.assert_allclose(scores[:, 0], expected, atol=SCORE_TOLERANCE)
    np.testing.assert_allclose(logits[0, 0, 0, :2], corner, atol=LOGIT_TOLERANCE)


@pytest.mark.parametrize(("label", "expected"), [(1, 0.9738), (0, 0.9719)])
def test_a_second_click_on_the_previous_mask(
    predictor: SAMV2ImagePredictor, label: int, expected: float
) -> None:
    _, logits = decode(predictor, "truck.jpg", Prompt.of(0, [[500, 375]]), multimask=True)
    prompt = Prompt.of(0, [[500, 375], [1125, 625]], [1, label], mask=logits[0])
    scores, _ = decode(predictor, "truck.jpg", prompt)
    np.testing.assert_allclose(scores, [expected], atol=SCORE_TOLERANCE)
