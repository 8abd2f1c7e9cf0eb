"""Prompts on a few planes, labels on all, with the bundled model."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import tifffile
from tests import ngff
from tests.remembering import OnlyOnce

from napari_samv2_prompts import SAMV2ImagePredictor, segment_stack
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.images import StackPicture
from napari_samv2_prompts.propagation import HandOver
from napari_samv2_prompts.through import stack_prompts

PLANES, SIDE = 5, 48


@pytest.fixture(scope="module")
def predictor():
    return SAMV2ImagePredictor("nano", device="cpu")


@pytest.fixture(scope="module")
def planes_told():
    """The planes of which `followed` was told, in their order."""
    return []


@pytest.fixture(scope="module")
def followed(stack, predictor, planes_told):
    """Return the labels of `BOXES` on all planes."""
    return segment_stack(
        stack, boxes=BOXES, predictor=predictor, progress=lambda f: planes_told.append(f.plane)
    )


@pytest.fixture(scope="module")
def stack():
    """Two bright discs, one of them moving; uint16."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = rng.normal(3000, 150, (PLANES, SIDE, SIDE))
    for plane in range(PLANES):
        for row, column in ((14, 14 + 2 * plane), (34, 34)):
            image[plane][(rows - row) ** 2 + (columns - column) ** 2 <= 49] += 9000
    return image.clip(0).astype(np.uint16)


BOXES = {3: (2, 10.5, 6.5, 25.5, 21.5), 5: [(0, 26.5, 26.5, 41.5, 41.5)]}


def test_boxes_on_two_planes_give_labels_on_all(stack, followed, planes_told):
    labels = followed
    assert labels.shape == stack.shape
    assert labels.dtype == np.uint16
    for plane in range(PLANES):
        assert labels[plane, 14, 14 + 2 * plane] == 3
        assert labels[plane, 34, 34] == 5
        assert labels[plane, 2, 44] == 0
    assert set(planes_told) == set(range(PLANES))


