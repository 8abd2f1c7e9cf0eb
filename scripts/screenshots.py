"""Take the pictures of the user guide: `xvfb-run -a python scripts/screenshots.py`.

Each step of the guide is a function that does what the user does there; the window is saved after
it as docs/images/STEP.png.  Look at them after any change of the form: clipped words, grey on grey,
advice that does not fit.
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

# Corners (top, left, bottom, right) of boxes around coins, in pixels of the sample image.
BOXES = (
    (12, 301, 76, 369), (30, 251, 76, 301), (26, 188, 77, 247), (24, 123, 78, 183),
    (92, 241, 148, 300), (101, 313, 149, 360), (152, 311, 222, 384),
)  # fmt: skip
CLICK = (193, 273)
OUTSIDE = (193, 243)


class Desk:
    """A viewer with the coins and the widget."""

    def __init__(self, theme: str, **widget_arguments: Any) -> None:
        from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

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

    def save(self, name: str) -> None:
        """Save the window as it is."""
        IMAGES.mkdir(parents=True, exist_ok=True)
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        # 256 colours are enough for a window, and a third of the size.
        Image.fromarray(pixels[..., :3]).quantize(256).save(IMAGES / f"{name}.png", optimize=True)

    def open(self) -> None:
        """Open the widget: it takes the image and embeds it."""
        self.viewer.reset_view()

    def layers(self) -> None:
        """Make the layers."""
        self.widget.new_prompt_layers()

    def box(self) -> None:
        """Draw boxes, one per object."""
        for top, left, bottom, right in BOXES:
            corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
            self.widget.shapes.value.add_rectangles([np.array(corners)])
            self.settle(0.1)

    def click(self) -> None:
        """Click on another object."""
        self.widget._form.click.click()
        self.widget.next_object()
        self.widget.points.value.add([CLICK])

    def candidates(self) -> None:
        """Take another of the three candidates."""
        self.widget.cycle_mask()

    def negative(self) -> None:
        """Say what does not belong to the object."""
        self.widget._form.sign.click()
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
    """Go through the steps in the dark theme, and through some in the light one."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    os.environ["NAPARI_SAMV2_PROMPTS_SETTINGS"] = ""  # pictures of the defaults
    for theme, steps in (("dark", STEPS), ("light", STEPS[:3])):
        desk = Desk(theme, **widget_arguments)
        for number, step in enumerate(steps, 1):
            step(desk)
            desk.settle()
            desk.save(f"{number}-{step.__name__}" + ("-light" if theme == "light" else ""))
        desk.viewer.close()


if __name__ == "__main__":
    main()
