"""The window does not wait for the disk, and tells how reading and writing went."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import Factory, ManualRunner, SyncRunner

from napari_samv2_prompts._qt.threads import Disk
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.io.record_files import read_record

SLOW = 0.03  # seconds for anything that is asked of the disk


@pytest.fixture
def slow_disk(monkeypatch, tmp_path) -> list[str]:
    """Make everything in this test's folder slow; return what the window's thread asked for."""
    asked: list[str] = []
    inside = threading.local()  # os.replace inside os.replace counts once

    def slowed(module, name: str) -> None:
        real = getattr(module, name)

        def slow(path, *args, **kwargs):
            named = isinstance(path, str | Path) and str(path).startswith(str(tmp_path / "share"))
            if not named or getattr(inside, "yes", False):
                return real(path, *args, **kwargs)
            inside.yes = True
            try:
                if threading.current_thread() is threading.main_thread():
                    asked.append(f"{name} {path}")
                time.sleep(SLOW)
                return real(path, *args, **kwargs)
            finally:
                inside.yes = False

        monkeypatch.setattr(module, name, slow)

    (tmp_path / "share").mkdir()
    for name in ("stat", "listdir", "scandir", "replace", "unlink"):
        slowed(os, name)
    slowed(io, "open")
    return asked


@pytest.fixture
def open_widget(open_in) -> Callable[..., SAMV2PromptsWidget]:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 50)), name="cells")
    return partial(open_in, viewer, make_predictor=Factory())


@pytest.fixture
def errors(monkeypatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.threads.show_error", told.append)
    return told


def answer(monkeypatch, path: Path) -> None:
    dialog = "napari_samv2_prompts._qt.files.QFileDialog"
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(f"{dialog}.{name}", lambda *_: (str(path), ""))


def test_nothing_is_asked_of_a_slow_disk_in_the_thread_of_the_window(
    open_widget, slow_disk, tmp_path, monkeypatch, settings_of_this_test
) -> None:
    share = tmp_path / "share"
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(share))
    (share / "sam2.1_hiera_small.pt").write_bytes(b"")
    assert len(slow_disk) == 1  # it notices
    slow_disk.clear()
    settings_of_this_test.parent.mkdir()
    settings_of_this_test.write_text(f'{{"models_folder": "{share}", "model": "small"}}')
    widget = open_widget()
    assert widget.model.value == "nano"  # until the disk has answered
    widget.wait_until_idle()
    assert widget.model.value == "small"
    assert widget._picker.to_download == 0

    _, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([np.array([[5, 5], [5, 20], [20, 20], [20, 5]])])
    widget.wait_until_idle()
    answer(monkeypatch, share / "prompts.json")
    widget._form.files.save.click()
    assert widget._form.files.said.text() == "Saving prompts.json…"
    assert not widget._form.files.save.isEnabled()
    widget.wait_until_idle()
    assert widget._form.files.said.text() == "Saved prompts.json."
    widget._form.files.load.click()
    widget.wait_until_idle()
    assert widget.labels.value is not labels
    np.testing.assert_array_equal(widget.labels.value.data, labels.data)
    assert slow_disk == []


def test_an_error_of_the_disk_is_a_sentence_and_what_was_there_stays(
    open_widget, tmp_path, monkeypatch, errors
) -> None:
    widget = open_widget(make_runner=SyncRunner)
    widget.new_prompt_layers()[0].add([[10, 10]])
    path = tmp_path / "prompts.json"
    widget.save_prompts(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    answer(monkeypatch, path)
    monkeypatch.setattr("pathlib.Path.write_text", full)
    widget._form.files.save.click()
    assert "prompts.json could not be saved (No space left on device)" in errors[0]
    assert "choose another folder" in errors[0]
    assert widget._form.files.said.text() == ""
    assert widget._form.files.save.isEnabled()
    assert [p for p in tmp_path.iterdir() if p.is_file()] == [path]
    assert path.read_bytes() == before
    path.write_bytes(b"{}")
    widget._form.files.load.click()
    assert "is not a file of prompts" in errors[1]


def test_saved_prompts_get_their_ending_and_replace_no_file_that_was_not_named(
    open_widget, tmp_path, monkeypatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.files.show_error", told.append)
    widget = open_widget(make_runner=SyncRunner)
    widget.new_prompt_layers()[0].add([[10, 10]])
    answer(monkeypatch, tmp_path / "mine")
    widget._form.files.save.click()
    assert widget._form.files.said.text() == "Saved mine.json."
    before = (tmp_path / "mine.json").read_bytes()
    widget._form.files.save.click()
    assert "mine.json is there already" in told[0]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["mine.json"]
    assert (tmp_path / "mine.json").read_bytes() == before


def test_a_save_that_was_begun_is_finished_though_the_dock_is_closed(
    make_napari_viewer, tmp_path, monkeypatch
) -> None:
    runners: list[ManualRunner] = []

    def make_runner() -> ManualRunner:
        runners.append(ManualRunner())
        return runners[-1]

    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((40, 50)), name="cells")
    widget = SAMV2PromptsWidget(viewer, make_predictor=Factory(), make_runner=make_runner)
    viewer.window.add_dock_widget(widget)
    for runner in runners:
        runner.finish_all()  # the list of models
    widget.new_prompt_layers()[0].add([[10, 10]])
    answer(monkeypatch, tmp_path / "prompts.json")
    widget._form.files.save.click()
    files = runners[-1]
    viewer.window.remove_dock_widget(widget)
    assert not files.closed
    files.finish_all()
    assert files.closed
    assert len(read_record(tmp_path / "prompts.json").points) == 1


def test_a_folder_or_a_file_of_weights_that_went_is_told(
    open_widget, tmp_path, errors, settings_of_this_test
) -> None:
    settings_of_this_test.parent.mkdir()
    gone = tmp_path / "gone"
    settings_of_this_test.write_text(f'{{"models_folder": "{gone}", "model": "{gone}/mine.pt"}}')
    widget = open_widget(make_runner=SyncRunner)
    assert [str(gone / "mine.pt") in errors[0], str(gone) in errors[1]] == [True, True]
    assert widget.model.value == "nano"
    assert widget._picker.choice.folder is None


def test_a_downloaded_model_stays_chosen(open_widget, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path))
    widget = open_widget(make_runner=SyncRunner)
    chosen = []
    widget.model.value = "tiny"
    widget.model.changed.connect(chosen.append)
    assert "to download" in widget.model.native.currentText()
    (tmp_path / "sam2.1_hiera_tiny.pt").write_bytes(b"")
    before = widget.model.choices
    widget._picker.refresh()
    assert widget.model.choices == before  # in their order
    assert "on this computer" in widget.model.native.currentText()
    assert (widget.model.value, widget._picker.to_download, chosen) == ("tiny", 0, [])


def test_what_was_begun_ends_before_the_worker_does() -> None:
    runner, ends = ManualRunner(), []
    disk = Disk(lambda: runner)
    disk.do("One.", lambda: 1, ends.append)
    disk.do("Two.", lambda: 2, ends.append)
    disk.close()
    assert (disk.busy, runner.closed) == (True, 0)
    runner.finish_all()
    assert (disk.busy, runner.closed, ends) == (False, 1, [])
