from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication, QEvent
from tests.bench import Bench
from tests.qt.slow import workers

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

Open = Callable[..., SAMV2PromptsWidget]


@pytest.fixture
def open_in(qapp) -> Iterator[Open]:
    """Open widgets in viewer models, for what needs no window: making one takes a second."""
    opened: list[SAMV2PromptsWidget] = []

    def open_(viewer: ViewerModel, **options) -> SAMV2PromptsWidget:
        opened.append(SAMV2PromptsWidget(viewer, **options))
        return opened[-1]

    yield open_
    for widget in opened:
        widget._tear_down()
        widget.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def viewer() -> ViewerModel:
    """A viewer without a window, with an image."""
    viewer = ViewerModel()
    viewer.add_image(np.ones((80, 100)), name="cells")
    return viewer


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Our controller on such a viewer and a fake model, with layers of its own."""
    bench = Bench().make_layers()
    yield bench
    bench.controller.close()


@pytest.fixture
def stack() -> Iterator[Bench]:
    """Such a bench with a stack of which a plane in the middle is shown."""
    bench = Bench((5, 80, 100)).make_layers()
    bench.viewer.dims.set_current_step(0, 2)
    bench.controller.refresh()
    yield bench
    bench.controller.close()


@pytest.fixture
def no_thread_left() -> Iterator[None]:
    yield
    end = time.monotonic() + 30  # an import can not be interrupted
    while workers() and time.monotonic() < end:
        QCoreApplication.processEvents()  # work with files that another test left ends so
        time.sleep(0.01)
    assert workers() == []
