"""``python -m benchmarks.planes``: coming to a plane whose embedding is in memory, on disk, or new.

The session runs with the real model but without a window: what is timed is from its being told that
another plane is shown until it is ready for prompts.  Also timed: how long an embedding ahead holds
up the worker after it was told to stop.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import machine
from benchmarks.pictures import picture
from napari_samv2_prompts.engine import (
    AtOnce,
    Cancelled,
    EmbeddingStore,
    Job,
    ModelChoice,
    Place,
    Predictor,
    Request,
    Session,
    State,
    Task,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.regions import Region

STOPS = 20  # embeddings that are told to stop, each a bit later


def view_of(image: NDArray[np.uint8], number: int) -> ImageView:
    """Return a plane that lies in memory."""
    shape = image.shape[0], image.shape[1]
    return ImageView(number, shape, Region.whole(shape), lambda **_: image)


def time_to_ready(session: Session, view: ImageView) -> float:
    """Show a plane; return the milliseconds until prompts on it can be answered."""
    start = time.perf_counter()
    place = Place(Plane((0, 1), (None, None), view.shape))
    session.update(Request(view, place, ModelChoice("nano")))
    elapsed = (time.perf_counter() - start) * 1e3
    if session.status.state is not State.READY:
        raise RuntimeError(session.status.reason)
    return elapsed


def measure(name: str, count: int) -> dict[str, float]:
    """Return medians over some planes, in milliseconds, and the bytes of an embedding."""
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor, build_samv2

    model = name if name == "nano" else build_samv2(name)
    predictor = cast("Predictor", SAMV2ImagePredictor(model))
    base = picture()
    planes = [view_of(np.roll(base, 16 * i, axis=1), i) for i in range(count + 1)]
    result: dict[str, float] = {}

    def session_on(store: EmbeddingStore | None) -> Session:
        session = Session(lambda choice, task: predictor, AtOnce(), 10_000, store)
        time_to_ready(session, planes[-1])  # warm: the model, and its weights' hash
        return session

    def rounds(session: Session) -> float:
        return statistics.median(time_to_ready(session, plane) for plane in planes[:count])

    with tempfile.TemporaryDirectory() as folder:
        session = session_on(None)
        result["embedded now (ms)"] = rounds(session)
        result["in memory (ms)"] = rounds(session)
        result["bytes kept of a plane (MB)"] = session.cache.nbytes / len(session.cache) / 1e6
        result["embedded now and written to a folder (ms)"] = rounds(
            session_on(EmbeddingStore(Path(folder)))
        )
        result["in the folder, another session (ms)"] = rounds(
            session_on(EmbeddingStore(Path(folder)))
        )
    whole = result["embedded now (ms)"] / 1e3
    stops = [stop_time(predictor, base, whole * share / STOPS) for share in range(STOPS)]
    result["worker held up by a stopped embedding, median (ms)"] = statistics.median(stops)
    result["worker held up by a stopped embedding, worst (ms)"] = max(stops)
    return result


def stop_time(predictor: Predictor, image: NDArray[np.uint8], after: float) -> float:
    """Stop an embedding some seconds after its start; return the milliseconds it still takes."""
    task = Task(Job(None, lambda task: None))

    def work() -> None:
        with suppress(Cancelled):
            predictor.embed(image, task.report)

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(after)
    start = time.perf_counter()
    task.cancel()
    worker.join()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """Print the figures and the machine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planes", description=__doc__)
    parser.add_argument("--models", nargs="*", default=["nano"], help="nano, or published sizes")
    parser.add_argument("--planes", type=int, default=8, help="how many are shown")
    arguments = parser.parse_args()
    for key, value in machine().items():
        print(f"- {key}: {value}")
    for name in arguments.models:
        for what, figure in measure(name, arguments.planes).items():
            print(f"| {name}: {what} | {figure:.2f} |")


if __name__ == "__main__":
    main()
