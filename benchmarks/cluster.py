"""``python -m benchmarks.cluster``: what dask adds to a unit, and how many workers it carries.

- ``overhead``: units that do nothing, on two worker processes.
- ``speed``: a folder of 64 pictures with one worker and with two.
- ``simulate``: units that only wait, as long as measured ones take, on up to 200 workers that are
  threads of another process (``threads``); client and scheduler share this one.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import imwrite

from napari_samv2_prompts.sample_data import coins
from napari_samv2_prompts.units.cluster import cluster_client, run_on
from napari_samv2_prompts.units.folders import find_units
from napari_samv2_prompts.units.unit import ModelSettings, Outcome, Standing

SETTINGS = ModelSettings(device="cpu")
PICTURES = 64
IDLE = 5.0  # seconds
MANY = 1000  # units that do nothing, to tell what one costs


@dataclass(frozen=True)
class Pause:
    """A unit that takes a while and does nothing."""

    name: str
    seconds: float

    def key(self, weights: str) -> str:
        """Nothing to tell."""
        return ""

    def standing(self, key: str) -> Standing:
        """Never done."""
        return "absent"

    def run(self, make_predictor: Callable[[], Any], key: str | None) -> Outcome:
        """Wait."""
        time.sleep(self.seconds)
        return Outcome(self)


def overhead(count: int = 1000) -> None:
    """Print what a unit that does nothing takes."""
    with cluster_client(workers=2) as client:
        list(run_on(client, [Pause("warm", 0)] * 50, SETTINGS))
        wall, own = time.perf_counter(), time.process_time()
        list(run_on(client, (Pause(str(n), 0) for n in range(count)), SETTINGS))
        wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"a unit that does nothing, 2 workers: {wall / count * 1e3:.2f} ms")
    print(f"  of the processor, in client and scheduler: {own / count * 1e3:.2f} ms")


def speed() -> None:
    """Print how long 64 pictures take with one worker and with two, once each is warm."""
    ((image, _, _),) = coins()
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        rng = np.random.default_rng(0)
        for number in range(PICTURES):
            noisy = image.astype(int) + rng.integers(-9, 9, image.shape)
            imwrite(folder / f"{number:02}.tif", noisy.clip(0, 255).astype(np.uint8))
            rows = "".join(f"{n},{130 + n},27,{179 + n},74\n" for n in range(1, 4))
            (folder / f"{number:02}.csv").write_text("object,x0,y0,x1,y1\n" + rows)
        taken = {}
        for workers in (1, 2):
            out = folder / f"out{workers}"
            out.mkdir()
            units, _ = find_units(folder, out, settings=SETTINGS)
            with cluster_client(workers=workers) as client:
                list(run_on(client, units[: 4 * workers], SETTINGS, overwrite=True))
                started = time.perf_counter()
                for outcome in run_on(client, units, SETTINGS, overwrite=True):
                    assert not outcome.error, outcome.error
                taken[workers] = time.perf_counter() - started
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        print(f"{PICTURES} pictures: {taken[1]:.1f} s with 1 worker, {taken[2]:.1f} s with 2: "
              f"{taken[1] / taken[2]:.2f} times as fast; load {load:.1f}")  # fmt: skip


def simulate(workers: list[int], seconds: list[float]) -> None:
    """Print the share of the workers' time that goes into units, by their number and length.

    The last columns are the processor's time of client and scheduler, which are this process: for
    one more unit, and as a share of a core while all workers have nothing to do.
    """
    from distributed import Client, LocalCluster

    lengths = " | ".join(f"{length:g} s" for length in seconds)
    print(f"| workers | {lengths} | a unit | idle |")
    print("|---" * (len(seconds) + 3) + "|")
    for count in workers:
        with (
            LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as cluster,
            Client(cluster, set_as_default=False) as client,
            _threads(cluster.scheduler_address, count),
        ):
            client.wait_for_workers(count, timeout=300)
            list(run_on(client, [Pause("warm", 0.0)] * (3 * count), SETTINGS))
            own = time.process_time()
            time.sleep(IDLE)
            idle = (time.process_time() - own) / IDLE
            outcomes = run_on(client, [Pause("", 0.0)] * MANY, SETTINGS)
            next(outcomes)
            own = time.process_time()
            left = len(list(outcomes))
            unit = (time.process_time() - own) / left
            cells = []
            for length in seconds:
                units = count * max(3, min(20, round(10 / length)))
                outcomes = run_on(client, [Pause("", length)] * units, SETTINGS)
                next(outcomes)  # all workers have been asked for their versions, and are at work
                started = time.perf_counter() - length
                list(outcomes)
                wall = time.perf_counter() - started
                cells.append(f"{units * length / (wall * count):.0%}")
            shown = " | ".join(cells)
            print(f"| {count} | {shown} | {unit * 1e3:.1f} ms | {idle:.1%} |", flush=True)


@contextmanager
def _threads(address: str, count: int) -> Iterator[None]:
    """Start workers that are threads of one other process."""
    command = [sys.executable, "-m", "benchmarks.cluster", "threads", "--workers", str(count),
               "--address", address]  # fmt: skip
    with subprocess.Popen(command) as process:
        try:
            yield
        finally:
            process.kill()


def threads(address: str, count: int) -> None:
    """Be so many workers, until the process is ended."""
    from distributed import Worker

    logging.getLogger("distributed").setLevel(logging.CRITICAL)

    async def work(folder: str) -> None:
        options = {"nthreads": 1, "memory_limit": 0, "dashboard": False, "local_directory": folder}
        some = [Worker(address, name=n, **options) for n in range(count)]
        await asyncio.gather(*some)
        await asyncio.gather(*(worker.finished() for worker in some))

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(folder))


def main() -> None:
    """Run what is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("what", choices=("overhead", "speed", "simulate", "threads"))
    parser.add_argument("--address", help="of the scheduler, for threads")
    parser.add_argument("--workers", type=int, nargs="*", default=[10, 50, 100, 200])
    parser.add_argument("--seconds", type=float, nargs="*", default=[0.1, 0.5, 2.0, 5.0])
    options = parser.parse_args()
    if options.what == "simulate":
        simulate(options.workers, options.seconds)
    elif options.what == "threads":
        threads(options.address, options.workers[0])
    else:
        {"overhead": overhead, "speed": speed}[options.what]()


if __name__ == "__main__":
    main()
