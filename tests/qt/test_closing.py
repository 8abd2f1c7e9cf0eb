"""Closed at whatever moment: no thread goes on, nothing is raised, the labels stay as they are."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QWidget
from tests.fakes import Factory, FakePredictor
from tests.qt.slow import workers

from napari_samv2_prompts._qt import models
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.engine import State
from napari_samv2_prompts.samv2.weights.download import DownloadCancelled

pytestmark = pytest.mark.usefixtures("qapp")


class Held(FakePredictor):
    """Stands still in one of its works until it is let go, as work that can't be interrupted."""

    def __init__(self) -> None:
        super().__init__()
        self.where = ""
        self.reached, self.go = threading.Event(), threading.Event()

    def at(self, where: str) -> None:
        if where == self.where:
            self.reached.set()
            assert self.go.wait(20)

    def embed(self, image, progress=None, image_size=None):
        self.at("embed")
        return super().embed(image, None, image_size)

    def decode(self, embedding, batch, multimask_output=None):
        self.at("decode")
        return super().decode(embedding, batch, multimask_output)


class HeldFactory(Factory):
    """Makes a predictor of that kind, and stands still itself; what is published is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = Held()

    def __call__(self, choice, task):
        self.predictor.at("load")
        return (
            models.make_predictor(choice, task)
            if choice.name == "tiny"
            else super().__call__(choice, task)
        )


class Open:
    """A widget in a window of its own with one object painted."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.viewer, self.factory = ViewerModel(), HeldFactory()
        self.image = self.viewer.add_image(np.zeros(shape), contrast_limits=(0, 1))
        self.widget = SAMV2PromptsWidget(self.viewer, make_predictor=self.factory)
        self.window = QWidget()
        self.widget.setParent(self.window)
        self.points, _, self.labels = self.widget.new_prompt_layers()
        self.click(20, 20)
        self.widget.wait_until_idle()
        assert (self.labels.data == 1).any()

    def click(self, y: float, x: float) -> None:
        self.widget.next_object()
        self.points.add([[*self.viewer.dims.point[:-2], y, x]])

    def hold(self, where: str) -> None:
        self.factory.predictor.where = where

    def close(self, how: str) -> None:
        if how == "dock":
            self.widget.setParent(None)  # what the X of a dock does
        else:
            self.window.deleteLater()  # what becomes of the docks of a window
            QCoreApplication.sendPostedEvents(self.window, QEvent.Type.DeferredDelete)


def idle(open_: Open, folder) -> None:
    open_.viewer.layers.remove(open_.image)


def loading(open_: Open, folder) -> None:
    open_.hold("load")
    open_.widget._form.model.device.value = "cpu"


def downloading(open_: Open, folder) -> None:
    open_.widget.model.value = "tiny"
    open_.widget._form.model.download.click()


def embedding(open_: Open, folder) -> None:
    open_.hold("embed")
    open_.image.contrast_limits = (0, 7)


def decoding(open_: Open, folder) -> None:
    open_.hold("decode")
    open_.click(10, 40)


def ready(open_: Open, folder) -> None:
    pass


def waiting(open_: Open, folder) -> None:
    """Something was drawn, and nobody has looked yet."""
    open_.click(10, 40)


def failed(open_: Open, folder) -> None:
    open_.factory.error = ValueError("The weights are gone.")
    open_.widget._form.model.device.value = "cpu"


def embedding_all(open_: Open, folder) -> None:
    open_.hold("embed")
    open_.widget.embed_all_planes()


def loading_prompts(open_: Open, folder) -> None:
    open_.widget.save_prompts(folder / "p.json")
    open_.hold("embed")
    open_.widget.load_prompts(folder / "p.json")


MOMENTS: dict[Callable[[Open, object], None], State] = {
    idle: State.IDLE,
    loading: State.LOADING,
    downloading: State.LOADING,
    embedding: State.EMBEDDING,
    decoding: State.DECODING,
    ready: State.READY,
    waiting: State.READY,
    failed: State.FAILED,
    embedding_all: State.READY,
    loading_prompts: State.READY,
}
AT_WORK = {loading, downloading, embedding, decoding, embedding_all, loading_prompts}


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not done() and time.monotonic() < end:
        QCoreApplication.processEvents()
        time.sleep(0.002)
    assert done()


@pytest.mark.parametrize("how", ["dock", "window"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)
def test_closing_ends_all_and_leaves_the_labels(moment, how, tmp_path, monkeypatch) -> None:
    open_ = Open((9, 40, 50) if moment is embedding_all else (40, 50))
    held = open_.factory.predictor

    def download(name, progress, cancel, folder) -> None:
        held.reached.set()
        until(cancel)
        raise DownloadCancelled

    monkeypatch.setattr("napari_samv2_prompts.samv2.weights.download.download", download)
    monkeypatch.setattr(models.registry, "find", lambda *name, **where: None)
    notification_manager.records.clear()
    moment(open_, tmp_path)
    if moment in AT_WORK:
        until(held.reached.is_set)
    elif moment is not waiting:
        open_.widget.wait_until_idle()
    assert open_.widget.session.status.state is MOMENTS[moment]
    labels = [layer for layer in open_.viewer.layers if layer.name.startswith("Image labels")]
    assert len(labels) == 1 + (moment is loading_prompts)
    before = [layer.data.copy() for layer in labels]
    told = len(notification_manager.records)
    open_.close(how)
    held.go.set()
    until(lambda: not workers())
    open_.points.add([[*open_.viewer.dims.point[:-2], 30, 30]])
    open_.viewer.dims.ndisplay = 3
    QCoreApplication.processEvents()
    for layer, data in zip(labels, before, strict=True):
        np.testing.assert_array_equal(layer.data, data)
    assert dict(open_.viewer.keymap) == {}
    assert len(notification_manager.records) == told
    notification_manager.records.clear()


def test_a_process_may_end_without_closing_anything() -> None:
    """What Qt deletes then is deleted in any order."""
    code = """if True:
        import numpy as np
        from napari.components import ViewerModel
        from qtpy.QtWidgets import QApplication
        from tests.fakes import Factory
        from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

        app, kept = QApplication([]), []
        for moment in ("just made", "ready", "at work"):
            viewer = ViewerModel()
            viewer.add_image(np.zeros((40, 50)), contrast_limits=(0, 1))
            widget = SAMV2PromptsWidget(viewer, make_predictor=Factory())
            points, _, labels = widget.new_prompt_layers()
            points.add([[20, 20]])
            if moment != "just made":
                widget.wait_until_idle()
                assert labels.data.any()
            if moment == "at work":
                points.add([[5, 5]])
                widget._open.controller.flush()
            kept.append((viewer, widget))
        print("end of the script", flush=True)
    """
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert (ended.returncode, ended.stdout) == (0, "end of the script\n"), ended.stderr
    assert "Traceback" not in ended.stderr
