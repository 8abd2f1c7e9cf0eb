from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes import SyncRunner

from napari_samv2_prompts._qt.models import ModelEntry, entry_of, make_predictor, model_entries
from napari_samv2_prompts.engine import Cancelled, Job, ModelChoice, Session, State, Task
from napari_samv2_prompts.samv2.weights.download import DownloadCancelled
from napari_samv2_prompts.samv2.weights.registry import PUBLISHED_FILES


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def task() -> Task:
    return Task(Job("key", lambda task: None))


def test_every_model_is_listed_with_its_size_and_whether_it_is_here(empty_cache) -> None:
    entries = {entry.value: entry for entry in model_entries()}
    assert next(iter(entries)) == "nano"
    assert len(entries) == 1 + len(PUBLISHED_FILES)
    assert entries["nano"].megabytes == 0
    tiny = ModelEntry("tiny", "tiny 2.1 · 156 MB · fast · Apache-2.0 · to download", 156)
    assert replace(entries["tiny"], card=tiny.card) == tiny
    assert len({entry.card for entry in entries.values()}) > 2  # each says what it is good for
    empty_cache.mkdir()
    (empty_cache / "sam2.1_hiera_tiny.pt").write_bytes(b"")
    there = {entry.value: entry for entry in model_entries()}["tiny"]
    assert there.megabytes == 0
    assert there.text == "tiny 2.1 · 156 MB · fast · Apache-2.0 · on this computer"


def test_an_interrupted_download_shows_how_much_of_it_is_here(empty_cache) -> None:
    empty_cache.mkdir()
    (empty_cache / "sam2.1_hiera_tiny.pt.part").write_bytes(b"0" * 2_000_000)
    text = {entry.value: entry.text for entry in model_entries()}["tiny"]
    assert text.endswith("to download, 2 MB are here")


def test_a_folder_of_the_users_own_is_listed_and_downloaded_to(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("sam2.1_hiera_small.safetensors", "fine-tuned.pt", "notes.txt"):
        (folder / name).write_bytes(b"")
    entries = {entry.value: entry for entry in model_entries(folder)}
    assert entries["small"].megabytes == 0
    assert [value for value in entries if "mine" in value] == [str(folder / "fine-tuned.pt")]
    asked = entries["tiny"].choice("cpu")
    assert asked == ModelChoice("tiny", None, "cpu", folder)
    went_to = []

    def stop(name, *, progress, cancel, folder):
        went_to.append((name, folder))
        raise DownloadCancelled

    monkeypatch.setattr("napari_samv2_prompts.samv2.weights.download.download", stop)
    with pytest.raises(Cancelled):
        make_predictor(asked, task())
    assert went_to == [("tiny", folder)]


def test_a_line_of_the_picker_says_what_to_ask_for(tmp_path) -> None:
    choices = {entry.value: entry.choice("cpu") for entry in model_entries()}
    assert choices["tiny"] == ModelChoice("tiny", None, "cpu")
    assert choices["sam2_hiera_large"] == ModelChoice("sam2_hiera_large", None, "cpu")
    path = tmp_path / "mine.pt"
    assert entry_of(path).choice("auto") == ModelChoice(None, path, "auto")


def test_a_cancelled_download_is_no_error() -> None:
    stopped = task()
    stopped.cancel()
    with pytest.raises(Cancelled):
        make_predictor(ModelChoice("tiny"), stopped)


@pytest.mark.parametrize(
    ("content", "words"), [(None, "mine.pt"), (b"not a checkpoint", "mine.pt")]
)
def test_a_missing_or_broken_file_is_one_sentence(tmp_path, content, words) -> None:
    path = tmp_path / "mine.pt"
    if content is not None:
        path.write_bytes(content)
    session = Session(make_predictor, SyncRunner())
    session.update(snapshot_of(ModelChoice(None, path)))
    status = session.status
    assert status.state is State.FAILED
    assert words in status.reason
    assert "unforeseen" not in status.reason
    assert "\n" not in status.reason


def test_a_device_that_is_not_there_is_one_sentence() -> None:
    session = Session(make_predictor, SyncRunner())
    session.update(snapshot_of(ModelChoice("nano", None, "mps")))
    if session.status.state is State.FAILED:  # there is no such machine here but an Apple one
        assert "mps" in session.status.reason
        assert "unforeseen" not in session.status.reason


def snapshot_of(model: ModelChoice):
    from tests.engine.watched import snap

    return snap(model=model)
