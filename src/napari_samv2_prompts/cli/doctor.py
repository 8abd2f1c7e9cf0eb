"""``doctor``: what a report of a problem needs, in a few lines; nothing of the user's images."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version

import psutil

from napari_samv2_prompts.cli.common import PROGRAM
from napari_samv2_prompts.samv2.torch_import import is_about_torch, torch_problem
from napari_samv2_prompts.samv2.weights.registry import cache_folder, find
from napari_samv2_prompts.samv2.weights.variants import VARIANTS

NAME = "doctor"
HELP = "versions, device, memory, models and a timing, for reports of problems"

PACKAGES = (
    PROGRAM, "napari", "torch", "numpy", "scipy", "scikit-image", "qtpy", "PyQt6", "PySide6",
    "PyQt5", "superqt", "magicgui", "psygnal", "vispy", "zarr", "dask",
)  # fmt: skip
ROUNDS = 3  # of embedding one picture, the first of which is not counted
SIDE = 512  # pixels of that picture


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--no-timing``."""
    parser.add_argument("--no-timing", action="store_true", help="do not load a model")


def run(options: argparse.Namespace) -> int:
    """Print the report; the exit status is 1 if a model can't be used."""
    sections: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("System", _system),
        ("Packages", _packages),
        ("Models", _models),
    ]
    if not options.no_timing:
        sections.append(("nano", _timing))
    well = True
    for title, lines in sections:
        print(f"{title}:")
        try:
            for line in lines():
                print(f"  {line}")
        except (ImportError, OSError, ValueError, MemoryError) as error:
            wrong = isinstance(error, ImportError | OSError) and is_about_torch(error)
            print(f"  problem: {torch_problem(error) if wrong else error}")
            well = False
    return 0 if well else 1


def _system() -> Iterator[str]:
    yield f"{platform.platform()}, {platform.machine()}, Python {platform.python_version()}"
    memory = psutil.virtual_memory()
    free, total = memory.available / 1e9, memory.total / 1e9
    yield f"{os.cpu_count()} processor threads, {free:.1f} of {total:.1f} GB memory free"


def _packages() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            if name in PACKAGES[:4]:
                yield f"{name} is not installed"


def _models() -> Iterator[str]:
    yield f"folder: {cache_folder()}"
    for name in VARIANTS:
        path = find(name)
        if path is not None:
            yield f"{name}: {path.stat().st_size / 1e6:.0f} MB"


def _timing() -> Iterator[str]:
    import numpy as np

    started = time.perf_counter()
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    predictor = SAMV2ImagePredictor()
    yield predictor.device_reason
    yield f"loaded in {time.perf_counter() - started:.1f} s"
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        predictor.setimage(image)
        times.append(time.perf_counter() - started)
    yield f"{SIDE} x {SIDE} pixels embedded in {1e3 * min(times[1:]):.0f} ms"
    started = time.perf_counter()
    predictor.predict(point_coords=np.array([[100, 100]]), point_labels=np.array([1]))
    yield f"one click answered in {1e3 * (time.perf_counter() - started):.0f} ms"
