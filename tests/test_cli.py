"""The commands as a user types them, with a stand-in for the network where it does not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from tifffile import imread

from napari_samv2_prompts import samv2
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.prompts import ItemMasks
from napari_samv2_prompts.sample_data import COIN_BOXES
from napari_samv2_prompts.samv2.weights import download as download_module
from napari_samv2_prompts.samv2.weights.registry import CACHE_VARIABLE, PUBLISHED_FILES


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90), np.uint8)).save(path)
    return path


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text("object,x0,y0,x1,y1\n5,10,20,30,40\n2,50,5,80,25\n")
    return path


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_segment_writes_one_label_per_object(predictor, picture, boxes, tmp_path, capsys) -> None:
    points = tmp_path / "points.csv"
    points.write_text("object,x,y,polarity\n8,40,50,positive\n")
    out, drawn = tmp_path / "out.tif", tmp_path / "drawn.png"
    arguments = [picture, "--boxes", boxes, "--points", points, "-o", out, "--picture", drawn]
    assert main(["segment", *map(str, arguments)]) == 0
    labels = imread(out)
    assert labels.dtype == np.uint16
    assert labels.shape == (60, 90)
    assert (labels[20:40, 10:30] == 5).all()
    assert (labels[5:25, 50:80] == 2).all()
    assert (labels[49:52, 39:42] == 8).all()
    assert np.count_nonzero(labels) == 400 + 600 + 9
    assert size_of(drawn) == (90, 60)
    assert "3 objects" in capsys.readouterr().out


def test_objects_without_a_pixel_are_not_counted(
    predictor, picture, boxes, tmp_path, monkeypatch, capsys
) -> None:
    whole = predictor._item

    def found(self, prompt) -> ItemMasks:
        item = whole(self, prompt)
        empty = tuple(replace(crop, mask=crop.mask & False) for crop in item.crops)
        return replace(item, crops=empty) if prompt.object == 2 else item

    monkeypatch.setattr(predictor, "_item", found)
    out = tmp_path / "out.tif"
    assert main(["segment", str(picture), "--boxes", str(boxes), "-o", str(out)]) == 0
    assert set(np.unique(imread(out))) == {0, 5}
    assert "1 object in" in capsys.readouterr().out


def test_without_a_name_the_labels_have_the_pictures(
    predictor, picture, boxes, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["segment", str(picture), "--boxes", str(boxes)]) == 0
    assert (tmp_path / "picture.labels.tif").is_file()


def test_model_options_reach_the_predictor(predictor, picture, boxes, tmp_path) -> None:
    mine = tmp_path / "mine.pt"
    common = ["segment", str(picture), "--boxes", str(boxes), "-o", str(tmp_path / "out.tif")]
    assert main([*common, "--model", "tiny", "--checkpoint", str(mine), "--device", "cpu"]) == 0
    assert main(common) == 0
    assert predictor.made == [("tiny", mine, "cpu"), (None, None, "auto")]


def test_demo_needs_nothing(predictor, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--out", "new/folder"]) == 0
    labels = imread(tmp_path / "new" / "folder" / "labels.tif")
    assert set(np.unique(labels)) == set(range(len(COIN_BOXES) + 1))
    assert size_of(tmp_path / "new" / "folder" / "outlines.png") == labels.shape[::-1]
    assert predictor.made == [(None, None, "auto")]


def test_segment_with_the_real_network(picture, boxes, tmp_path: Path) -> None:
    weights = tmp_path / "nano.safetensors"
    save_file(samv2.build_samv2("nano").state_dict(), weights)
    out = tmp_path / "out.tif"
    arguments = [picture, "--boxes", boxes, "--checkpoint", weights, "-o", out, "--device", "cpu"]
    assert main(["segment", *map(str, arguments)]) == 0
    assert imread(out).shape == (60, 90)
    assert set(np.unique(imread(out))) <= {0, 2, 5}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{picture}"], "Give prompts"),
        (["{picture}", "--boxes", "{nothing}"], "There is no file"),
        (["{picture}", "--boxes", "{folder}"], "is a folder: name a file"),
        (["{picture}", "--prompts", "{nothing}"], "There is no file"),
        (["{nothing}", "--boxes", "{boxes}"], "no file"),
        (["{picture}", "--boxes", "{boxes}", "-o", "{nothing}/x.tif"], "no folder"),
        (["{picture}", "--boxes", "{picture}"], "not a text file"),
        (["{picture}", "--boxes", "{boxes}", "--model", "huge"], "no model named 'huge'"),
    ],
)
def test_errors_are_one_sentence(arguments, message, predictor, picture, boxes, tmp_path, capsys):
    places = {"picture": picture, "boxes": boxes, "nothing": tmp_path / "nothing"}
    places["folder"] = tmp_path
    assert main(["segment", *(argument.format(**places) for argument in arguments)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("napari-samv2-prompts: ")
    assert message in shown
    assert shown.count("\n") == 1


def test_models_list(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (tmp_path / "sam2.1_hiera_small.pt").touch()
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    assert main(["models"]) == 0
    assert capsys.readouterr().out == listed
    lines = {line.split()[0]: line for line in listed.splitlines()}
    assert lines.keys() == {"NAME", "nano", *PUBLISHED_FILES}
    assert str(tmp_path / "sam2.1_hiera_small.pt") in lines["sam2.1_hiera_small"]
    assert "898" in lines["sam2_hiera_large"]
    assert lines["sam2_hiera_large"].endswith("no")


def test_models_path(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert main(["models", "path", "tiny"]) == 1
    assert "models download tiny" in capsys.readouterr().err
    (tmp_path / "sam2.1_hiera_tiny.pt").touch()
    assert main(["models", "path", "tiny"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sam2.1_hiera_tiny.pt")


def test_models_download(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    size = PUBLISHED_FILES["sam2.1_hiera_tiny"].bytes
    reported = []

    def fake_download(name: str, *, progress) -> Path:
        for done in (0, size // 2, size):
            progress(done, size)
            reported.append(done)
        return tmp_path / f"{name}.pt"

    monkeypatch.setattr(download_module, "download", fake_download)
    assert main(["models", "download", "tiny"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "tiny.pt")
    assert len(reported) == 3


def test_interrupted_download(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))

    def interrupted(name: str, *, progress) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module, "download", interrupted)
    assert main(["models", "download", "tiny"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_wanted_model_is_downloaded_first(predictor, picture, boxes, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "empty"))
    asked = []

    def fake_download(name: str, *, progress) -> Path:
        asked.append(name)
        return tmp_path

    monkeypatch.setattr(download_module, "download", fake_download)
    common = ["segment", str(picture), "--boxes", str(boxes), "-o", str(tmp_path / "out.tif")]
    assert main([*common, "--model", "small"]) == 0
    assert asked == ["small"]
    assert predictor.made == [("small", None, "auto")]


def test_warnings_about_files_are_sentences(monkeypatch, capsys) -> None:
    import warnings

    from napari_samv2_prompts.cli import models
    from napari_samv2_prompts.io.pixel_size import FileWarning

    def warn(options) -> None:
        for _ in range(2):
            warnings.warn("x.tif: its pixel size is odd.", FileWarning, stacklevel=2)

    monkeypatch.setattr(models, "run", warn)
    assert main(["models"]) == 0
    assert capsys.readouterr().err == "napari-samv2-prompts: x.tif: its pixel size is odd.\n" * 2


def test_a_worker_that_imports_the_program_does_not_start_it_again() -> None:
    import runpy

    runpy.run_module("napari_samv2_prompts.cli", run_name="__mp_main__")
