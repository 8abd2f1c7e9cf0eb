"""What the widget remembers between starts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel
from qtpy.QtWidgets import QCheckBox, QSpinBox
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.form.controls import choice_of
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.io.settings import Choice, Remembered, settings_file


def written() -> None:
    for thread in threading.enumerate():
        if thread.name == "samv2-prompts-settings":
            thread.join(10)


@pytest.fixture
def open_widget(open_in) -> Callable[[], SAMV2PromptsWidget]:
    return partial(open_in, ViewerModel(), make_predictor=Factory(), make_runner=SyncRunner)


def test_the_last_choices_come_back(open_widget, tmp_path: Path) -> None:
    weights = tmp_path / "mine.pt"
    weights.write_bytes(b"")
    first = open_widget()
    form = first._form
    form.model.device.value, form.picture.rendering.value, form.picture.policy.value = (
        "cpu",
        "percentiles",
        "replace",
    )
    form.embeddings.memory.setValue(250)
    form.fold_of("model").open()
    first.live = False
    first.use_weights(str(tmp_path))
    first.use_weights(str(weights))
    written()
    second = open_widget()
    form = second._form
    assert (form.model.device.value, form.picture.rendering.value, form.picture.policy.value) == (
        "cpu", "percentiles", "replace"
    )  # fmt: skip
    assert (form.embeddings.memory.value(), second.session.cache.budget_mb, second.live) == (
        250,
        250,
        False,
    )
    assert [fold.title for fold in form.folds if fold.isExpanded()] == ["Model"]
    assert second.model.value == str(weights)
    assert second._picker.choice.checkpoint == weights
    second.model.value = "small"
    assert second._picker.choice.folder == tmp_path


def test_a_model_that_would_have_to_be_downloaded_is_not_chosen_again(
    open_widget, settings_of_this_test: Path, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path))
    settings_of_this_test.parent.mkdir()
    settings_of_this_test.write_text('{"model": "large"}')
    assert open_widget().model.value == "nano"


def test_what_cannot_be_chosen_is_left_out_with_a_note(
    open_widget, settings_of_this_test: Path, monkeypatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.widget.show_warning", notes.append)
    settings_of_this_test.parent.mkdir()
    content = {"memory": "lots", "device": "abacus", "model": ["nano"], "live": 0}
    settings_of_this_test.write_text(json.dumps(content))
    widget = open_widget()
    assert len(notes) == 1
    assert all(name in notes[0] for name in content)
    assert (widget.model.value, widget._form.model.device.value, widget.live) == (
        "nano",
        "auto",
        True,
    )
    widget.live = False  # and the next change is remembered all the same
    written()
    assert json.loads(settings_of_this_test.read_text())["live"] is False


@pytest.mark.parametrize("content", [b"{", b"[]", b"\0\xff", b"", b" " * 200_000 + b"{}"])
def test_a_file_that_is_no_settings_is_left_alone_with_a_note(tmp_path, content) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    choices = {"number": Choice(lambda: 1, pytest.fail)}
    assert "can't be read" in Remembered(choices, path).restore()


def test_settings_of_a_newer_version_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"number": 3, "later": [1]}')
    state = {"number": 1}
    choices = {"number": Choice(lambda: state["number"], lambda v: state.update(number=v))}
    remembered = Remembered(choices, path)
    assert remembered.restore() == ""
    assert state == {"number": 3}
    state["number"] = 4
    remembered.save()
    written()
    assert json.loads(path.read_text()) == {"number": 4, "later": [1]}
    assert [p.name for p in tmp_path.glob("settings.json*")] == ["settings.json"]


def test_a_folder_that_cannot_be_written_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    state = {"number": 1}
    choices = {"number": Choice(lambda: state["number"], lambda v: state.update(number=v))}
    remembered = Remembered(choices, tmp_path / "file" / "settings.json")
    assert "can't be read" in remembered.restore()
    state["number"] = 2
    remembered.save()
    written()


def test_an_empty_variable_means_remembering_nothing(monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_SETTINGS", " ")
    assert settings_file() is None
    monkeypatch.delenv("NAPARI_SAMV2_PROMPTS_SETTINGS")
    assert settings_file().name == "settings.json"


@settings(max_examples=25)
@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([1]))
def test_only_values_that_fit_are_taken(qapp, value: object) -> None:
    box, switch = QSpinBox(), QCheckBox()
    box.setRange(1, 9)
    for control, fits in (
        (box, type(value) is int and 1 <= value <= 9),
        (switch, isinstance(value, bool)),
    ):
        choice = choice_of(control)
        before = choice.get()
        try:
            choice.set(value)
        except (ValueError, TypeError):
            assert not fits
            assert choice.get() == before
        else:
            assert fits
            assert choice.get() == value
        control.deleteLater()
