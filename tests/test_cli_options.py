"""Options that would do nothing, and numbers that mean nothing: refused, and what to do is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.ngff import image as ngff_image
from tests.test_cli_files import contents, here
from tifffile import TiffFile, imwrite

from napari_samv2_prompts.cli import main, parser, segment_modes

__all__ = ["here"]


def write_others(here: Path) -> None:
    """Write prompts that say by themselves how boxes are meant."""
    (here / "outlined").mkdir()
    imwrite(here / "outlined" / "one.tif", np.zeros((9, 9), np.uint8))
    point = '[{"type": "Feature", "geometry": {"type": "Point", "coordinates": [5, 5]}}]'
    for name in ("a.geojson", "outlined/one.geojson"):
        (here / name).write_text(point)
    (here / "a.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4]}]')
    (here / "a.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    corners = "".join(
        f"0,rectangle,{n},{y},{x}\n" for n, (y, x) in enumerate(((1, 1), (1, 9), (9, 9)))
    )
    (here / "shapes.csv").write_text(f"index,shape-type,vertex-index,axis-0,axis-1\n{corners}")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            "cells.tif --boxes boxes.csv --tracks t.csv",
            "--tracks is not for a picture",
        ),
        ("cells.tif --boxes boxes.csv --direction back", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --direction both", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --first 0", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --last 3", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --method memory", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --store s", "it goes with --through"),
        ("cells.tif --boxes boxes.csv --channel DAPI", "it has no channels, and so no 'DAPI'"),
        ("cells.tif --boxes boxes.csv --labels x", "it is for OME-Zarr files"),
        ("cells.tif --boxes boxes.csv --min-score 0.6", "it goes with --all"),
        ("cells.tif --boxes boxes.csv --min-area 3", "it goes with --all"),
        ("cells.tif --boxes boxes.csv --order parts", "it goes with --all"),
        ("cells.tif --boxes boxes.csv --workers 2", "--workers is not for a picture"),
        ("cells.tif --boxes boxes.csv --polygons", "--polygons is about the COCO file"),
        ("cells.tif --points p.csv --box-format xywh", "--box-format is about boxes: name their"),
        ("cells.tif --boxes a.geojson --box-format xywh", "a.geojson says itself how its boxes"),
        ("cells.tif --boxes a.json --box-format yolo", "a.json says itself how its boxes are"),
        ("cells.tif --boxes a.txt --box-format xywh", "a.txt says itself how its boxes are meant"),
        ("cells.tif --boxes shapes.csv --box-format xyxy", "shapes.csv says itself how its boxes"),
        ("outlined --box-format xywh", "is for tables of boxes, and outlined has none"),
        (
            "cells.tif --all --workers 2",
            "cells.tif is searched in one piece, which several",
        ),
        ("cells.tif --boxes boxes.csv --coco c.tif", "The name of the COCO file must end in .json"),
        ("folder -o x.tif", "x.tif is named like a file: name a folder for the labels, x say"),
        ("stack.tif --through 0 --boxes planes.csv --tracks t.tif", "t.tif is named like a file"),
        ("folder --polygons --coco folder/one.json", "taken for the prompts of one.tif the next"),
        ("folder --all --polygons --coco folder/two.json", "for the prompts of two.tif the next"),
        ("cells.tif --boxes boxes.csv --ome -o l.tif", "--ome writes FILE.ome.tif"),
        ("cells.tif --all --boxes boxes.csv", "--boxes is not for --all: leave it out"),
        ("cells.tif --all --save-prompts", "--save-prompts is not for --all"),
        ("cells.tif --all --prompts saved.json", "--all is not for saved prompts"),
        ("cells.tif --prompts saved.json --boxes boxes.csv", "--boxes is not for saved prompts"),
        ("cells.tif --prompts saved.json --model tiny", "the file of prompts says which model"),
        ("cells.tif --prompts saved.json --picture p.png", "--picture is not for saved prompts"),
        ("stack.tif --through 0 --boxes planes.csv --coco c.json", "--coco is not for stacks"),
        ("stack.tif --through 0 --all", "--all is not for stacks (--through): leave out one"),
        ("folder --through 0", "a folder of pictures: it is for one stack"),
        ("folder --points boxes.csv", "--points is not for a folder of pictures"),
        ("folder --boxes boxes.csv", "A folder has its tables beside its pictures"),
        ("folder --all --picture p.png", "--picture is not for --all in a folder"),
        ("image.zarr --boxes boxes.csv --coco c.json", "--coco is not for labels in an OME-Zarr"),
        ("image.zarr --boxes boxes.csv --min-score 0.9", "it goes with --all"),
        ("image.zarr --boxes boxes.csv -o l.tif --channel 0", "it has no channels, and so no '0'"),
    ],
)
def test_what_would_do_nothing_is_refused(command, message, here: Path, capsys) -> None:
    write_others(here)
    if "image.zarr" in command:
        ngff_image(here / "image.zarr", np.zeros((9, 9), np.uint8), "yx", "0.4")
    before = contents(here)
    assert main(["segment", *command.split()]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert contents(here) == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("segment folder --workers 0", "--workers: 0 is not a whole number from 1"),
        ("segment folder --workers -2", "--workers: -2 is not a whole number from 1"),
        ("segment cells.tif --all --min-score 5", "--min-score: 5 is not from 0 to 1"),
        ("segment cells.tif --all --min-score nan", "--min-score: nan is not a number"),
        ("segment cells.tif --all --min-area=-5", "--min-area: -5 is below 0"),
        ("segment stack.tif --through 0 --first=-1", "--first: -1 is not a whole number from 0"),
        ("embed cells.tif -o e --limits nan 5", "--limits: nan is not a number"),
        ("embed cells.tif -o e --layer=-1", "--layer: -1 is not a whole number from 0"),
        ("train --data folder -o m.safetensors --rate nan", "--rate: nan is not a number"),
        ("train --data folder -o m.safetensors --rate 0", "--rate: 0 is not above 0"),
        ("train --data folder -o m.safetensors --steps 0", "--steps: 0 is not a whole number"),
        ("train --data folder -o m.safetensors --minutes=-1", "--minutes: -1 is not above 0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(command, message, here: Path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("limits", ["5 5", "200 5"])
def test_white_is_above_black(limits: str, here: Path, capsys) -> None:
    assert main(f"embed cells.tif -o e --limits {limits}".split()) == 1
    assert f"--limits {limits}: white must be above black" in capsys.readouterr().err


def test_the_table_of_options_has_those_of_segment() -> None:
    found = vars(parser().parse_args(["segment", "x"]))
    always = {"image", "channel", "overwrite", "checkpoint", "device", "run", "version"}
    assert set(found) - always == set(segment_modes._USES)
    values = {found[name] for name in set(found) - always}
    assert values == {None, False}, "what has a default can't be told from what was given"


def test_ome_is_an_ending_of_the_name_that_was_not_given(here: Path, predictor) -> None:
    assert main(["segment", "cells.tif", "--boxes", "boxes.csv", "--ome"]) == 0
    with TiffFile("cells.labels.ome.tif") as file:
        assert file.is_ome
