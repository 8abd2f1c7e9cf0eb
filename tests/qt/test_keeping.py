"""Where embeddings are kept, as the form shows it and the widget remembers it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.form.model import EmbeddingsPanel
from napari_samv2_prompts._qt.messages import planes_line
from napari_samv2_prompts._qt.widget_state import WidgetState
from napari_samv2_prompts.engine import AllPlanes, Status


@pytest.fixture
def part(qtbot) -> EmbeddingsPanel:
    part = EmbeddingsPanel()
    qtbot.addWidget(part)
    part.show()
    return part


def test_the_limit_is_offered_with_a_folder_only(part: EmbeddingsPanel, tmp_path: Path) -> None:
    assert part.store() is None
    assert not part.limit.isEnabled()
    part.folder = tmp_path
    part.limit.setValue(3)
    store = part.store()
    assert store is not None
    assert (store.folder, store.limit_mb) == (tmp_path, 3000)
    name = tmp_path.name  # a long one
    assert part.choose.text() == f"{name[:7]}…{name[-7:]}"
    assert str(tmp_path) in part.choose.toolTip()
    assert str(tmp_path) in part.choose.toolTip()
    part.forget.click()
    assert part.store() is None
    assert not part.limit.isEnabled()


def test_choosing_a_folder_asks_for_one_and_takes_none_for_an_answer(
    part: EmbeddingsPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = "napari_samv2_prompts._qt.form.model.QFileDialog.getExistingDirectory"
    monkeypatch.setattr(dialog, lambda *_: str(tmp_path))
    part.choose.click()
    assert part.folder == tmp_path
    monkeypatch.setattr(dialog, lambda *_: "")
    part.choose.click()
    assert part.folder == tmp_path


def test_typing_a_large_budget_drops_nothing_on_the_way(part: EmbeddingsPanel, qtbot) -> None:
    budgets: list[int] = []
    part.memory.valueChanged.connect(budgets.append)
    part.memory.selectAll()
    qtbot.keyClicks(part.memory, "5000")
    part.memory.clearFocus()
    part.memory.editingFinished.emit()
    assert set(budgets) <= {5000}


@pytest.mark.parametrize(
    ("planes", "text"),
    [
        (None, ""),
        (AllPlanes(11, 200, 12, running=True), "Plane 12 of 200"),
        (AllPlanes(0, 200, 1, running=False, problem="Too many."), "Too many."),
        (AllPlanes(200, 200, 200, running=False), "All 200 planes are embedded."),
        (
            AllPlanes(199, 200, 200, running=False, problem="The disk is gone."),
            "199 of 200 planes are embedded. The disk is gone.",
        ),
    ],
)
def test_how_far_all_planes_are_is_one_line(planes: AllPlanes | None, text: str) -> None:
    assert planes_line(WidgetState(Status(planes=planes))) == text


def test_the_widget_keeps_embeddings_in_a_folder_and_finds_them_another_day(
    open_in, tmp_path: Path
) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.arange(4, dtype=np.uint8)[:, None, None] + np.zeros((4, 30, 40), np.uint8))
    one, other = Factory(), Factory()
    first = open_in(viewer, make_predictor=one, make_runner=SyncRunner)
    folder = first.folder = tmp_path / "embeddings"
    first.wait_until_idle()
    keeping = first._form.embeddings
    assert "MB" in keeping._usage.text()
    assert keeping.all_planes.text() == "Embed all 4 planes"
    keeping.all_planes.click()
    first.wait_until_idle()
    assert len(list(folder.iterdir())) == 4
    assert keeping._said.text() == "All 4 planes are embedded."
    assert not keeping.all_planes.isChecked()
    first._tear_down()
    for thread in threading.enumerate():
        if thread.name == "samv2-prompts-settings":
            thread.join(10)
    second = open_in(viewer, make_predictor=other, make_runner=SyncRunner)
    second.wait_until_idle()
    assert second.folder == folder
    viewer.dims.set_point(0, 3)
    second.wait_until_idle()
    assert other.made
    assert other.predictor.images == []
