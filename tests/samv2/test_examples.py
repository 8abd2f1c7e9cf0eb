"""Each example of the documentation runs as it stands and writes the picture it says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image
from tests.samv2.video.films import MINI, calm_network

from napari_samv2_prompts.samv2 import SAMV2VideoPredictor, video_predictor

matplotlib.use("Agg")

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = sorted(p for p in FOLDER.glob("*.py") if not p.name.startswith(("_", "video_")))
FILMS = sorted(FOLDER.glob("video_*.py"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))


def test_there_is_an_example_for_each_way_of_prompting() -> None:
    assert len(EXAMPLES) == 8
    assert len(FILMS) == 7


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_writes_its_picture(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(path), "--out", "result.png"])
    runpy.run_path(str(path), run_name="__main__")
    assert [p.name for p in tmp_path.iterdir()] == ["result.png"]
    picture = np.asarray(Image.open("result.png").convert("RGB")).astype(int)
    # Coins are grey: colour is what the example drew.
    assert (np.ptp(picture, axis=-1) > 60).mean() > 0.005


def test_an_example_takes_an_image_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("mine.png")
    path = FOLDER / "box.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--image", "mine.png", "--out", "result.png"])
    result = runpy.run_path(str(path), run_name="__main__")
    assert result["image"].shape == (40, 60, 3)


@pytest.fixture(scope="module")
def small() -> SAMV2VideoPredictor:
    return SAMV2VideoPredictor(calm_network(MINI, 128), device="cpu", dtype="float32")


@pytest.mark.parametrize("path", FILMS, ids=lambda path: path.stem)
def test_a_video_example_runs_and_writes_its_picture(
    path: Path, small: SAMV2VideoPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a small network in place of the published one, which is not at hand."""
    monkeypatch.setattr(video_predictor, "SAMV2VideoPredictor", lambda *_, **__: small)
    monkeypatch.setattr(sys, "argv", [str(path), "--out", "result.png", "--frames", "4"])
    result = runpy.run_path(str(path), run_name="__main__")
    assert [p.name for p in tmp_path.iterdir()] == ["result.png"]
    assert list(result["results"]) == [0, 1, 2, 3]
    assert all(len(ids) == len(logits) > 0 for ids, logits in result["results"].values())
    Image.open("result.png").verify()


def test_a_video_example_takes_a_film_of_ones_own(
    small: SAMV2VideoPredictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film").mkdir()
    for number in range(2):
        Image.new("RGB", (60, 40)).save(tmp_path / "film" / f"{number}.jpg")
    monkeypatch.setattr(video_predictor, "SAMV2VideoPredictor", lambda *_, **__: small)
    path = FOLDER / "video_click.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--video", "film", "--out", "result.png"])
    result = runpy.run_path(str(path), run_name="__main__")
    assert result["results"][1][1].shape == (1, 1, 40, 60)
