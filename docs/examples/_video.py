"""What all video examples share: the command line, the demonstration film, and the drawing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from napari_samv2_prompts.samv2.visualization import showmask


def parse(description: str) -> argparse.Namespace:
    """Read the film, the model and the output from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--video",
        type=Path,
        help="folder of numbered JPEG or PNG files; without it, a film is made",
    )
    parser.add_argument("--model", default="tiny", help="tiny, small, base_plus or large")
    parser.add_argument("--checkpoint", type=Path, help="file of weights; downloaded without it")
    parser.add_argument("--frames", type=int, default=5, help="frames of the film that is made")
    parser.add_argument("--out", type=Path, default=Path("output.png"), help="picture to write")
    return parser.parse_args()


def film(arguments: argparse.Namespace) -> Path | np.ndarray:
    """Return the folder of the command line, or a film of two discs that pass each other."""
    if arguments.video is not None:
        return arguments.video
    y, x = np.mgrid[:240, :320]
    frames = []
    for number in range(arguments.frames):
        frame = np.full((240, 320, 3), 90, np.uint8)
        frame[np.hypot(x - 100 - 12 * number, y - 100) < 40] = (200, 90, 70)
        frame[np.hypot(x - 220 + 9 * number, y - 170) < 30] = (80, 160, 200)
        frames.append(frame)
    return np.stack(frames)


def draw(state, results: Mapping[int, tuple[list[int], np.ndarray]], shown: int = 3) -> plt.Figure:
    """Draw the objects on some of the frames, each object in a colour of its own."""
    frames = np.unique(np.linspace(0, len(results) - 1, shown).astype(int))
    numbers = [sorted(results)[place] for place in frames]
    figure, axes = plt.subplots(1, len(numbers), figsize=(4 * len(numbers), 3), squeeze=False)
    for ax, number in zip(axes[0], numbers, strict=True):
        objects, logits = results[number]
        ax.imshow(state.frames.read(number), cmap="gray")
        for row in range(len(objects)):
            showmask(logits[row, 0] > 0, ax, random_color=row > 0)
        ax.set(title=f"frame {number}", xticks=[], yticks=[])
    return figure