def test_embedding_ahead_changes_no_pixel(stack, predictor, followed, monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.propagation.Embeddings._begin", lambda *_: None)
    assert np.array_equal(segment_stack(stack, boxes=BOXES, predictor=predictor), followed)


def test_a_range_and_a_direction_are_kept_to(stack, predictor):
    labels = segment_stack(
        stack, boxes={3: BOXES[3]}, direction="back", first=1, predictor=predictor
    )
    assert [bool(plane.any()) for plane in labels] == [False, True, True, False, False]


def test_the_command_line_gives_the_same_as_the_function(stack, followed, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n3,2,10.5,6.5,25.5,21.5\n5,0,26.5,26.5,41.5,41.5\n")
    out = tmp_path / "labels.tif"
    options = ["--through", "z", "--boxes", str(table), "-o", str(out), "--device", "cpu"]
    assert main(["segment", str(tmp_path / "stack.tif"), *options]) == 0
    assert np.array_equal(tifffile.imread(out), followed)
    assert "5 planes" in capsys.readouterr().out


def test_embeddings_that_workers_made_give_the_same_labels(stack, tmp_path, monkeypatch):
    from napari_samv2_prompts.cli import segment_stack as cli
    from napari_samv2_prompts.units.unit import run_units

    tifffile.imwrite(tmp_path / "stack.tif", np.moveaxis(stack, 0, 2))
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n3,2,10.5,6.5,25.5,21.5\n5,0,26.5,26.5,41.5,41.5\n")
    made = []
    predictor = OnlyOnce(device="cpu")

    @contextmanager
    def runner_of(options, overwrite):
        def run(units):
            for outcome in run_units(units, lambda: predictor, "weights"):
                made.append(outcome.objects)
                yield outcome

        yield run

    monkeypatch.setattr("napari_samv2_prompts.cli.workers.runner_of", runner_of)
    monkeypatch.setattr(cli, "predictor", lambda options: predictor)
    arguments = ["segment", str(tmp_path / "stack.tif"), "--through", "2", "--boxes", str(table)]
    assert main([*arguments, "-o", str(tmp_path / "here.tif")]) == 0
    with monkeypatch.context() as patch:
        assert main([*arguments, "-o", str(tmp_path / "there.tif"), "--workers", "2"]) == 0
        assert made[0] == PLANES
        assert sum(made[1:]) == 2 * (PLANES - 1), "sections of two objects"
        assert not list(tmp_path.glob("*.embeddings")), "what was for this run is left behind"
        store = ["--store", str(tmp_path / "store")]
        assert main([*arguments, "-o", str(tmp_path / "kept.tif"), *store, "--workers", "2"]) == 0

        def never(*arguments):
            raise AssertionError("embedded again")

        patch.setattr(predictor, "embed", never)
        assert main([*arguments, "-o", str(tmp_path / "again.tif"), *store]) == 0
    labels = {
        (tmp_path / f"{name}.tif").read_bytes() for name in ("here", "there", "kept", "again")
    }
    assert len(labels) == 1


def test_what_is_only_for_pictures_is_refused(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((5, 12, 12), np.uint8))
    given = ["segment", str(tmp_path / "stack.tif"), "--through", "z", "--boxes", "none.csv"]
    assert main([*given, "--coco", str(tmp_path / "x.json")]) == 1
    assert "--coco is not for stacks" in capsys.readouterr().err


def test_any_axis_may_be_gone_through(stack, tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.moveaxis(stack, 0, 2))
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n5,0,26.5,26.5,41.5,41.5\n")
    out = tmp_path / "labels.tif"
    options = ["--through", "2", "--boxes", str(table), "-o", str(out), "--last", "1"]
    assert main(["segment", str(tmp_path / "stack.tif"), *options, "--device", "cpu"]) == 0
    assert np.array_equal(np.unique(np.nonzero(tifffile.imread(out))[2]), [0, 1])


@pytest.mark.parametrize("name", ["stack.zarr", "stack.npy"])
def test_axes_of_one_place_are_left_out(name, stack, followed, predictor, tmp_path):
    path, out = tmp_path / name, tmp_path / "labels.tif"
    if name.endswith(".zarr"):  # as most programs write OME-Zarr: always five axes
        ngff.image(path, stack[:, None, None], "tczyx", "0.5")
    else:
        np.save(path, stack[None, None])
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n3,2,10.5,6.5,25.5,21.5\n5,0,26.5,26.5,41.5,41.5\n")
    options = ["--boxes", str(table), "-o", str(out), "--device", "cpu"]
    assert main(["segment", str(path), "--through", "t", *options]) == 0
    np.testing.assert_array_equal(tifffile.imread(out), followed)
    np.testing.assert_array_equal(segment_stack(path, boxes=table, predictor=predictor), followed)


@pytest.mark.parametrize("axis", ["t", "z"])
def test_an_ome_file_of_labels_says_which_axis_was_gone_through(axis, stack, tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", stack[:2])
    table, out = tmp_path / "boxes.csv", tmp_path / "labels.ome.tif"
    table.write_text("object,plane,x0,y0,x1,y1\n5,0,26.5,26.5,41.5,41.5\n")
    options = ["--through", axis, "--boxes", str(table), "-o", str(out), "--device", "cpu"]
    assert main(["segment", str(tmp_path / "stack.tif"), *options]) == 0
    with tifffile.TiffFile(out) as file:
        assert file.series[0].axes == f"{axis.upper()}YX"


def test_prompts_of_several_planes_may_come_from_a_mapping_and_a_table(tmp_path):
    table = tmp_path / "points.csv"
    table.write_text("object,plane,x,y,polarity\n3,2,5,6,negative\n3,4,7,8,positive\n")
    prompts = stack_prompts((5, 20, 20), {3: [(2, 0, 0, 9, 9)]}, table)
    assert sorted(prompts) == [2, 4]
    assert prompts[2][0].box == (0, 0, 9, 9)
    assert prompts[2][0].labels.tolist() == [0]
    assert prompts[4][0].points.tolist() == [[7, 8]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "There are no prompts"),
        ({"boxes": {1: (9, 0, 0, 5, 5)}}, "plane 9: the stack has 5"),
        ({"boxes": {1: (0, 0, 5, 5)}}, "rows of plane, x0, y0, x1, y1"),
        ({"boxes": {0: (0, 0, 0, 5, 5)}}, "whole numbers from 1"),
        ({"boxes": {1.5: (0, 0, 0, 5, 5)}}, "whole numbers from 1, not 1.5"),
        ({"boxes": {1: (0, 0, 0, 5, 5)}, "first": 4, "last": 2}, "first plane, 4, lies behind"),
        ({"boxes": {1: (0, 0, 0, 5, 5)}, "direction": "up"}, "'forward', 'back' or 'both'"),
        ({"boxes": {1: (0, 0, 0, 5, 5)}, "method": "magic"}, "no method 'magic'"),
    ],
)
def test_what_does_not_fit_is_said(stack, arguments, message):
    with pytest.raises(ValueError, match=message):
        segment_stack(stack, **arguments)


def test_one_plane_is_no_stack():
    with pytest.raises(ValueError, match="planes, height, width"):
        segment_stack(np.zeros((9, 9), np.uint8), boxes={1: (0, 0, 0, 5, 5)})


def test_a_table_names_the_line_whose_plane_does_not_exist(tmp_path):
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n1,0,0,0,5,5\n1,7,0,0,5,5\n")
    with pytest.raises(ValueError, match=r"boxes.csv, line 3: plane is '7'"):
        stack_prompts((5, 20, 20), table)


def test_a_table_without_planes_is_none_of_a_stack(tmp_path):
    table = tmp_path / "boxes.csv"
    table.write_text("object,x0,y0,x1,y1\n1,0,0,5,5\n")
    with pytest.raises(ValueError, match="lacks the column plane"):
        stack_prompts((5, 20, 20), table)


def test_the_method_and_tracks_of_the_command_line(stack, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    table, tracks = tmp_path / "boxes.csv", tmp_path / "tracks.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n3,2,10.5,6.5,25.5,21.5\n")
    given = ["segment", str(tmp_path / "stack.tif"), "--through", "t", "--boxes", str(table)]
    given += ["-o", str(tmp_path / "labels.tif"), "--device", "cpu", "--first", "1"]
    assert main([*given, "--method", "hand-over", "--tracks", str(tracks)]) == 0
    assert tracks.read_text().splitlines() == ["object,first,last,parent", "3,1,4,0"]
    assert (
        main(
            [
                *given,
                "--method",
                "memory",
            ]
        )
        == 1
    )
    assert "'nano' has no memory" in capsys.readouterr().err


def test_only_planes_of_the_range_are_read(stack, tmp_path, monkeypatch):
    read, original = set(), StackPicture.read

    def watched(self, plane, rows, columns):
        read.add(plane)
        return original(self, plane, rows, columns)

    monkeypatch.setattr(StackPicture, "read", watched)
    box = {3: (1, 10.5, 6.5, 25.5, 21.5)}
    labels = segment_stack(stack, boxes=box, last=2, device="cpu", store=tmp_path)
    assert read == {0, 1, 2}
    assert not labels[3:].any()


def test_killed_in_the_middle_it_goes_on_to_the_same_labels(tmp_path, monkeypatch):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    noise = np.random.default_rng(1).normal(60, 6, (7, SIDE, SIDE))
    for plane in noise:
        plane[(rows - 20) ** 2 + (columns - 22) ** 2 <= 81] += 120
    tifffile.imwrite(tmp_path / "stack.tif", noise.clip(0, 255).astype(np.uint8))
    table = tmp_path / "boxes.csv"
    table.write_text("object,plane,x0,y0,x1,y1\n3,2,12.5,10.5,31.5,29.5\n")
    command = ["segment", str(tmp_path / "stack.tif"), "--through", "z", "--boxes", str(table)]
    command += ["--device", "cpu", "-o"]
    store = tmp_path / "store"
    assert main([*command, str(tmp_path / "whole.tif")]) == 0

    killed = [*command, str(tmp_path / "out.tif"), "--store", str(store)]
    child = subprocess.Popen([sys.executable, "-m", "napari_samv2_prompts.cli", *killed])
    while len(list(store.glob("followed-*/0*.npz"))) < 2:
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (tmp_path / "out.tif").exists()
    noted = len(list(store.glob("followed-*/0*.npz")))

    asked = []
    follow = HandOver.follow

    def noting(self, plane, *rest):
        asked.append(plane)
        return follow(self, plane, *rest)

    monkeypatch.setattr(HandOver, "follow", noting)
    assert main(killed) == 0
    assert len(asked) == 6 - noted
    assert (tmp_path / "out.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
    assert not list(store.glob("followed-*"))
