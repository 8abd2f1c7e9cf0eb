"""How the plugin bears load: click to pixels with much in the way, and an hour of use.

The model here takes no time and answers with a disc, so that only what is around it is measured;
the hour is also spent with the bundled model.  The widget is real; a viewer model stands for the
window.  Clicks are measured in processor time, so
that other work on the machine does not count.
"""

from __future__ import annotations

import ctypes
import gc
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_samv2_prompts.engine import AtOnce, Predictor, Runner
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.prompts import ItemMasks, Masks, PromptBatch

__all__ = ["measure_load"]

CLICKS = 21
RADIUS = 8
ROWS, COLUMNS = np.ogrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
DISC = ROWS**2 + COLUMNS**2 <= RADIUS**2
ACTIONS = 3600  # one a second for an hour


class Picture:
    """An embedding of a megabyte."""

    logits_size = 16

    def __init__(self, size: tuple[int, int]) -> None:
        self.image_size = size
        self.features = np.zeros(1_000_000, np.uint8)
        self.nbytes = self.features.nbytes

    def halved(self) -> Picture:
        """Return the same: it is small already."""
        return self

    def from_afar(self) -> Picture:
        """Return the same."""
        return self


class Discs:
    """A model that answers every click with a disc, at once."""

    device, device_reason, packing = "cpu", "to measure what is around the model", None

    def embed(self, image: NDArray[np.uint8], progress: Any = None, image_size: Any = None) -> Any:
        """See :class:`.engine.Predictor`."""
        return Picture(image_size or image.shape[:2])

    def decode(
        self, embedding: Picture, batch: PromptBatch, multimask_output: bool | None = None
    ) -> Masks:
        """See :class:`.engine.Predictor`."""
        logits = np.zeros((1, 16, 16), np.float32)
        items = []
        for prompt in batch:
            x, y = prompt.points[0].astype(int)
            crop = MaskCrop(int(y) - RADIUS, int(x) - RADIUS, DISC)
            items.append(ItemMasks(prompt.object, (crop,), np.ones(1, np.float32), logits, 1.0))
        return Masks(tuple(items), embedding.image_size)


class Desk:
    """A viewer model with an image, the widget and its layers."""

    def __init__(
        self,
        shape: tuple[int, ...],
        labels: NDArray[Any] | None = None,
        make_runner: Callable[[], Runner] = AtOnce,
        *,
        bundled: bool = False,
    ) -> None:
        from napari.components import ViewerModel
        from qtpy.QtWidgets import QApplication

        from napari_samv2_prompts._qt.models import make_predictor
        from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
        from napari_samv2_prompts.io.settings import SETTINGS_VARIABLE

        os.environ[SETTINGS_VARIABLE] = (
            ""  # the settings of whoever measures are not what is measured
        )
        self.app = QApplication.instance() or QApplication([])
        self.viewer = ViewerModel()
        self.viewer.add_image(np.zeros(shape, np.uint8), name="image", contrast_limits=(0, 255))
        self.widget = SAMV2PromptsWidget(
            self.viewer,
            make_predictor=make_predictor if bundled else lambda *_: cast("Predictor", Discs()),
            make_runner=make_runner,
        )
        if labels is not None:
            self.widget.labels.value = self.viewer.add_labels(labels)
        self.points, self.shapes, self.labels = self.widget.new_prompt_layers()
        self.widget.wait_until_idle(300)

    def spots(self, n: int, spacing: int = 20) -> NDArray[np.float64]:
        """Return where discs do not touch, in rows."""
        side = (self.labels.data.shape[-1] - 2 * spacing) // spacing
        rows, columns = np.divmod(np.arange(n), side)
        return np.stack([(rows + 1) * spacing, (columns + 1) * spacing], axis=1).astype(float)

    def click(self, spot: NDArray[np.float64]) -> tuple[float, float]:
        """Click on a new object; return ms of work in all, and those after the point was added."""
        self.widget.next_object()
        hidden = [float(v) for v in self.viewer.dims.point[: self.labels.ndim - 2]]
        start = time.process_time()
        self.points.add([[*hidden, *spot]])
        added = time.process_time()
        self.widget.wait_until_idle(300)
        end = time.process_time()
        return (end - start) * 1e3, (end - added) * 1e3

    def clicks(self, spots: NDArray[np.float64]) -> tuple[float, float]:
        """Click on several; return the medians."""
        times = []
        for spot in spots:
            times.append(self.click(spot))
            at = tuple(self.points.data[-1].astype(int))
            assert self.labels.data[at] == self.points.features["object"].iloc[-1]
        whole, ours = zip(*times[1:], strict=True)
        return statistics.median(whole), statistics.median(ours)

    def close(self) -> None:
        """Leave nothing behind."""
        self.widget._tear_down()
        self.widget.deleteLater()
        self.viewer.layers.clear()
        self.app.processEvents()


def plain() -> tuple[float, float]:
    """An image of 1024 x 1024 and nothing else."""
    desk = Desk((1024, 1024))
    times = desk.clicks(desk.spots(CLICKS))
    desk.close()
    return times


