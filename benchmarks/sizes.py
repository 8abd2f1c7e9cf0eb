"""What the size of an image costs: bytes read, peak memory, and click to written pixels.

``python -m benchmarks.sizes`` runs each kind in a process of its own; ``python -m benchmarks.sizes
KIND`` one of them here.  No window: a viewer model, the session in the calling thread, ``nano``.
Times are CPU time with one thread for the model, so that other work on the machine matters little.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.measure import peak_mb

__all__ = ["KINDS", "measure"]

CHUNK = 512
TILE = 1000
CLICKS = 5


def tile() -> np.ndarray:
    """Return a picture of bright discs on a noisy ground."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:TILE, :TILE]
    discs = ((rows % 50 - 25) ** 2 + (columns % 50 - 25) ** 2) <= 100
    return (60 + 90 * discs + rng.normal(0, 6, (TILE, TILE))).clip(0, 255).astype(np.uint8)


class Counting:
    """An array that counts the bytes that are asked of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.read = array, 0
        self.shape, self.dtype = array.shape, array.dtype
        self.ndim, self.size = len(array.shape), int(np.prod(array.shape))
        self.chunks = getattr(array, "chunks", None)

    def __getitem__(self, key: Any) -> np.ndarray:
        part = np.asarray(self.array[key])
        self.read += part.nbytes
        return part


def plain(folder: Path) -> list[Any]:
    """2000 x 2000 in memory."""
    return [np.tile(tile(), (2, 2))]


def pyramid(folder: Path) -> list[Any]:
    """20 000 x 20 000 in a zarr pyramid of 5 levels."""
    import zarr

    levels, picture = [], tile()
    for level in range(5):
        side, step = 20_000 >> level, 2**level
        array = zarr.create_array(
            str(folder / f"{level}.zarr"), shape=(side, side), chunks=(CHUNK, CHUNK), dtype="u1"
        )
        columns = np.arange(side) * step % TILE
        for row in range(0, side, CHUNK):  # whole chunks: others are read and written again
            rows = np.arange(row, min(row + CHUNK, side)) * step % TILE
            array[row : row + CHUNK] = picture[np.ix_(rows, columns)]
        levels.append(array)
    return levels


def stack(folder: Path) -> list[Any]:
    """200 planes of 2000 x 2000, computed by dask when read."""
    import dask.array as da

    plane = np.tile(tile(), (2, 2))
    planes = [da.from_array(plane, chunks=(1000, 1000)) for _ in range(200)]
    return [da.stack(planes)]


KINDS: dict[str, Callable[[Path], list[Any]]] = {
    "2k x 2k": plain,
    "20k x 20k, zarr pyramid": pyramid,
    "200 x 2k x 2k, dask": stack,
}


def measure(kind: str, folder: Path) -> dict[str, float]:
    """Embed what is on screen, zoomed out and in, and click."""
    import torch
    from napari.components import ViewerModel

    from napari_samv2_prompts._qt.models import input_sides
    from napari_samv2_prompts.engine import AtOnce, ModelChoice, Place, Predictor, Request, Session
    from napari_samv2_prompts.layers import image_view, shown_plane
    from napari_samv2_prompts.layers.planes import visible_part
    from napari_samv2_prompts.prompts import Prompt, PromptBatch
    from napari_samv2_prompts.regions import choose_region
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    torch.set_num_threads(1)
    predictor = cast("Predictor", SAMV2ImagePredictor(device="cpu"))
    predictor.embed(np.zeros((64, 64), np.uint8))  # what is loaded at the first use
    stores = [Counting(level) for level in KINDS[kind](folder)]
    viewer = ViewerModel()
    image = viewer.add_image(
        stores if len(stores) > 1 else stores[0], multiscale=len(stores) > 1,
        contrast_limits=(0, 255), visible=False,
    )  # fmt: skip
    shown = shown_plane(viewer.dims, image)
    plane = shown.plane
    sides = input_sides(ModelChoice("nano"))
    session = Session(lambda choice, task: predictor, AtOnce())
    before, result = peak_mb(), {}
    for name, width in (("zoomed out", max(plane.shape)), ("zoomed in", 400)):
        viewer.scene.camera.center = image.data_to_world((*[0] * (image.ndim - 2), 1000, 1000))
        viewer.scene.camera.zoom = min(viewer.canvas.size) / width
        region = choose_region(plane.shape, visible_part(viewer, shown).extent, sides=sides)
        view = image_view(image, plane).within(region, sides.most)
        for store in stores:
            store.read = 0
        show = partial(Request, view, Place(plane), ModelChoice())
        start = time.process_time()
        session.update(show())
        result[f"{name}: read and embed (ms of CPU)"] = (time.process_time() - start) * 1e3
        result[f"{name}: read (MB)"] = sum(store.read for store in stores) / 1e6
        times = []
        for number in range(1, CLICKS + 1):
            place = 925 + 50 * (number % 3), 925 + 50 * (number // 3)
            click = Prompt(number, points=np.array([place]))
            start = time.process_time()
            session.update(show(PromptBatch((click,))))
            times.append((time.process_time() - start) * 1e3)
        result[f"{name}: click to mask (ms of CPU)"] = statistics.median(times)
    result["more memory at the peak (MB)"] = peak_mb() - before
    session.close()
    return result


def main() -> None:
    """Measure one kind here, or all in processes of their own."""
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(sys.argv[1], Path(folder))))
        return
    results = {}
    for kind in KINDS:
        command = [sys.executable, "-m", "benchmarks.sizes", kind]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        results[kind] = json.loads(done.stdout.splitlines()[-1])
    print(f"| what | {' | '.join(KINDS)} |\n|---|{'---|' * len(KINDS)}")
    for what in next(iter(results.values())):
        print(f"| {what} | {' | '.join(f'{results[kind][what]:.1f}' for kind in KINDS)} |")


if __name__ == "__main__":
    main()
