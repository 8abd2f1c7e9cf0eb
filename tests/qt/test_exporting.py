"""Labels for other programs, from the window."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.io import lineage_files


@pytest.fixture
def widget(open_in) -> SAMV2PromptsWidget:
    viewer = ViewerModel()
    viewer.add_image(np.ones((3, 40, 50)), name="cells")
    viewer.dims.set_point(0, 1)
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.new_prompt_layers()
    labels = widget.labels.value
    labels.data[1, 5:9, 5:9], labels.data[2, 20:30, 20:30] = 4, 7
    widget._form.objects.named.emit(4, "nucleus")
    return widget


@pytest.mark.parametrize("name", ["a.geojson", "a.json", "a.tif"])
def test_the_shown_plane_is_written_with_its_classes(
    widget, tmp_path, monkeypatch, name: str
) -> None:
    path = tmp_path / name
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    widget._form.files.export.click()
    assert widget._form.files.said.text() == f"Wrote {name}."
    if name.endswith(".tif"):
        np.testing.assert_array_equal(tifffile.imread(path), widget.labels.value.data[1])
        return
    content = json.loads(path.read_text())
    if name.endswith(".geojson"):
        (feature,) = content["features"]
        assert feature["properties"]["classification"] == {"name": "nucleus"}
    else:
        (row,) = content["annotations"]
        assert row["label"] == 4
        assert {"id": row["category_id"], "name": "nucleus"} in content["categories"]


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.geff", "01_RES"])
def test_tracks_are_written_with_who_came_from_whom(
    widget, tmp_path, monkeypatch, name: str
) -> None:
    labels, path = widget.labels.value, tmp_path / name
    labels.data[:] = 0
    labels.data[0, 5:9, 5:9] = 7
    labels.data[1, 5:9, 5:9] = 7  # the plane that is shown
    daughters = widget.divide_here(7)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    widget._form.files.export.click()
    assert widget._form.files.said.text() == f"Wrote {name}."
    if name.endswith(".csv"):
        tracks = lineage_files.read_lineage_table(path)
    elif name.endswith(".geff"):
        tracks = lineage_files.read_geff(path).tracks
    else:
        masks, tracks = lineage_files.read_ctc(path)
        np.testing.assert_array_equal(masks, labels.data)
    assert {track.object: track.parent for track in tracks} == {7: 0} | dict.fromkeys(daughters, 7)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("COCO (*.json)", "mine.json"),
        ("Label image (*.tif *.ome.tif)", "mine.tif"),
        ("Tracks, as a table (*.csv)", "mine.csv"),
        ("Tracks and masks, for the Cell Tracking Challenge (*_RES)", "mine_RES"),
    ],
)
def test_a_name_without_an_ending_gets_that_of_its_kind(
    widget, tmp_path, monkeypatch, kind: str, written: str
) -> None:
    answer = str(tmp_path / "mine"), kind
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: answer)
    widget._form.files.export.click()
    assert widget._form.files.said.text() == f"Wrote {written}."
    assert [path.name for path in tmp_path.iterdir()] == [written]


def test_a_file_that_the_dialog_did_not_name_is_not_replaced(widget, tmp_path, monkeypatch) -> None:
    (tmp_path / "mine.json").write_text("old")
    said: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.shown_stack.show_error", said.append)
    answer = str(tmp_path / "mine"), "COCO (*.json)"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: answer)
    widget._form.files.export.click()
    assert "mine.json is there already" in said[0]
    assert (tmp_path / "mine.json").read_text() == "old"


def test_of_labels_in_several_sizes_the_full_one_is_written(open_in, tmp_path, monkeypatch) -> None:
    viewer, full = ViewerModel(), np.zeros((40, 50), np.uint16)
    full[5:9, 5:9] = 3
    viewer.add_image(np.ones(full.shape), name="cells")
    labels = viewer.add_labels([full, full[::2, ::2]])
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.labels.value = labels
    widget.wait_until_idle()
    path = tmp_path / "a.tif"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(path), ""))
    widget._form.files.export.click()
    np.testing.assert_array_equal(tifffile.imread(path), full)


@pytest.mark.parametrize("name", ["a.geojson", "a.json", "a.tif", "a.csv", "a.geff", "a_RES"])
def test_a_folder_that_takes_no_file_is_named_by_the_file(
    widget, tmp_path, monkeypatch, name: str
) -> None:
    (tmp_path / "file").touch()
    said: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.threads.show_error", said.append)
    answer = str(tmp_path / "file" / name), ""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: answer)
    widget._form.files.export.click()
    assert f"{name} could not be saved" in said[0]
    assert ".part" not in said[0]


def test_tracks_are_not_offered_of_a_single_plane(open_in, monkeypatch) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.ones((40, 50)), name="cells")
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.new_prompt_layers()
    offered = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: offered.append(a[3]) or ("", ""))
    widget._form.files.export.click()
    assert offered
    assert "Tracks" not in offered[0]
