"""The plugin's own path in a real viewer: click to pixels, writing labels, gaps of the window.

Needs a display (``xvfb-run`` will do) and a Qt binding.
"""

from __future__ import annotations

import compileall
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np

from benchmarks.pictures import boxes, picture

__all__ = ["measure_plugin"]

CLICKS = 15
LONGEST = 10
LARGE = (12_000, 12_000)
WINDOW = (1200, 900)  # by default a window is so small that the dock leaves no room for the canvas


class Gaps:
    """The times between rounds of the event loop, by a timer that fires each few milliseconds."""

    def __init__(self) -> None:
        from qtpy.QtCore import QTimer

        self.worst = 0.0
        self._all: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(2)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.worst = max(self.worst, now - self._last)
        self._all = sorted([*self._all, now - self._last])[-LONGEST:]
        self._last = now

    @property
    def longest(self) -> list[float]:
        """The longest gaps in milliseconds, the worst first."""
        return [gap * 1e3 for gap in reversed(self._all)]

    def stop(self) -> float:
        """Return the worst gap in milliseconds."""
        self._tick()
        self._timer.stop()
        return self.worst * 1e3


@contextmanager
def opened(image: np.ndarray, show: bool) -> Iterator[tuple[Any, Any, Gaps]]:
    """Open a viewer with an image and the dock widget; watch its gaps from then on."""
    import napari

    assert "torch" not in sys.modules
    viewer = napari.Viewer(show=show)
    viewer.window.resize(*WINDOW)
    viewer.add_image(image)
    settle(0.5)
    _, widget = viewer.window.add_plugin_dock_widget("napari-samv2-prompts", "SAMV2 Prompts")
    gaps = Gaps()
    try:
        yield viewer, widget, gaps
    finally:
        viewer.close()
        settle(0.2)


def settle(seconds: float) -> None:
    """Let the window work for a while."""
    from qtpy.QtCore import QCoreApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QCoreApplication.processEvents()
        time.sleep(0.001)


def until(condition: Callable[[], bool], timeout: float = 60) -> float:
    """Process events until a condition holds; return how long that took."""
    from qtpy.QtCore import QCoreApplication

    start = time.perf_counter()
    while not condition():
        QCoreApplication.processEvents()
        time.sleep(0.0005)  # an event loop waits, too: spinning would take the lock from the worker
        if time.perf_counter() - start > timeout:
            raise TimeoutError
    return time.perf_counter() - start


def frame(viewer: Any) -> float:
    """Return how many milliseconds the window takes to paint the canvas once, median."""
    from qtpy.QtCore import QCoreApplication

    times = []
    for _ in range(CLICKS):
        viewer.scene.camera.zoom *= 1.001
        start = time.perf_counter()
        QCoreApplication.processEvents()
        times.append((time.perf_counter() - start) * 1e3)
        settle(0.02)
    return statistics.median(times)


def gaps_and_clicks(*, show: bool) -> dict[str, float]:
    """Measure the window's gaps in each phase, and the time from click to written labels.

    A hidden window is not painted.  Without a GPU, painting is most of what takes time.
    """
    result: dict[str, float] = {}
    window = "window shown" if show else "window hidden"
    with opened(picture(), show) as (viewer, widget, gaps):
        widget.wait_until_idle()
        result[f"{window}: worst gap while loading and embedding (ms)"] = gaps.stop()
        if show:
            result[f"{window}: the viewer paints its canvas once, median (ms)"] = frame(viewer)
        points, shapes, _ = widget.new_prompt_layers()
        widget.wait_until_idle()
        times = []
        for x, y in boxes()[:CLICKS, :2]:
            widget.next_object()
            points.add([[y + 40, x + 60]])
            number = int(points.features["object"].iloc[-1])

            def answered(number: int = number) -> bool:
                return widget.session.result(number) is not None

            times.append(until(answered) * 1e3)
            widget.wait_until_idle()
        result[f"{window}: click to labels, median (ms)"] = statistics.median(times)
        rectangles = [[[y0, x0], [y0, x1], [y1, x1], [y1, x0]] for x0, y0, x1, y1 in boxes()]
        shapes.add_rectangles(rectangles)  # the viewer's own work, some 80 ms
        gaps = Gaps()
        widget.wait_until_idle()
        result[f"{window}: worst gap while decoding 64 boxes (ms)"] = gaps.stop()
    return result


