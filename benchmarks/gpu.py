"""``python -m benchmarks.gpu --out FILE``: all that is measured on a GPU, in one run.

What is wanted most comes first, each result is in the file as soon as it is there, and nothing is
begun after the time is up: a card that is lent for minutes leaves what there was time for.
``--rehearse`` goes through all of it on the CPU with a small network, to find what does not work
before a card waits for it.  Its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from tests.samv2.video.films import MINI
from torch.profiler import ProfilerActivity, profile

from benchmarks.__main__ import table
from benchmarks.measure import Pair, machine
from benchmarks.model import (
    Ours,
    against_compiled,
    agreement,
    both,
    compare,
    nano_against_tiny,
    share_of_rate,
)
from benchmarks.pictures import picture
from benchmarks.video import tracked
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor
from napari_samv2_prompts.samv2.modeling.config import Variant

Step = tuple[str, Callable[[], object]]


@dataclass(frozen=True)
class Plan:
    """What is measured, and where.

    Attributes
    ----------
    device : str
    sizes : tuple of str or Variant
        Smallest first.
    side : int
        Of the frames of films.
    repeat : int
        Pairs of each comparison.
    backend : str
        What compiles the peer.
    product : int
        Side of the matrices whose product is the device's rate.
    """

    device: str = "cuda"
    sizes: tuple[str | Variant, ...] = ("tiny", "small", "base_plus", "large")
    side: int = 1024
    repeat: int = 7
    backend: str = "inductor"
    product: int = 8192


REHEARSAL = Plan("cpu", (MINI,), MINI.input_size, 1, "eager", 256)


def steps(plan: Plan) -> Iterator[Step]:
    """Go through what is measured, the most wanted first."""
    yield "tests", partial(gpu_tests, collect_only=plan.device == "cpu")
    yield "nano", partial(nano_against_tiny, plan.repeat, plan.device, "auto", plan.sizes[0])
    ends = (plan.sizes[0], plan.sizes[-1]) if len(plan.sizes) > 1 else plan.sizes
    for size in dict.fromkeys((*ends, *plan.sizes)):
        yield said(size), partial(compare, size, plan.repeat, plan.device)
    yield "where the time goes", partial(profiles, plan)
    for size in ends:
        follow = partial(tracked, size, plan.side, 1, plan.repeat, "auto", plan.device)
        yield f"{said(size)}, a tracked frame", follow
    for size in ends:
        compiled = partial(against_compiled, size, plan.repeat, plan.device, plan.backend)
        yield f"{said(size)}, the peer in bfloat16 and compiled", compiled
    for size in plan.sizes:
        yield f"{said(size)}, IoU with the peer", partial(agreement, size, plan.device)
        share = partial(share_of_rate, size, plan.device, plan.product)
        yield f"{said(size)}, share of the rate of products", share


def said(size: str | Variant) -> str:
    """Name a size."""
    return size if isinstance(size, str) else size.size


def gpu_tests(*, collect_only: bool) -> str:
    """Run the tests that need a GPU; return the last line that they print."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests/samv2/inference"]
    command += ["--collect-only"] if collect_only else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"status {done.returncode}: {done.stdout.strip().splitlines()[-1]}"


def profiles(plan: Plan) -> dict[str, str]:
    """Tell which kernels take the time of an embedding, a click and many boxes."""
    large = both(plan.sizes[-1], plan.device)[0]
    nano = Ours(SAMV2ImagePredictor("nano", device=plan.device), picture())
    works = {
        f"{said(plan.sizes[-1])}: embed": large.embed,
        f"{said(plan.sizes[-1])}: one click": large.click(),
        f"{said(plan.sizes[-1])}: 64 boxes": large.boxes(),
        "nano: one click": nano.click(),
        "nano: 64 boxes": nano.boxes(),
    }
    return {name: profiled(work, plan.device) for name, work in works.items()}


def profiled(work: Callable[[], object], device: str) -> str:
    """Return the table of what a call does, after it was done three times."""
    for _ in range(3):
        work()
    on_card = device != "cpu"
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if on_card else [])
    with profile(activities=kinds) as seen:
        work()
        if on_card:
            torch.cuda.synchronize()
    order = "cuda_time_total" if on_card else "cpu_time_total"
    return str(seen.key_averages().table(sort_by=order, row_limit=12))


def run(plan: Plan, out: Path, minutes: float) -> int:
    """Do the steps, and keep what each found; return how many failed."""
    end, failed = time.monotonic() + 60 * minutes, 0
    found: dict[str, object] = {"machine": machine(plan.device)}
    rows: list[Pair] = []
    for name, work in steps(plan):
        if time.monotonic() > end:
            found[name] = "not begun: the time is up"
            continue
        start = time.monotonic()
        try:
            result = work()
        except Exception:  # noqa: BLE001  the others are wanted all the same
            result, failed = traceback.format_exc(), failed + 1
            print(result, file=sys.stderr)
        pairs = [result] if isinstance(result, Pair) else result
        if isinstance(pairs, list):
            rows += pairs
            result = [asdict(row) for row in pairs]
        found[name] = {"took": round(time.monotonic() - start, 1), "found": result}
        out.write_text(json.dumps(found, indent=1), encoding="utf-8")
        print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"\n{table(rows)}\n\n{failed} steps failed; all of it is in {out}")
    return failed


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with a small network")
    parser.add_argument("--minutes", type=float, default=8.0, help="nothing is begun after these")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="file to write")
    given = parser.parse_args()
    sys.exit(run(REHEARSAL if given.rehearse else Plan(), given.out, given.minutes))


if __name__ == "__main__":
    main()
