"""Take the pictures of the user guide, as on a usual screen or on one of small pixels.

    xvfb-run -a -s "-screen 0 1600x1200x24" python scripts/screenshots.py
    QT_SCALE_FACTOR=2 xvfb-run -a -s "-screen 0 3200x2400x24" python scripts/screenshots.py --out X

Each step of the guide is a function that does what the user does there; the window is saved after
it as docs/images/STEP.png, and all of them together as docs/images/loop.gif.  Look at them after
any change of the form: clipped words, grey on grey, advice that does not fit.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QCoreApplication
from skimage.data import coins

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE = (1280, 860)
FRAME_WIDTH = 900

# Corners (top, left, bottom, right) of boxes around coins, in pixels of the sample image.
BOXES = (
    (12, 301, 76, 369), (30, 251, 76, 301), (26, 188, 77, 247), (24, 123, 78, 183),
    (92, 241, 148, 300), (101, 313, 149, 360), (152, 311, 222, 384),
)  # fmt: skip
CLICK = (193, 273)
OUTSIDE = (193, 243)


class Desk:
    """A viewer with the coins and the widget."""

    def __init__(self, theme: str, out: Path, **widget_arguments: Any) -> None:
        from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

        self.out = out
        self.frames: list[Image.Image] = []
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*SIZE)
        self.viewer.add_image(coins(), name="coins")
        self.widget = SAMV2PromptsWidget(self.viewer, **widget_arguments)
        self.viewer.window.add_dock_widget(self.widget, name="SAMV2 Prompts", area="right")
        self.settle()

    def settle(self, seconds: float = 0.5) -> None:
        """Let everything be computed and drawn."""
        self.widget.wait_until_idle(300)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QCoreApplication.processEvents()
            time.sleep(0.01)

    def picture(self) -> Image.Image:
        """Return the window as it is."""
        return Image.fromarray(self.viewer.screenshot(canvas_only=False, flash=False)[..., :3])

    def save(self, name: str) -> None:
        """Save the window as it is, and keep it for the animation."""
        self.out.mkdir(parents=True, exist_ok=True)
        picture = self.picture()
        # 256 colours are enough for a window, and a third of the size.
        picture.quantize(256).save(self.out / f"{name}.png", optimize=True)
        self.frames.append(picture)

    def animate(self, name: str) -> None:
        """Save what was kept as an animation, each frame long enough to be read."""
        size = tuple(FRAME_WIDTH * n // self.frames[0].width for n in self.frames[0].size)
        small = [frame.resize(size, Image.Resampling.LANCZOS) for frame in self.frames]
        first, *others = (frame.quantize(256, dither=Image.Dither.NONE) for frame in small)
        times = [1400] * len(others) + [3000]
        first.save(
            self.out / f"{name}.gif", save_all=True, append_images=others, duration=times, loop=0
        )

    def open(self) -> None:
        """Open the widget: it takes the image and embeds it."""
        self.viewer.reset_view()

    def layers(self) -> None:
        """Make the layers."""
        self.widget.new_prompt_layers()

    def box(self) -> None:
        """Draw boxes, one per object."""
        for number, (top, left, bottom, right) in enumerate(BOXES):
            corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
            self.widget.shapes.value.add_rectangles([np.array(corners)])
            self.settle(0.1)
            if number % 3 == 0:
                self.frames.append(self.picture())

    def click(self) -> None:
        """Click on another object."""
        self.widget._form.prompts.click.click()
        self.widget.next_object()
        self.widget.points.value.add([CLICK])

    def candidates(self) -> None:
        """Take another of the three candidates."""
        self.widget.cycle_mask()

    def negative(self) -> None:
        """Say what does not belong to the object."""
        self.widget._form.prompts.sign.click()
        self.widget.points.value.add([OUTSIDE])

    def accept(self) -> None:
        """Keep the labels, clear the prompts."""
        self.widget.accept()

    def download(self) -> None:
        """Choose a model that is not on this computer."""
        self.widget.model.value = "large"


STEPS: tuple[Callable[[Desk], None], ...] = (
    Desk.open, Desk.layers, Desk.box, Desk.click, Desk.candidates, Desk.negative, Desk.accept,
    Desk.download,
)  # fmt: skip


def main(**widget_arguments: Any) -> None:
    """Go through the steps in the dark theme, and to the boxes in the light one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder of the pictures")
    out: Path = parser.parse_args().out
    os.environ["NAPARI_SAMV2_PROMPTS_SETTINGS"] = ""  # pictures of the defaults
    for theme, steps in (("dark", STEPS), ("light", STEPS[:3])):
        desk = Desk(theme, out, **widget_arguments)
        for number, step in enumerate(steps, 1):
            step(desk)
            desk.settle()
            if theme == "dark":
                desk.save(f"{number}-{step.__name__}")
            if step is Desk.accept:
                desk.animate("loop")
        if theme == "light":
            desk.save(f"{len(steps)}-{steps[-1].__name__}-light")
        desk.viewer.close()


if __name__ == "__main__":
    main()