def many_objects() -> tuple[float, float]:
    """1 000 objects with a click each on the plane."""
    desk = Desk((1024, 1024))
    spots = desk.spots(1000 + CLICKS)
    desk.points.add(spots[:1000])
    desk.points.features = desk.points.features.assign(object=np.arange(1, 1001))
    desk.widget.wait_until_idle(300)
    assert len(np.unique(desk.labels.data)) == 1001
    times = desk.clicks(spots[1000:])
    desk.close()
    return times


def many_labels() -> tuple[float, float]:
    """200 000 labels in the layer already, of 6 pixels each; clicks where there are none."""
    labels = np.zeros((2048, 2048), np.uint32)
    there = np.kron(np.arange(1, 200_001, dtype=np.uint32).reshape(500, 400), np.ones((2, 3)))
    labels[1000:2000, :1200] = there
    desk = Desk(labels.shape, labels)
    times = desk.clicks(desk.spots(CLICKS))
    assert (desk.labels.data[1000:2000, :1200] == there).all()
    desk.close()
    return times


def large_layer() -> tuple[float, float]:
    """A layer of 12 000 x 12 000."""
    desk = Desk((12_000, 12_000))
    times = desk.clicks(desk.spots(CLICKS))
    desk.close()
    return times


def many_planes() -> tuple[float, float]:
    """500 planes, with an object on each."""
    desk = Desk((500, 256, 256))
    middle = np.array([128.0, 128.0])
    desk.points.add([[float(z), *middle] for z in range(500)])
    desk.points.features = desk.points.features.assign(object=np.arange(1, 501))
    for z in range(500):
        desk.viewer.dims.set_point(0, z)
        desk.widget.wait_until_idle(300)
    assert len(np.unique(desk.labels.data)) == 501
    times = desk.clicks(desk.spots(CLICKS))
    desk.close()
    return times


class _Allocated(ctypes.Structure):
    """``struct mallinfo2`` of glibc, in bytes."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost",
    )]  # fmt: skip


def held() -> dict[str, float]:
    """Return what this process holds: memory in MB, threads and open files.

    Resident memory holds what was freed, too, as long as the C library keeps it for later; what is
    allocated (with glibc) does not.
    """
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Allocated
    now = library.mallinfo2()
    return {
        "memory (MB)": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "of it allocated (MB)": (now.uordblks + now.hblkhd) / 1e6,
        "threads": threading.active_count(),
        "open files": len(os.listdir("/proc/self/fd")),
    }


def hour_of_use(actions: int = ACTIONS, *, bundled: bool = False) -> dict[str, str]:
    """Click, undo, accept and change planes; tell what is held after each third.

    With the bundled model the planes are of noise, so that each click's mask is another.
    """
    from napari_samv2_prompts._qt.threads import QtRunner

    desk = Desk((60, 512, 512), make_runner=QtRunner, bundled=bundled)
    if bundled:
        noise = np.random.default_rng(0).integers(0, 256, (60, 32, 32), np.uint8)
        desk.viewer.layers["image"].data = noise.repeat(16, axis=1).repeat(16, axis=2)
        desk.widget.wait_until_idle(300)
    desk.widget.session.set_cache_size(20)
    spots = desk.spots(400)
    marks = []
    for action in range(actions):
        if action % (actions // 3) == 0:
            marks.append(held())
        desk.click(spots[action % len(spots)])
        if action % 7 == 0:
            desk.labels.undo()
        if action % 10 == 9:
            desk.widget.accept()
            desk.viewer.dims.set_point(0, action // 10 % 60)
        if action % 400 == 399:
            desk.labels.data = np.zeros_like(desk.labels.data)
    desk.widget.wait_until_idle(300)
    marks.append(held())
    budget = desk.widget.session.cache.nbytes / 1e6
    desk.close()
    changes = {
        f"{what}, before and after each third": ", ".join(f"{mark[what]:.0f}" for mark in marks)
        for what in marks[0]
    }
    result = {"actions": str(actions), **changes}
    result["embeddings held, budget 20 MB"] = f"{budget:.0f} MB"
    which = "bundled model" if bundled else "model that takes no time"
    return {f"{which}: {what}": value for what, value in result.items()}


def measure_load(actions: int = ACTIONS) -> dict[str, str]:
    """Measure everything of this module; the memory first, before the rest has taken some."""
    hour = hour_of_use(actions) | hour_of_use(actions, bundled=True) if actions else {}
    base = plain()
    result = {"1024 x 1024, nothing else": f"{base[0]:.1f} ms, of which ours {base[1]:.1f} ms"}
    for what, times in (
        ("1 000 objects on the plane", many_objects()),
        ("200 000 labels in the layer", many_labels()),
        ("12 000 x 12 000", large_layer()),
        ("500 planes with an object each", many_planes()),
    ):
        ratios = f"{times[0] / base[0]:.2f} times, ours {times[1] / base[1]:.2f} times"
        result[what] = f"{times[0]:.1f} ms, of which ours {times[1]:.1f} ms: {ratios}"
    return result | hour
