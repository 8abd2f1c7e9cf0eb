"""``xvfb-run -a python -m benchmarks.mixed_use``: some minutes of all that the widget does.

2 000 planes with moving discs, 5 000 labels that are there already, and ``nano`` in the real worker
threads: clicks, boxes, corrections, undo, accepting, following through planes, finding all, another
image, another model, saving, in turn, on planes here and there.  Printed is what the process holds
after each minute; the exit status is 1 if threads or open files became more from the first fifth to
the last, or by a tenth what is allocated beyond what the record of the session takes.  What the C
library keeps of memory that was freed comes and goes, and is printed alone.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from importlib.resources import as_file, files
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load import Desk, held

PLANES, SIDE = 2000, 192
OBJECTS = 5000
PARTS = 5
MINUTE = 60.0
GROWTH = 1.1
ALLOCATED = "of it allocated (MB)"


def moving_discs() -> NDArray[np.uint8]:
    """Return planes with four discs that move by a pixel a plane, and noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    noise = rng.integers(0, 40, (8, SIDE, SIDE), np.uint8)
    planes = np.empty((PLANES, SIDE, SIDE), np.uint8)
    for z, plane in enumerate(planes):
        plane[:] = noise[z % 8] + 30
        for y, x in middles(z):
            plane[(rows - y) ** 2 + (columns - x) ** 2 <= 14**2] += 120
    return planes


def middles(z: int) -> NDArray[np.int64]:
    """Return the middles of the discs of a plane, in rows and columns."""
    there = z % 60
    return np.array([[40 + there, 45], [145, 40 + there], [50, 100 + there], [120, 150]])


def labels_there() -> NDArray[np.uint16]:
    """Return labels in which there are many objects, in a strip at the bottom."""
    labels = np.zeros((PLANES, SIDE, SIDE), np.uint16)
    for number in range(1, OBJECTS + 1):
        z, place = number % PLANES, 8 * (number // PLANES)
        labels[z, -4:, place : place + 6] = number
    return labels


class User:
    """Does one thing after the other."""

    def __init__(self, folder: Path) -> None:
        from napari_samv2_prompts._qt.threads import QtRunner

        self.desk = Desk((PLANES, SIDE, SIDE), labels_there(), make_runner=QtRunner, bundled=True)
        self.widget, self.labels = self.desk.widget, self.desk.labels
        self.image = self.desk.viewer.layers["image"]
        self.image.data = moving_discs()
        self.other = self.desk.viewer.add_image(moving_discs()[0], name="other")
        self.desk.viewer.layers.selection = {self.image}
        self.models = (self.widget.model.value, self._own_weights(folder))
        self.widget.session.set_cache_size(50)
        self.folder, self.done = folder, dict[str, int]()
        self.random = np.random.default_rng(1)
        self.widget._form.fold_of("objects").expand(False)  # the list is kept up to date, too
        self.widget.wait_until_idle(300)

    def round(self, number: int) -> None:
        """Go to a plane, and do there what is due."""
        z = int(self.random.integers(20, PLANES - 20))
        self.desk.viewer.dims.set_point(0, z)
        places = middles(z)
        self._do("clicks", lambda: self.desk.click(places[0].astype(float)))
        self._do("boxes", lambda: self._box(z, places[1]))
        self._do("corrected", lambda: self._correct(z, places[1]))
        if number % 3 == 0:
            self._do("undone", self.labels.undo)
        if number % 4 == 0:
            self._do("followed", lambda: self._follow(z))
        if number % 6 == 0:
            self._do("found", self._find_all)
        if number % 10 == 0:
            self._do("saved", lambda: self.widget.save_prompts(self.folder / "prompts.json"))
        self._do("accepted", self.widget.accept)
        if number % 8 == 0:
            self._do("other image", self._use_other_image)
        if number % 12 == 0:
            self._do("other model", lambda: self._use_model(self.models[number // 12 % 2]))

    def _own_weights(self, folder: Path) -> str:
        """Offer the bundled weights as a file of the user's own; return its name there."""
        bundled = files("napari_samv2_prompts") / "weights" / "nano.safetensors"
        own = folder / "own.safetensors"
        with as_file(bundled) as path:
            shutil.copy(path, own)
        self.widget.use_weights(str(own))
        return str(own)

    def _do(self, what: str, act: Any) -> None:
        act()
        self.widget.wait_until_idle(300)
        self.done[what] = self.done.get(what, 0) + 1

    def _box(self, z: int, middle: NDArray[np.int64]) -> None:
        (y0, x0), (y1, x1) = middle - 16, middle + 16
        self.desk.shapes.add_rectangles([[[z, y0, x0], [z, y0, x1], [z, y1, x1], [z, y1, x0]]])

    def _correct(self, z: int, middle: NDArray[np.int64]) -> None:
        self.desk.points.add([[z, middle[0] + 5, middle[1] - 5]])

    def _use_other_image(self) -> None:
        """Box a disc of a picture with layers of its own, and come back."""
        layers = self.desk.viewer.layers
        layers.selection = {self.other}
        self.widget.wait_until_idle(300)
        if self.widget.shapes.value is None:
            self.widget.new_prompt_layers()
        y, x = middles(0)[3]
        self.widget.shapes.value.add_rectangles([[[y - 16, x - 16], [y + 16, x + 16]]])
        self.widget.wait_until_idle(300)
        self.widget.accept()
        layers.selection = {self.image}
        self.widget.wait_until_idle(300)
        assert self.widget.labels.value is self.labels

    def _use_model(self, name: str) -> None:
        self.widget.model.value = name

    def _follow(self, z: int) -> None:
        self.widget.propagate(first=z - 3, last=z + 3)

    def _find_all(self) -> None:
        self.widget.find_all()
        self.widget.wait_until_idle(300)
        self.widget.accept_found()


def grown(marks: list[dict[str, float]], record: float) -> list[str]:
    """Say what became more from the first fifth to the last; `record` in MB may be added."""
    first, last = marks[1], marks[-1]
    allowed = dict(first)
    allowed[ALLOCATED] = first[ALLOCATED] * GROWTH + record
    allowed["memory (MB)"] = inf
    return [
        f"{what}: {first[what]:.0f} to {last[what]:.0f}" for what in first
        if last[what] > allowed[what]
    ]  # fmt: skip


def main() -> int:
    """Use it for so many seconds; print what was done and held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_use", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory() as folder:
        user = User(Path(folder))
        marks, start, number, minute = [held()], time.monotonic(), 0, 0
        while len(marks) <= PARTS:
            user.round(number)
            number += 1
            spent = time.monotonic() - start
            if spent >= MINUTE * (minute + 1):
                minute = int(spent // MINUTE)
                now = {what: round(value) for what, value in held().items()}
                print(f"minute {minute}, round {number}: {now}", flush=True)
            if spent >= seconds * len(marks) / PARTS:
                marks.append(held())
        highest = int(user.labels.data.max())
        steps = user.widget._open.recorder.noted(user.labels.unique_id)
        record = sum(map(sys.getsizeof, steps)) / 1e6
        user.desk.close()
    print([{what: round(value) for what, value in mark.items()} for mark in marks])
    print(f"{number} rounds: {user.done}; highest label {highest}; record {record:.1f} MB")
    more = grown(marks, record)
    print("\n".join(f"More: {line}" for line in more) or "Nothing became more.")
    return int(bool(more))


if __name__ == "__main__":
    sys.exit(main())
