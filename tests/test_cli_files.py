"""Names of files that can't be written, or must not be: refused before anything is computed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tifffile import imwrite

from napari_samv2_prompts import samv2
from napari_samv2_prompts.cli import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with inputs of every command; no model can be made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path / "models"))

    def no_model(*arguments: object, **named: object) -> None:
        raise AssertionError("a model was made")

    monkeypatch.setattr(samv2, "SAMV2ImagePredictor", no_model, raising=False)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 60, 90), np.uint8)
    imwrite("cells.tif", pixels[0])
    Image.fromarray(pixels[0]).save("cells.png")
    imwrite("stack.tif", pixels, photometric="minisblack")
    Path("boxes.csv").write_text("object,x0,y0,x1,y1\n5,10,20,30,40\n")
    Path("planes.csv").write_text("object,plane,x0,y0,x1,y1\n5,1,10,20,30,40\n")
    Path("saved.json").write_text("{}")
    Path("mine.safetensors").write_bytes(b"weights")
    Path("scheduler.json").write_text("{}")
    with suppress(OSError):  # not everybody may make them on Windows
        os.symlink("cells.tif", "link.tif")
        os.link("cells.tif", "hard.tif")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        imwrite(folder / f"{name}.tif", pixels[0])
        shutil.copy("boxes.csv", folder / f"{name}.csv")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "command",
    [
        "segment cells.tif --boxes boxes.csv -o cells.tif",
        "segment cells.tif --boxes boxes.csv -o ./folder/../cells.tif",
        "segment cells.tif --boxes boxes.csv -o link.tif",
        "segment link.tif --boxes boxes.csv -o cells.tif",
        "segment cells.tif --boxes boxes.csv -o hard.tif",
        "segment cells.tif --boxes boxes.csv --picture cells.tif",
        "segment cells.png --boxes boxes.csv --picture cells.png",
        "segment cells.tif --boxes boxes.csv --polygons --coco boxes.csv",
        "segment cells.tif --boxes boxes.csv --polygons --coco cells.tif",
        "segment cells.tif --boxes boxes.csv --checkpoint mine.safetensors --polygons "
        "--coco mine.safetensors",
        "segment cells.tif --boxes saved.prompts.json --save-prompts -o saved.tif",
        "segment cells.tif --all -o cells.tif",
        "segment cells.tif --all --picture cells.tif",
        "segment cells.tif --all --polygons --coco cells.tif",
        "segment cells.tif --prompts saved.json -o cells.tif",
        "segment cells.tif --prompts saved.json --polygons --coco saved.json",
        "segment stack.tif --through 0 --boxes planes.csv -o stack.tif",
        "segment stack.tif --through 0 --boxes planes.csv --tracks planes.csv",
        "segment folder --polygons --coco folder/one.csv",
        "segment folder --all --polygons --coco folder/one.tif",
        "train --data folder --from mine.safetensors -o mine.safetensors",
    ],
)
def test_no_input_is_written_over(command: str, here: Path, capsys) -> None:
    if any(name in command and not Path(name).exists() for name in ("link.tif", "hard.tif")):
        pytest.skip("there are no links here")
    before = contents(here)
    assert main(command.split()) == 1
    told = capsys.readouterr().err
    assert "is read, and" in told
    assert told.count("\n") == 1
    assert contents(here) == before


def test_a_copy_for_the_list_of_models_is_no_other_weights(here: Path, capsys) -> None:
    listed = here / "models" / "mine.safetensors"
    listed.parent.mkdir()
    listed.write_bytes(b"weights")
    command = ["train", "--data", "folder", "--from", str(listed), "-o", "mine.safetensors"]
    assert main(command) == 1
    assert "is read, and" in capsys.readouterr().err
    assert listed.read_bytes() == b"weights"


def test_nothing_is_written_into_an_image_that_is_a_folder(here: Path, capsys) -> None:
    image = here / "image.zarr"
    image.mkdir()
    (image / "zarr.json").write_text("{}")
    before = contents(here)
    named = f"segment {image} --boxes boxes.csv -o l.tif --polygons --coco {image}/zarr.json"
    for command in (named, f"embed {image} -o {image}", f"embed {image} -o {image}/embeddings"):
        assert main(command.split()) == 1
        assert "is read, and" in capsys.readouterr().err, command
    assert contents(here) == before


@pytest.mark.parametrize(
    "command",
    [
        "segment cells.tif --boxes boxes.csv -o x.tif --picture ./x.tif",
        "segment cells.tif --boxes boxes.csv -o x.tif --polygons --coco x.tif",
        "segment cells.tif --all -o x.tif --polygons --coco x.objects.csv",
        "segment stack.tif --through 0 --boxes planes.csv -o x.tif --tracks x.tif",
        "segment folder -o out --polygons --coco out/one.labels.tif",
    ],
)
def test_no_file_gets_two_purposes(command: str, here: Path, capsys) -> None:
    before = contents(here)
    assert main(command.split()) == 1
    told = capsys.readouterr().err
    assert "is named for" in told or "must end in" in told or "is a file" in told, told
    assert contents(here) == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("segment cells.tif --boxes boxes.csv -o l.png", "must end in .tif or .ome.tif"),
        ("segment cells.tif --all -o l.foo", "must end in .tif or .ome.tif"),
        ("segment cells.tif --boxes boxes.csv -o .", ". is a folder"),
        ("segment cells.tif --boxes boxes.csv -o no/l.tif", "There is no folder no"),
        ("segment cells.tif --boxes boxes.csv --picture x.foo", "must end in .png or .jpg"),
        ("segment cells.tif --boxes boxes.csv --picture no/x.png", "There is no folder no"),
        ("segment cells.tif --boxes boxes.csv --polygons --coco no/x.json", "There is no folder"),
        ("segment folder --polygons --coco no/x.json", "There is no folder no"),
        ("segment folder -o cells.tif", "cells.tif is a file"),
        ("segment stack.tif --through 0 --boxes planes.csv --tracks folder", "something in folder"),
        ("segment stack.tif --through 0 --boxes planes.csv --store cells.tif", "is a file"),
        ("segment nowhere", "There is no file nowhere."),
        ("segment folder -o cells.tif/out", "cells.tif is a file, and can't hold the labels"),
        ("embed cells.tif -o cells.png", "cells.png is a file"),
        ("embed cells.tif -o no/embeddings", "There is no folder"),
        ("demo --out cells.png", "cells.png is a file"),
        ("train --data folder -o mine.pt", "must end in .safetensors"),
    ],
)
def test_what_cannot_be_written_is_said_first(command, message, here: Path, capsys) -> None:
    before = contents(here)
    assert main(command.split()) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert contents(here) == before


def test_what_a_run_makes_itself_may_be_missing(here: Path, predictor, capsys) -> None:
    command = "segment folder -o new/out --polygons --coco new/all.json --save-prompts"
    assert main(command.split()) == 0
    assert {"all.json", "out/one.labels.tif", "out/one.prompts.json"} < set(contents(here / "new"))
    assert main(command.split()) == 0, "what was written is written again"


def test_a_folder_that_can_not_be_written_is_told_first(here: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: "kept" not in str(path))
    (here / "kept").mkdir()
    for command in (
        "segment cells.tif --boxes boxes.csv -o kept/labels.tif",
        "segment folder -o kept/results",
        "embed cells.tif -o kept/embeddings",
    ):
        assert main(command.split()) == 1
        assert "kept can't be written to: choose another folder for" in capsys.readouterr().err
