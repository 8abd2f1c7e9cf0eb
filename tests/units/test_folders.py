"""A folder of pictures: each with its table, what is done left out, what fails reported."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tifffile import TiffFile, imread, imwrite

from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.cli.common import settings_of
from napari_samv2_prompts.io.pixel_size import FileWarning
from napari_samv2_prompts.io.record_files import read_record
from napari_samv2_prompts.units import folders
from napari_samv2_prompts.units.folders import find_pictures, find_units


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(("a.tif", "b.ome.tif", "c.tif"), 1):
        image = np.full((30, 40), 50 * number, np.uint8)
        imwrite(folder / name, image, resolution=(5e4, 5e4), resolutionunit="CENTIMETER")
        stem = name.split(".")[0]
        (folder / f"{stem}.csv").write_text(f"object,x0,y0,x1,y1\n{number},5,6,15,16\n")
    (folder / "c.csv").unlink()
    (folder / "c.points.csv").write_text("object,x,y,polarity\n3,20,20,positive\n")
    return folder


def run(folder: Path, *arguments: str | Path) -> int:
    return main(["segment", str(folder), *map(str, arguments)])


def test_each_picture_gets_the_labels_of_its_table(folder, predictor, tmp_path, capsys) -> None:
    assert run(folder, "-o", tmp_path / "out", "--ome", "--save-prompts") == 0
    for number, stem in enumerate("abc", 1):
        path = tmp_path / "out" / f"{stem}.labels.ome.tif"
        assert set(np.unique(imread(path))) == {0, number}
        with TiffFile(path) as file:
            assert 'PhysicalSizeX="0.2"' in file.ome_metadata or stem == "b"
        assert read_record(tmp_path / "out" / f"{stem}.prompts.json").shape == (30, 40)
    assert len(predictor.made) == 1, "one model for all"
    assert "3 segmented, 0 done before, 0 left out" in capsys.readouterr().out
    assert not [path for path in (tmp_path / "out").iterdir() if ".part" in path.name]


def test_what_is_done_and_whole_is_not_done_again(folder, predictor, capsys) -> None:
    assert run(folder) == 0
    out = folder / "labels"
    whole, cut = out / "a.labels.tif", out / "b.labels.tif"
    before = whole.stat().st_mtime_ns
    cut.write_bytes(cut.read_bytes()[:60])
    (out / "c.labels.tif").unlink()
    assert run(folder) == 0
    assert "2 segmented, 1 done before" in capsys.readouterr().out
    assert whole.stat().st_mtime_ns == before
    assert set(np.unique(imread(cut))) == {0, 2}
    assert run(folder, "--overwrite") == 0
    assert whole.stat().st_mtime_ns != before


def test_nothing_to_do_makes_no_model(folder, predictor) -> None:
    run(folder)
    predictor.made.clear()
    assert run(folder) == 0
    assert predictor.made == []


def test_a_bad_picture_is_reported_and_the_rest_goes_on(folder, predictor, capsys) -> None:
    (folder / "a.tif").write_bytes(b"II*\0 not really a picture")
    (folder / "d.png").write_bytes(b"")  # without a table
    (folder / "c.points.csv").write_text("object,x,y,polarity\n3,900,20,positive\n")
    assert run(folder) == 1
    told = capsys.readouterr()
    assert "1 segmented, 0 done before, 3 left out" in told.out
    for words in ("a.tif", "d.png is left out: there is no table d.csv", "c.points.csv, line 2"):
        assert words in told.err
    assert [path.name for path in (folder / "labels").iterdir()] == ["b.labels.tif"]
    assert "Traceback" not in told.err
    assert "a.tif: a.tif" not in told.err


def test_pictures_that_would_share_their_labels_are_not_mixed_up(folder) -> None:
    (folder / "a.png").write_bytes(b"")
    units, problems = find_units(folder, folder)
    assert [unit.image.name for unit in units] == ["a.png", "b.ome.tif", "c.tif"]
    assert problems == ["a.tif is left out: a.png has the same name."]


def test_a_table_of_neither_kind_and_two_of_one_kind_are_told(folder) -> None:
    (folder / "a.csv").write_text("x,y\n1,2\n")
    (folder / "b.boxes.csv").write_text("object,x0,y0,x1,y1\n")
    units, problems = find_units(folder, folder)
    assert [unit.image.name for unit in units] == ["c.tif"]
    assert "a.csv must name" in problems[0]
    assert "both list boxes" in problems[1]


def test_labels_among_the_pictures_are_no_pictures(folder, predictor, capsys) -> None:
    (folder / ".a.labels.0123456789ab.part.tif").write_bytes(b"half")
    for ome in ([], ["--ome"], []):
        assert run(folder, "-o", folder, *ome) == 0
        assert "left out" not in capsys.readouterr().err
    names = {path.name for path in folder.iterdir() if ".labels" in path.name[1:]}
    assert names == {f"{n}.labels{e}" for n in "abc" for e in (".tif", ".ome.tif")} | {
        ".a.labels.0123456789ab.part.tif"
    }
    for out in (folder, folder / "labels"):
        units = find_pictures(folder, out, Selection())
        assert [unit.image.name for unit in units] == ["a.tif", "b.ome.tif", "c.tif"]
    (folder / "a.tif").unlink()
    (folder / "a.labels.ome.tif").unlink()
    assert len(find_pictures(folder, folder, Selection())) == 2
    units = find_pictures(folder, folder / "labels", Selection())
    assert "a.labels.tif" in {unit.image.name for unit in units}, "it may be one of the user's"


def test_an_empty_folder_is_a_sentence(tmp_path, capsys) -> None:
    assert run(tmp_path) == 1
    assert "no pictures" in capsys.readouterr().err


def test_done_means_that_all_of_it_is_there_and_of_these_inputs(folder, predictor) -> None:
    unit = find_units(folder, folder, keep_prompts=True)[0][0]
    key = unit.key("weights")
    assert unit.standing(key) == "absent"
    unit.run(predictor, key)
    assert unit.standing(key) == "done"
    for other in (unit.key("other weights"), replace(unit, box_format="xywh").key("weights")):
        assert unit.standing(other) == "outdated"
    unit.prompts.unlink()
    assert unit.standing(key) == "outdated"
    before = unit.key("weights")
    unit.boxes.write_text("object,x0,y0,x1,y1\n1,5,6,15,17\n")
    assert unit.key("weights") != before
    imwrite(unit.labels, np.zeros((3, 3), np.uint16))
    assert unit.standing(key) == "foreign"


def test_what_was_changed_by_hand_is_left_and_said(folder, predictor, capsys) -> None:
    assert run(folder) == 0
    edited = folder / "labels" / "b.labels.tif"
    labels = imread(edited)
    labels[0, 0] = 77
    imwrite(edited, labels)
    (folder / "a.csv").write_text("object,x0,y0,x1,y1\n9,5,6,15,16\n")
    assert run(folder) == 0
    told = capsys.readouterr()
    assert "1 segmented, 2 done before" in told.out
    assert told.err.count("b.ome.tif: what is there was not written by this program") == 1
    assert imread(edited)[0, 0] == 77
    assert set(np.unique(imread(folder / "labels" / "a.labels.tif"))) == {0, 9}
    assert run(folder, "--overwrite") == 0
    assert imread(edited)[0, 0] == 0


def test_the_same_inputs_give_the_same_files(folder, predictor, tmp_path) -> None:
    for out in ("one", "other"):
        assert run(folder, "--ome", "-o", tmp_path / out) == 0
    names = [path.name for path in (tmp_path / "one").iterdir()]
    assert len(names) == 3
    for name in names:
        one, other = ((tmp_path / out / name).read_bytes() for out in ("one", "other"))
        assert one == other


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_one_coco_file_for_all(folder, predictor, tmp_path, capsys) -> None:
    from pycocotools.coco import COCO

    assert run(folder, "--coco", tmp_path / "all.json") == 0
    found = COCO(str(tmp_path / "all.json"))
    assert [image["file_name"] for image in found.imgs.values()] == ["a.tif", "b.ome.tif", "c.tif"]
    assert [a["label"] for a in found.anns.values()] == [1, 2, 3]


def test_workers_that_stand_elsewhere_find_what_is_named_from_here(folder, monkeypatch) -> None:
    coco = {"images": [{"id": 1, "file_name": "a.tif"}], "annotations": [], "categories": []}
    (folder / "all.json").write_text(json.dumps(coco))
    sent = []
    monkeypatch.setattr(
        folders, "run_here_or_on", lambda client, units, settings, **_: sent.extend(units) or ()
    )
    monkeypatch.chdir(folder)
    with pytest.warns(FileWarning, match="does not list it"):
        list(folders.segment_folder(".", boxes="all.json", checkpoint="mine.pt"))
    (unit,) = sent
    assert unit.boxes == folder / "all.json"
    assert unit.settings.checkpoint == folder / "mine.pt"
    asked = Namespace(model=None, checkpoint=Path("mine.pt"), device="cpu")
    assert settings_of(asked).checkpoint == folder / "mine.pt"


def test_prompts_that_were_saved_give_the_labels_again(folder, tmp_path, capsys) -> None:
    first, again = tmp_path / "first.tif", tmp_path / "again.tif"
    image = folder / "a.tif"
    table = ["--boxes", folder / "a.csv", "--device", "cpu"]
    assert run(image, *table, "-o", first, "--save-prompts") == 0
    saved = tmp_path / "first.prompts.json"
    assert run(image, "--prompts", saved, "-o", again, "--device", "cpu") == 0
    assert np.array_equal(imread(again), imread(first))
    other = tmp_path / "other.tif"
    imwrite(other, np.zeros((8, 8), np.uint8))
    assert run(other, "--prompts", saved, "-o", again) == 1
    assert "30 x 40" in capsys.readouterr().err


def test_version_lists_what_a_report_needs(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("napari-samv2-prompts", "torch", "numpy"))


def test_hidden_files_are_no_pictures(folder, predictor, capsys) -> None:
    for name in ("._a.tif", ".DS_Store", ".a.tif"):
        (folder / name).write_bytes(b"of the system")
    assert run(folder) == 0
    assert "3 segmented, 0 done before, 0 left out" in capsys.readouterr().out


def test_a_picture_that_fails_is_not_in_the_coco_file_with_older_labels(
    folder, predictor, tmp_path, capsys
) -> None:
    asked = ("--coco", tmp_path / "all.json", "--polygons")
    assert run(folder, *asked) == 0
    (folder / "b.ome.tif").write_bytes(b"damaged")
    assert run(folder, *asked) == 1
    listed = json.loads((tmp_path / "all.json").read_text())["images"]
    assert [image["file_name"] for image in listed] == ["a.tif", "c.tif"]
    assert (folder / "labels" / "b.labels.tif").exists()
