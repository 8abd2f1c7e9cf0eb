"""Fine-tuning from the command line: which files belong together, and where the weights go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_samv2_prompts.cli import main
from napari_samv2_prompts.finetuning import pairs_of_folder


def write(folder: Path, name: str, ending: str = ".labels") -> None:
    labels = np.zeros((96, 96), np.uint16)
    labels[20:60, 30:70] = 7
    Image.fromarray((labels > 0).astype(np.uint8) * 150).save(folder / f"{name}.png")
    Image.fromarray(labels).save(folder / f"{name}{ending}.png")


def test_pictures_are_found_beside_their_labels(tmp_path: Path) -> None:
    write(tmp_path, "one")
    write(tmp_path, "two", "_labels")
    for name in ("notes.txt", "one.csv", "two.json"):
        (tmp_path / name).write_text("nothing")
    found = list(pairs_of_folder(tmp_path))
    assert [pair.name for pair in found] == ["one", "two"]
    assert [pair.objects().tolist() for pair in found] == [[7], [7]]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no folder"):
        list(pairs_of_folder(tmp_path / "away"))
    with pytest.raises(ValueError, match="no pictures with labels"):
        list(pairs_of_folder(tmp_path))
    write(tmp_path, "one")
    (tmp_path / "one.png").unlink()
    with pytest.raises(ValueError, match="no picture beside it"):
        list(pairs_of_folder(tmp_path))


def test_weights_are_written_where_asked_and_where_the_picker_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path / "models"))
    data = tmp_path / "data"
    data.mkdir()
    for name in ("one", "two", "three"):
        write(data, name)
    output = tmp_path / "mine.safetensors"
    status = main(["train", "--data", str(data), "-o", str(output), "--steps", "2"])
    assert status == 0
    assert "one click" in capsys.readouterr().out
    assert (tmp_path / "models" / "mine.safetensors").read_bytes() == output.read_bytes()
    assert not output.with_suffix(".training").exists()
    assert SAMV2ImagePredictor(checkpoint=output, device="cpu").variant.name == "nano"


def test_other_endings_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(tmp_path), "-o", str(tmp_path / "mine.pt")]) == 1
    assert ".safetensors" in capsys.readouterr().err
