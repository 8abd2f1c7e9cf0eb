"""Timing by pairs, peak memory in a process of its own, and words about the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Pair", "in_new_process", "machine", "pairs", "peak_mb", "seconds", "wait"]


@dataclass(frozen=True)
class Pair:
    """One thing done by this package and by a peer, alternately.

    Attributes
    ----------
    what : str
    ours, theirs : float
        Median seconds (or MB, for memory).
    ratio : float
        Median over the pairs of theirs divided by ours: above 1, this package is ahead.
    low, high : float
        Smallest and largest of these ratios.
    cpu_ratio : float or None
        The same as ``ratio`` of processor time, which other work on the machine disturbs less.
    ours_cpu, theirs_cpu : float or None
        Median seconds of processor time.
    """

    what: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    cpu_ratio: float | None = None
    ours_cpu: float | None = None
    theirs_cpu: float | None = None


def wait(device: torch.device) -> None:
    """Wait until a device has done all that it was asked for."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes: by the clock, and of the processor."""
    start, start_cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - start_cpu


def pairs(what: str, ours: Callable[[], object], theirs: Callable[[], object], repeat: int) -> Pair:
    """Time both in turn, so that a busy moment of the machine meets both."""
    ours()
    theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(repeat)]
    ratios = [theirs[0] / ours[0] for ours, theirs in times]
    return Pair(
        what,
        statistics.median(ours[0] for ours, _ in times),
        statistics.median(theirs[0] for _, theirs in times),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        statistics.median(theirs[1] / ours[1] for ours, theirs in times),
        statistics.median(ours[1] for ours, _ in times),
        statistics.median(theirs[1] for _, theirs in times),
    )


def in_new_process(module: str, *arguments: str) -> dict[str, float]:
    """Run ``python -m module arguments``; its last line of output is JSON.

    Returns that, with ``seconds`` (the whole process) and ``peak_mb`` (its resident memory).
    """
    code = (
        "import json, runpy, sys, time; start = time.perf_counter();"
        f"sys.argv = {[module, *arguments]!r};"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True);"
        "from benchmarks.measure import peak_mb;"
        "print(json.dumps({'inside': time.perf_counter() - start, 'peak_mb': peak_mb()}))"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "seconds": time.perf_counter() - start}


def peak_mb() -> float:
    """Return the largest resident memory that this process has had, in MB.

    Not ``ru_maxrss`` on Linux: a new process begins with that of the one that started it.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def machine(device: str = "cpu", dtype: str = "auto") -> dict[str, str]:
    """Describe what the numbers were taken on."""
    import torch

    from napari_samv2_prompts.samv2.device import choose_device

    choice = choose_device(device, dtype)
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "device": choice.reason,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.processor()


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return "unknown"
    return done.stdout.strip() or "unknown"
