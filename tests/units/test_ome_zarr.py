"""OME-Zarr images and plates: labels go into them, whole or not at all, and others read them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.ngff import VERSIONS, group, image, plate, read_labels

from napari_samv2_prompts.cli import main
from napari_samv2_prompts.io.ome_zarr import open_ngff
from napari_samv2_prompts.io.ome_zarr_labels import written_labels
from napari_samv2_prompts.io.opening import open_image
from napari_samv2_prompts.io.pictures import picture_of
from napari_samv2_prompts.units.ome_zarr import find_fields

pytestmark = pytest.mark.usefixtures("predictor")

FIELDS = ("A/1/0", "A/1/1", "B/2/0")
TABLE = "image,object,x0,y0,x1,y1\n" + "".join(
    f"{name},{number},5,6,15,16\n" for number, name in enumerate(FIELDS, 1)
)


@pytest.fixture(params=VERSIONS)
def version(request) -> str:
    return request.param


@pytest.fixture
def path(tmp_path: Path, version: str) -> Path:
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 255, (1, 30, 40)).astype(np.uint16) for name in FIELDS}
    plate(tmp_path / "p.zarr", pictures, version)
    (tmp_path / "boxes.csv").write_text(TABLE)
    return tmp_path / "p.zarr"


def run(path: Path, *arguments: object) -> int:
    table = path.parent / "boxes.csv"
    return main(["segment", str(path), "--boxes", str(table), *map(str, arguments)])


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def napari_reads(path: Path) -> list[tuple]:
    """Return what the plugin napari-ome-zarr makes of a file."""
    from napari_ome_zarr import napari_get_reader

    return napari_get_reader(str(path))()


def test_the_fields_of_a_plate_get_labels_that_others_read(path, predictor, capsys) -> None:
    before = files(path)
    assert run(path) == 0
    assert "3 segmented, 0 done before, 0 left out" in capsys.readouterr().out
    assert len(predictor.made) == 1, "one model for all"
    after = files(path)
    assert {name: after[name] for name in before} == before, "something else was changed"
    for number, name in enumerate(FIELDS, 1):
        labels = read_labels(path / name, "samv2")
        assert labels.shape == (30, 40)
        assert set(np.unique(labels)) == {0, number}
        assert (labels[6:16, 5:15] == number).all()
    shown, _, kind = napari_reads(path)[-1]
    assert kind == "labels"
    assert set(np.unique(np.asarray(shown[0]))) == {0, 1, 3}  # the first field of each well


def test_labels_lie_on_their_image_at_each_level(path, capsys) -> None:
    assert run(path) == 0
    (pixels, about, _), (labels, meta, kind) = napari_reads(path / "A/1/0")
    assert kind == "labels"
    assert [level.shape for level in labels] == [level.shape[1:] for level in pixels]
    assert meta["scale"] == about["scale"] == [0.5, 0.25]
    assert list(meta["units"]) == list(about["units"]) == ["micrometer"] * 2
    assert meta["properties"]["index"] == [1]
    assert (np.asarray(labels[1])[4:7, 4:7] == 1).all()


def test_what_is_done_stays_and_what_others_wrote_is_never_overwritten(path, capsys) -> None:
    mine = zarr.open_group(path / "A/1/1/labels/samv2", mode="w", zarr_format=2)
    mine.attrs["by"] = "hand"
    assert run(path) == 0
    told = capsys.readouterr()
    assert "2 segmented, 1 done before" in told.out
    assert "A/1/1: what is there was not written by this program" in told.err
    assert not list(mine.arrays()), "something was written into it"
    edited = zarr.open_array(path / "A/1/0/labels/samv2/0")
    edited[0, 0] = 77
    before = files(path)
    assert run(path) == 0
    assert "0 segmented, 3 done before" in capsys.readouterr().out
    assert files(path) == before
    assert run(path, "--overwrite") == 0
    assert "3 segmented" in capsys.readouterr().out
    assert read_labels(path / "A/1/0", "samv2")[0, 0] == 0
    assert run(path, "--labels", "other") == 0
    listed = dict(zarr.open_group(path / "A/1/0/labels").attrs)
    assert listed.get("ome", listed)["labels"] == ["samv2", "other"]


def test_other_prompts_are_other_labels_and_the_same_ones_the_same_bytes(path, capsys) -> None:
    assert run(path) == 0
    first = files(path)
    assert run(path, "--overwrite") == 0
    assert files(path) == first
    table = path.parent / "boxes.csv"
    table.write_text(TABLE.replace("B/2/0,3", "B/2/0,9"))
    assert run(path) == 0
    assert set(np.unique(read_labels(path / "B/2/0", "samv2"))) == {0, 9}


def test_readers_of_consolidated_metadata_see_the_labels(tmp_path, version) -> None:
    path = tmp_path / "image.zarr"
    image(path, np.zeros((30, 40), np.uint8), "yx", version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)
    (tmp_path / "boxes.csv").write_text("object,x0,y0,x1,y1\n1,5,6,15,16\n")
    assert run(path) == 0
    assert "samv2" in zarr.open_group(path, mode="r")["labels"]
    assert [layer[2] for layer in napari_reads(path)] == ["image", "labels"]


def test_labels_are_whole_or_absent(path, monkeypatch) -> None:
    field = open_ngff(path / "A/1/0")
    assert field is not None

    def break_off() -> None:
        with written_labels(field, "samv2") as group:
            group.write((), np.ones((30, 40)))
            raise OSError(28, "No space left on device")

    before = files(path)
    with pytest.raises(OSError, match="No space"):
        break_off()
    assert files(path) == before


def test_a_damaged_field_and_a_missing_well_are_named_and_the_rest_is_done(path, capsys) -> None:
    metadata = path / "B/2/0"
    for name in (".zattrs", "zarr.json"):
        (metadata / name).unlink(missing_ok=True)
    (metadata / ".zgroup").unlink(missing_ok=True)
    assert run(path) == 1
    told = capsys.readouterr()
    assert "2 segmented, 0 done before, 1 left out" in told.out
    assert "B/2/0 is not a readable OME-Zarr image" in told.err
    assert "Traceback" not in told.err


def test_planes_are_numbered_on_and_channels_are_chosen(tmp_path, version, capsys) -> None:
    from napari_samv2_prompts.candidates import Selection
    from napari_samv2_prompts.units.ome_zarr import FieldUnit

    film = np.zeros((2, 2, 64, 64), np.uint8)
    film[:, 1, 20:40, 10:30] = 200
    image(tmp_path / "f.zarr", film, "tcyx", version, ("dark", "bright"))
    unit = FieldUnit(tmp_path / "f.zarr", "f.zarr", selection=Selection(), channel="bright")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_samv2_prompts.units.ome_zarr.found_in_tiles", one_bright_object)
        outcome = unit.run(lambda: None, "key")
    assert outcome.objects == 2
    labels = read_labels(tmp_path / "f.zarr", "samv2")
    assert labels.shape == (2, 64, 64)
    for number, plane in enumerate(labels, 1):
        assert (plane[20:40, 10:30] == number).all()
        assert (plane > 0).sum() == 400
    assert main(["segment", str(tmp_path / "f.zarr"), "--all"]) == 1
    assert "f.zarr: it has 2 channels: say which one (--channel): 0 (dark), 1 (bright)" in (
        capsys.readouterr().err
    )


def one_bright_object(predictor, picture, selection):
    """Stand in for the search: what is bright is one object."""
    from napari_samv2_prompts.candidates import Candidate
    from napari_samv2_prompts.mask_crops import MaskCrop

    mask = picture > 100
    return [Candidate(MaskCrop(0, 0, mask), (20.0, 30.0), 0.9, 0.9, int(mask.sum()))]


def test_prompts_must_say_which_image_they_are_on(path, capsys) -> None:
    table = path.parent / "boxes.csv"
    table.write_text("object,x0,y0,x1,y1\n1,5,6,15,16\n")
    assert run(path) == 1
    assert "Add a column image with names like A/1/0" in capsys.readouterr().err
    field = ["segment", str(path / "A/1/0"), "--boxes", str(table)]
    assert main(field) == 0, "a field by itself needs none"
    coco = {
        "images": [{"id": 5, "file_name": "B/2/0"}],
        "annotations": [{"image_id": 5, "bbox": [5, 6, 10, 10], "label": 4}],
    }
    table = path.parent / "all.json"
    table.write_text(json.dumps(coco))
    assert main(["segment", str(path), "--boxes", str(table)]) == 0
    assert set(np.unique(read_labels(path / "B/2/0", "samv2"))) == {0, 4}


def test_boxes_and_points_of_a_plate_may_be_on_different_images(path) -> None:
    table = path.parent / "boxes.csv"
    table.write_text("image,object,x0,y0,x1,y1\nA/1/0,1,5,6,15,16\nA/1/1,2,5,6,15,16\n")
    points = path.parent / "points.csv"
    points.write_text("image,object,x,y,polarity\nA/1/1,3,9,9,positive\nB/2/0,4,9,9,positive\n")
    units, _ = find_fields(path, boxes=table, points=points)
    assert {unit.name: (unit.boxes, unit.points) for unit in units} == {
        "A/1/0": (table, None), "A/1/1": (table, points), "B/2/0": (None, points)
    }  # fmt: skip


def test_a_plate_is_no_picture_and_a_file_of_one_image_is(path, tmp_path, version) -> None:
    with pytest.raises(ValueError, match=r"holds 3 images: name one of them, p\.zarr/A/1/0 for"):
        open_image(path)
    raw = tmp_path / "raw.zarr"  # as bioformats2raw writes
    group(raw, version, {"bioformats2raw.layout": 3})
    image(raw / "0", np.eye(9, dtype=np.uint8), "yx", version)
    np.testing.assert_array_equal(open_image(raw).data, np.eye(9))


@pytest.mark.parametrize("axes", ["cyx", "tczyx"])
def test_three_channels_of_8_bit_are_colours_for_a_tiff_file_too(axes, tmp_path, version) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 30, 40), np.uint8)
    shape = {"cyx": pixels.shape, "tczyx": (1, 3, 1, 30, 40)}[axes]
    image(tmp_path / "f.zarr", pixels.reshape(shape), axes, version)
    picture = picture_of(open_image(tmp_path / "f.zarr"))
    np.testing.assert_array_equal(picture, np.moveaxis(pixels, 0, -1))


def test_labels_of_a_plain_array_are_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    zarr.create_array("plain.zarr", data=np.zeros((30, 40), np.uint8))
    (tmp_path / "boxes.csv").write_text("object,x0,y0,x1,y1\n1,5,6,15,16\n")
    assert run(Path("plain.zarr")) == 0
    assert (tmp_path / "plain.labels.tif").is_file()


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a/b"])
def test_labels_have_a_plain_name(path, name, capsys) -> None:
    assert run(path, "--labels", name) == 1
    assert "give a plain name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"shape": [2**31, 12, 14]}, "more than 1000000 planes or chunks"),
        ({"shape": [2, 10**6, 10**6]}, "more than 1000000 planes or chunks"),
        ({"chunks": [0, 12, 14]}, "damaged"),
    ],
)
def test_an_array_that_nobody_can_look_at_is_refused_by_its_metadata(
    tmp_path: Path, changed: dict[str, list[int]], reason: str
) -> None:
    folder = tmp_path / "made.ome.zarr"
    image(folder, np.zeros((2, 12, 14), np.uint16), "zyx", "0.4")
    path = folder / "s0" / ".zarray"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(ValueError, match=reason):
        open_ngff(folder)
