"""The window goes on while the model works.  Real gaps are measured by the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from queue import SimpleQueue

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from tests.fakes import Factory, FakePredictor

from napari_samv2_prompts._qt.form import Form
from napari_samv2_prompts._qt.form.widgets import Bar
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts._qt.widget_state import WidgetState
from napari_samv2_prompts.engine import State, Status
from napari_samv2_prompts.samv2.torch_import import import_quietly


class Patient(FakePredictor):
    """Goes on once the event loop of the window has gone on, which it can't where that waits."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: SimpleQueue[None] = SimpleQueue()
        self.waited = 0

    def embed(self, image, progress=None, image_size=None):
        self._wait()
        return super().embed(image, progress, image_size)

    def decode(self, embedding, batch, multimask_output=None):
        self._wait()
        return super().decode(embedding, batch, multimask_output)

    def _wait(self) -> None:
        while not self.rounds.empty():
            self.rounds.get()
        for _ in range(3):  # the first may have begun before
            self.rounds.get(timeout=20)
        self.waited += 1


def test_the_window_does_not_wait_for_embedding_and_decoding(make_napari_viewer) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(np.ones((80, 100)), name="cells")
    factory = Factory()
    patient = factory.predictor = Patient()
    widget = SAMV2PromptsWidget(viewer, make_predictor=factory)
    viewer.window.add_dock_widget(widget)
    _, shapes, labels = widget.new_prompt_layers()
    timer = QTimer()
    timer.timeout.connect(lambda: patient.rounds.put(None))
    timer.start(5)
    shapes.add_rectangles([np.array([[5, 5], [5, 9], [9, 9], [9, 5]]) + 10 * i for i in range(6)])
    widget.wait_until_idle()
    assert set(np.unique(labels.data)) == set(range(7))
    assert patient.waited >= 2


@pytest.mark.parametrize("state", [State.LOADING, State.EMBEDDING])
def test_nothing_moves_by_itself_in_the_form_beside_the_model(qtbot, state: State) -> None:
    form = Form((), ("cpu",))
    qtbot.addWidget(form)
    form.show_state(WidgetState(status=Status(state), image=True))
    assert form.head.progress.isVisibleTo(form)
    assert (
        form.head.progress.maximum() > form.head.progress.minimum()
    )  # else it has no end, and is animated


def test_a_bar_is_painted_when_its_turn_comes(qtbot) -> None:
    """Qt's own paints itself, and the canvas with it, in the middle of whatever moves it."""
    painted: list[int] = []

    class Watched(Bar):
        def paintEvent(self, event) -> None:
            super().paintEvent(event)
            painted.append(self.value())

    bar = Watched()
    qtbot.addWidget(bar)
    with qtbot.waitExposed(bar):
        bar.show()
    qtbot.waitUntil(lambda: bool(painted))
    painted.clear()
    bar.show_share(7, 10)
    assert painted == []
    qtbot.waitUntil(lambda: painted[-1:] == [7])


def test_a_quiet_import_leaves_the_collector_as_it_was_and_gives_the_module() -> None:
    code = (
        "import gc, sys; from napari_samv2_prompts.samv2.torch_import import import_quietly;"
        "module = import_quietly('napari_samv2_prompts.samv2.image_predictor');"
        "assert gc.isenabled() and gc.get_freeze_count() == 0;"
        "assert module is sys.modules['napari_samv2_prompts.samv2.image_predictor'];"
        "import torch; torch.zeros(3).sum()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_torch_that_cannot_be_loaded_is_one_sentence(monkeypatch) -> None:
    import importlib

    def refuse(name: str) -> None:
        raise OSError("[WinError 1114] c10.dll")

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ImportError, match=r"PyTorch cannot be loaded.*c10\.dll"):
        import_quietly("napari_samv2_prompts.samv2.no_such_module")


def test_opening_the_widget_does_not_import_torch_and_the_menu_has_its_libraries_loaded() -> None:
    """The libraries are loaded while the widget is imported; /proc tells it, on Linux."""
    code = (
        "import sys, threading; from pathlib import Path; from napari_samv2_prompts import _qt;"
        "_qt.SAMV2PromptsWidget;"
        "[t.join(30) for t in threading.enumerate() if 'libraries' in t.name];"
        "maps = Path('/proc/self/maps');"
        "assert sys.platform != 'linux' or 'libtorch_python' in maps.read_text();"
        "from napari_samv2_prompts._qt import widget, controller, models;"
        "models.model_entries(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
