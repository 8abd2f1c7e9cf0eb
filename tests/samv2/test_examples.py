"""Each example of the documentation runs as it stands and writes the picture it says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from napari_samv2_prompts.samv2.weights.registry import bundled_file

matplotlib.use("Agg")

FOLDER = Path(__file__).parents[2] / "docs" / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))


def test_there_is_an_example_for_each_way_of_prompting() -> None:
    assert len(EXAMPLES) == 8


@pytest.mark.skipif(not bundled_file("nano").exists(), reason="the bundled weights are missing")
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


@pytest.mark.skipif(not bundled_file("nano").exists(), reason="the bundled weights are missing")
def test_an_example_takes_an_image_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("mine.png")
    path = FOLDER / "box.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--image", "mine.png", "--out", "result.png"])
    result = runpy.run_path(str(path), run_name="__main__")
    assert result["image"].shape == (40, 60, 3)
