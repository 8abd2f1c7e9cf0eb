"""Take the pictures and animations of the guide from the plugin itself.

    xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/screenshots.py
    xvfb-run -a -s "-screen 0 1366x768x24" python scripts/screenshots.py --laptop --out X
    QT_SCALE_FACTOR=2 xvfb-run -a -s "-screen 0 2732x1536x24" python scripts/screenshots.py \
        --laptop --out X

A scene is a function that does what a user does there, by the form's own buttons where there is
one; whatever is worth a look is a frame of ``docs/images/SCENE.gif``, and what the guide shows a
picture of its own.  Look at them after any change of the form: clipped words, grey on grey, advice
that does not fit.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QCoreApplication
from qtpy.QtWidgets import QDockWidget
from skimage.data import coins, immunohistochemistry

from napari_samv2_prompts.sample_data import COIN_BOXES, film, generate_cells

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE = (1040, 660)  # of an animation: no larger than a page, so that its words stay sharp
LAPTOP = (1366, 740)  # what a laptop's screen leaves of 1366 x 768
COLOURS = 256
LOOK, READ = 900, 2200  # ms that a frame stays


class Desk:
    """A viewer with an image and the widget."""

    def __init__(
        self, image: np.ndarray, name: str, out: Path, size: tuple[int, int], theme: str = "dark"
    ) -> None:
        self.out, self.frames = out, list[tuple[Image.Image, int]]()
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*size)
        if size == SIZE:  # room for the image
            for dock in self.viewer.window._qt_window.findChildren(QDockWidget):
                if dock.windowTitle() in ("layer controls", "layer list"):
                    dock.hide()
        self.viewer.add_image(image, name=name)
        _, self.widget = self.viewer.window.add_plugin_dock_widget(
            "napari-samv2-prompts", "SAMV2 Prompts"
        )
        self.form: Any = self.widget._form
        self.settle()
        self.viewer.reset_view()

    def settle(self, seconds: float = 0.5) -> None:
        """Let everything be computed and drawn."""
        self.widget.wait_until_idle(300)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QCoreApplication.processEvents()
            time.sleep(0.01)

    def look(self, name: str = "", ms: int = LOOK) -> None:
        """Keep the window as it is as a frame, and under a name as a picture of its own."""
        self.settle()
        shot = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        self.frames.append((Image.fromarray(shot), ms))
        if name:
            self.out.mkdir(parents=True, exist_ok=True)
            # 256 colours are enough for a window, and a third of the size.
            self.frames[-1][0].quantize(256).save(self.out / f"{name}.png", optimize=True)

    def animate(self, name: str) -> None:
        """Save the frames, in colours that they share so that what stands still is stored once."""
        width, height = self.frames[0][0].size
        all_frames = Image.new("RGB", (width, height * len(self.frames)))
        for number, (frame, _) in enumerate(self.frames):
            all_frames.paste(frame, (0, number * height))
        palette = all_frames.quantize(COLOURS)
        first, *others = (
            frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame, _ in self.frames
        )
        first.save(
            self.out / f"{name}.gif", save_all=True, append_images=others, loop=0, optimize=False,
            duration=[ms for _, ms in self.frames],
        )  # fmt: skip

    # --- what a user does -------------------------------------------------------------------

    def box(self, corners: Sequence[float], plane: int | None = None) -> None:
        """Draw a box: left, top, right, bottom."""
        left, top, right, bottom = corners
        at = np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)
        if plane is not None:
            at = np.insert(at, 0, plane, axis=1)
        self.widget.shapes.value.add_rectangles([at])

    def click(self, *place: float) -> None:
        """Click on the current object: (plane,) row, column."""
        self.widget.points.value.add([place])

    def open(self, name: str) -> None:
        """Press the title of a part, which brings it into sight."""
        self.form.fold_of(name).toggleButton().click()
        self.settle()


def loop(desk: Desk) -> None:
    """Boxes, a click, its candidates, a further click, accepting."""
    prompts = desk.form.prompts
    desk.look("1-open", READ)
    prompts.box.click()
    desk.look()
    for number, corners in enumerate(COIN_BOXES[7:11]):
        desk.box(corners)
        desk.look("3-box" if number == 3 else "", LOOK // 2)
    prompts.click.click()
    prompts.next.click()
    desk.click(193, 212)
    desk.look("4-click", READ)
    prompts.candidates.buttons[1].click()
    desk.look("5-candidates")
    prompts.candidates.buttons[0].click()
    desk.click(170, 209)
    desk.look(ms=READ)
    prompts.accept.click()
    desk.look("7-accept", READ)


def crowded(desk: Desk) -> None:
    """Nuclei that touch: one click each, all of them in the list of objects."""
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu
    from skimage.measure import label, regionprops

    smooth = gaussian_filter(desk.viewer.layers[0].data.astype(float), 2)
    nuclei = regionprops(label(smooth > threshold_otsu(smooth)))
    middle = np.array(smooth.shape) / 2
    nuclei.sort(key=lambda nucleus: float(np.linalg.norm(nucleus.centroid - middle)))
    desk.form.prompts.click.click()
    desk.look()
    for nucleus in nuclei[:12]:
        desk.click(*nucleus.centroid)
        desk.look(ms=LOOK // 2)
        desk.form.prompts.next.click()
    desk.open("objects")
    desk.settle(1)
    desk.form.objects.table.sortByColumn(2, desk.form.objects.table.horizontalHeader()
                                         .sortIndicatorOrder())  # fmt: skip
    desk.look(ms=READ)


def stack(desk: Desk) -> None:
    """Planes of a stack: each has its own prompts, and is ready when it is come back to."""
    desk.form.prompts.box.click()
    for plane, corners in ((0, (80, 38, 120, 74)), (1, (83, 46, 123, 82)), (2, (86, 54, 126, 90))):
        desk.viewer.dims.set_point(0, plane)
        desk.look()
        desk.box(corners, plane)
        desk.look()
    for plane in (1, 0):
        desk.viewer.dims.set_point(0, plane)
        desk.look(ms=READ if plane == 0 else LOOK)


def through(desk: Desk) -> None:
    """Nuclei on one plane of a film, followed to all others; what is in doubt, accepting."""
    desk.viewer.layers[0].axis_labels = ("t", "y", "x")
    desk.viewer.dims.set_point(0, 4)
    desk.form.prompts.click.click()
    for place in ((190, 144), (228, 93), (236, 245), (271, 210)):
        desk.click(4, *place)
        desk.look(ms=LOOK // 2)
        desk.form.prompts.next.click()
    desk.open("through")
    desk.look()
    desk.form.through.both.click()
    desk.look(ms=READ)
    for plane in (0, 3, 6, 9):
        desk.viewer.dims.set_point(0, plane)
        desk.look(ms=LOOK // 2)
    desk.form.through.doubtful.click()
    desk.look(ms=READ)


def correcting(desk: Desk) -> None:
    """A mask that is a part only, clicks on what belongs to it too, and keeping it."""
    desk.viewer.scene.camera.zoom *= 1.6
    desk.form.prompts.click.click()
    for place in ((193, 200), (194, 224), (172, 214)):
        desk.click(*place)
        desk.look(ms=READ)
    desk.open("labels")
    desk.form.labels.keep.click()
    desk.look(ms=READ)


def find_all(desk: Desk) -> None:
    """All objects of the plane, chosen by their size and accepted."""
    panel = desk.form.find_all
    desk.open("find")
    desk.look()
    panel.search.click()
    desk.look(ms=READ)
    panel.area.setValue(500)
    desk.look(ms=READ)
    panel.accept.click()
    desk.look(ms=READ)


def download(desk: Desk) -> None:
    """A model that is not on this computer."""
    desk.open("model")
    desk.widget.model.value = "large"
    desk.look("8-download")


def moving_coins() -> np.ndarray:
    """Return the coins as a short film in which they wander."""
    return np.stack([np.roll(coins(), (8 * step, 3 * step), (0, 1)) for step in range(3)])


SCENES: dict[str, tuple[Callable[[Desk], None], Callable[[], np.ndarray], str]] = {
    "loop": (loop, coins, "coins"),
    "crowded": (crowded, generate_cells, "cells"),
    "stack": (stack, moving_coins, "film"),
    "through": (through, lambda: film()[0][0], "film"),
    "correcting": (correcting, coins, "coins"),
    "find-all": (find_all, generate_cells, "cells"),
}


def main() -> None:
    """Play all scenes in the dark theme, and take one picture of the light one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--only", choices=SCENES, help="one scene")
    parser.add_argument("--laptop", action="store_true", help="a window of 1366 x 768, both themes")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    os.environ["NAPARI_SAMV2_PROMPTS_SETTINGS"] = ""  # pictures of the defaults
    if options.laptop:
        for theme in ("dark", "light"):
            desk = Desk(immunohistochemistry()[..., 0], "tissue", out, LAPTOP, theme)
            desk.form.prompts.click.click()
            desk.click(255, 255)
            desk.look(f"laptop-{theme}")
            desk.form.fold_of("objects").open()
            desk.form.fold_of("model").open()
            desk.settle(1)
            desk.look(f"laptop-{theme}-open")
            desk.viewer.close()
        return
    for name, (scene, image, layer) in SCENES.items():
        if options.only in (None, name):
            desk = Desk(image(), layer, out, SIZE)
            scene(desk)
            desk.animate(name)
            if name == "loop":
                download(desk)
            desk.viewer.close()
    if options.only in (None, "loop"):
        desk = Desk(coins(), "coins", out, SIZE, "light")
        desk.form.prompts.box.click()
        for corners in COIN_BOXES[7:11]:
            desk.box(corners)
        desk.look("3-box-light")
        desk.viewer.close()


if __name__ == "__main__":
    main()
