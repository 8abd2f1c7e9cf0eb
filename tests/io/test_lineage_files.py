"""Tracks in files, read back with their formats' own means."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_samv2_prompts.io import lineage_files as files
from napari_samv2_prompts.propagation import Lineage

geff = pytest.importorskip("geff")


def film(shape=(12, 12)) -> np.ndarray:
    """Object 7 divides into 8 and 9; 3 is away on a frame."""
    labels = np.zeros((5, *shape), np.int32)
    labels[:3, ..., 2:6, 2:6] = 7
    labels[3:, ..., 2:6, 0:3] = 8
    labels[3:, ..., 2:6, 5:8] = 9
    labels[[0, 1, 3, 4], ..., 9:, 9:] = 3
    return labels


PARENTS = {8: 7, 9: 7}


def same(a: Lineage, b: Lineage) -> bool:
    return a.tracks == b.tracks and np.array_equal(a.spots, b.spots)


def test_a_table_comes_back(tmp_path):
    lineage = Lineage.of(film(), PARENTS)
    files.write_lineage_table(tmp_path / "tracks.csv", lineage)
    assert files.read_lineage_table(tmp_path / "tracks.csv") == lineage.tracks


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "object,first,last,parent\n1,x,2,0\n"])
def test_another_table_is_told_from_one_of_tracks(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=r"t\.csv is no table of tracks"):
        files.read_lineage_table(tmp_path / "t.csv")


def test_what_is_marked_below_0_is_ground_in_a_folder_of_the_challenge(tmp_path):
    labels = film()
    files.write_ctc(tmp_path / "01_RES", np.where(labels, labels, -1))
    masks, _ = files.read_ctc(tmp_path / "01_RES")
    assert np.array_equal(masks > 0, labels > 0)


@pytest.mark.parametrize("shape", [(12, 12), (2, 12, 12)])
def test_a_folder_of_the_challenge_keeps_its_rules(tmp_path, shape):
    labels = film(shape)
    files.write_ctc(tmp_path / "01_RES", labels, PARENTS)
    rows = np.loadtxt(tmp_path / "01_RES" / "res_track.txt", int)
    masks = [tifffile.imread(path) for path in sorted((tmp_path / "01_RES").glob("mask*.tif"))]
    assert len(masks) == len(labels)
    assert all(mask.dtype == np.uint16 and mask.shape == shape for mask in masks)
    there = {(int(n), at) for at, mask in enumerate(masks) for n in np.unique(mask) if n}
    assert there == {(row[0], at) for row in rows for at in range(row[1], row[2] + 1)}
    assert sorted(map(tuple, rows)) == [
        (3, 0, 1, 0), (7, 0, 2, 0), (8, 3, 4, 7), (9, 3, 4, 7), (10, 3, 4, 3),
    ]  # fmt: skip
    for mask, shown in zip(masks, labels, strict=True):
        assert np.array_equal(mask > 0, shown > 0)


def test_a_folder_of_the_challenge_comes_back(tmp_path):
    labels = film()
    labels[labels == 3] = 0
    files.write_ctc(tmp_path / "01_RES", labels, PARENTS)
    back, tracks = files.read_ctc(tmp_path / "01_RES")
    assert np.array_equal(back, labels)
    assert tracks == Lineage.of(labels, PARENTS).tracks


def test_more_than_a_thousand_frames_have_names_of_one_length(tmp_path):
    files.write_ctc(tmp_path / "out", np.zeros((1001, 1, 1), int))
    names = sorted(path.name for path in (tmp_path / "out").glob("mask*"))
    assert (names[0], names[-1]) == ("mask0000.tif", "mask1000.tif")


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="choose a new folder"):
        files.write_ctc(tmp_path, film())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_numbers_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match=r"up to 65535.*90001"):
        files.write_ctc(tmp_path / "out", film() * 10_000)
    assert not list(tmp_path.iterdir())


def test_a_missing_frame_is_told(tmp_path):
    files.write_ctc(tmp_path / "out", film())
    (tmp_path / "out" / "mask002.tif").unlink()
    with pytest.raises(ValueError, match="Frames are missing"):
        files.read_ctc(tmp_path / "out")


@pytest.mark.parametrize("shape", [(12, 12), (2, 12, 12)])
def test_a_graph_comes_back(tmp_path, shape):
    lineage = Lineage.of(film(shape), PARENTS)
    files.write_geff(tmp_path / "tracks.geff", lineage)
    geff.validate_structure(tmp_path / "tracks.geff")
    assert same(files.read_geff(tmp_path / "tracks.geff"), lineage)


def test_a_graph_says_how_large_pixels_are(tmp_path):
    files.write_geff(
        tmp_path / "t.geff", Lineage.of(film(), PARENTS), scale=(60, 0.5, 0.25),
        units=("second", "micrometer", "micrometer"),
    )  # fmt: skip
    graph, metadata = geff.read(tmp_path / "t.geff")
    assert [(a.name, a.type, a.scale, a.scaled_unit) for a in metadata.axes] == [
        ("t", "time", 60, "second"), ("y", "space", 0.5, "micrometer"),
        ("x", "space", 0.25, "micrometer"),
    ]  # fmt: skip
    # One edge between two frames of a track, and one to each daughter.
    assert graph.number_of_edges() == graph.number_of_nodes() - 4 + 2


def test_a_graph_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "t.geff").mkdir()
    with pytest.raises(FileExistsError, match="choose another name"):
        files.write_geff(tmp_path / "t.geff", Lineage.of(film()))
