"""What the guide says of kinds of files is so, and it says all of it."""

from __future__ import annotations

import json
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.io.file_kinds import TABLE
from tests.io.file_kinds.common import GREY, Desk

from napari_samv2_prompts import segment
from napari_samv2_prompts.prompts import PromptBatch

if TYPE_CHECKING:
    from tests.kinds import Kind


@pytest.mark.parametrize("kind", TABLE.kinds, ids=attrgetter("kind"))
def test_what_the_guide_says_is_so(kind: Kind, tmp_path: Path, capsys, monkeypatch) -> None:
    kind.prove(Desk(tmp_path, capsys, monkeypatch))


def test_the_page_is_up_to_date() -> None:
    assert TABLE.page.read_text(encoding="utf-8") == TABLE.text(), (
        "run: python -m scripts.file_kinds"
    )


@pytest.mark.parametrize("nothing", [[], np.zeros((0, 4)), {}])
def test_a_script_may_have_no_objects(nothing: object) -> None:

    labels = segment(GREY, boxes=nothing)
    assert labels.shape == GREY.shape
    assert not labels.any()


def test_an_outline_from_a_file_is_a_prompt_that_the_network_takes(tmp_path: Path) -> None:
    """The same labels as the same outline by hand; the stand-in above does not look at masks."""
    from napari_samv2_prompts import samv2
    from napari_samv2_prompts.engine.coordinates import on_whole_plane
    from napari_samv2_prompts.io.prompt_files import read_prompts
    from napari_samv2_prompts.sample_data import coins

    ((image, _, _),) = coins()
    ring = [[131, 30], [155, 22], [179, 50], [155, 76]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = tmp_path / "coin.geojson"
    path.write_text(json.dumps([feature]))
    predictor = samv2.SAMV2ImagePredictor(device="cpu")
    labels = segment(image, boxes=path, predictor=predictor)
    (prompt,) = read_prompts(image.shape, path)
    embedding = predictor.embed(image)
    batch = on_whole_plane(PromptBatch((prompt,)), image.shape, embedding.logits_size)
    assert batch[0].mask.shape == (embedding.logits_size,) * 2
    inside = batch[0].mask > 0
    rows, columns = (np.argwhere(inside).mean(axis=0) + 0.5) / embedding.logits_size
    assert abs(rows * image.shape[0] - 45) < 3
    assert abs(columns * image.shape[1] - 155) < 3
    assert labels[26:74, 131:179].any()
    box = np.zeros_like(labels)
    box[20:80, 128:182] = 1
    assert not labels[box == 0].any()