def label_writes() -> dict[str, float]:
    """Measure writing a 200 x 200 object into a large Labels layer."""
    from napari.components import ViewerModel

    from napari_samv2_prompts.layers import LabelsTarget, current_plane
    from napari_samv2_prompts.layers.labels_checks import blank_labels
    from napari_samv2_prompts.mask_crops import MaskCrop

    viewer = ViewerModel()
    labels = viewer.add_labels(blank_labels(LARGE))
    target, plane = LabelsTarget(labels), current_plane(viewer.dims, labels)
    rows, columns = np.ogrid[-100:100, -100:100]
    disc = rows**2 + columns**2 < 100**2
    result = {}
    # A new layer's memory is handed out by the system when it is first written, which can cost
    # more than all the rest; the second round writes where that has happened.
    for kind, left in (("first touch of the memory", 400), ("memory in use", 410)):
        times = []
        for number in range(1, CLICKS + 1):
            crop = MaskCrop(300 * number, left, disc)
            start = time.perf_counter()
            target.write(plane, {number + left: crop}, "replace")
            times.append((time.perf_counter() - start) * 1e3)
        name = f"write of a 200 x 200 object into 12000 x 12000, {kind}, median (ms)"
        result[name] = statistics.median(times)
    return result


IMPORT = """
import time, sys
start = time.perf_counter()
import napari_samv2_prompts
print((time.perf_counter() - start) * 1e3)
assert "torch" not in sys.modules
"""
OPEN = """
import time, sys
import napari, numpy
from qtpy.QtCore import QCoreApplication, QEvent, QObject

class Painted(QObject):
    seen = False
    def eventFilter(self, watched, event):
        self.seen |= event.type() == QEvent.Type.Paint
        return False

viewer = napari.Viewer(show=True)
viewer.window.resize(1366, 740)
viewer.add_image(numpy.zeros((512, 512), dtype=numpy.uint8))
for _ in range(30):
    QCoreApplication.processEvents()
    time.sleep(0.01)
start, spent, painted = time.perf_counter(), time.process_time(), Painted()
_, widget = viewer.window.add_plugin_dock_widget("napari-samv2-prompts", "SAMV2 Prompts")
print((time.perf_counter() - start) * 1e3, (time.process_time() - spent) * 1e3)
spent = time.process_time()
widget._form.installEventFilter(painted)
while not painted.seen:
    QCoreApplication.processEvents()
print((time.process_time() - spent) * 1e3)
assert "torch" not in sys.modules
viewer.close()
"""


def start_up() -> dict[str, float]:
    """Measure importing the package, opening the widget and painting it first, without torch."""
    compileall.compile_dir(str(files("napari_samv2_prompts")), quiet=1)  # as installing does
    result = {}
    for code, names in (
        (IMPORT, ["import napari_samv2_prompts"]),
        (OPEN, ["opening the widget", "opening the widget, processor time",
                "first paint of the window with it, processor time"]),
    ):  # fmt: skip
        rounds = []
        for _ in range(3):
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, capture_output=True, check=True, text=True)
            rounds.append(list(map(float, done.stdout.split()[: len(names)])))
        for name, times in zip(names, zip(*rounds, strict=True), strict=True):
            result[f"{name}, torch not imported, median (ms)"] = statistics.median(times)
    return result


def measure_plugin() -> dict[str, float]:
    """Measure everything of this module."""
    return {
        **start_up(),
        **label_writes(),
        **in_a_window("hidden"),
        **in_a_window("shown"),
    }


def in_a_window(state: str) -> dict[str, float]:
    """Measure gaps and clicks in a process of its own, which imports torch while one watches."""
    command = [sys.executable, "-m", "benchmarks.plugin", state]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    print(json.dumps(gaps_and_clicks(show=sys.argv[1] == "shown")))
