"""What can't be used is refused with the reason and with what to do: pictures, prompts, models.

What depends on what the predictor was given before is in ``test_state``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.samv2.image_predictor.predictors import make_image

from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, available_models


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


def test_a_mask_prompt_of_a_part_of_the_image_is_refused(ready) -> None:
    side = ready.variant.logits_size
    part = Prompt(1, box=(5, 5, 9, 9), mask=np.ones((side, side)), mask_box=(5, 5, 9, 9))
    with pytest.raises(ValueError, match="whole image"):
        ready.decode(ready.embed(make_image()), PromptBatch((part,)))


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
