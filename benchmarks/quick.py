"""``python -m benchmarks --quick``: ratios alone, in two minutes, against those that were stored.

A ratio is a peer's processor time divided by ours, in pairs taken in turn, so that other work on
the machine meets both.  Ratios depend on what a processor can do, so they are stored by its vector
instructions and the number type that they lead to.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measure import seconds

__all__ = ["STORED", "TOLERANCE", "Row", "kind_of", "quick_ratios", "ratios_in", "regressions"]

STORED = Path(__file__).with_name("ratios.json")
"""Ratios by the kind of processor."""
TOLERANCE = 0.15
"""By how much a ratio may fall; of two runs of the same code it differs by up to a tenth."""
BUDGET = 100.0
"""Seconds of measuring; loading the models takes the rest of the two minutes."""

Row = tuple[Callable[[], object], Callable[[], object]]
"""Ours and the peer's."""


def kind_of(machine: Mapping[str, str]) -> str:
    """Name what of a machine decides about ratios, from :func:`.measure.machine`."""
    dtype = machine["device"].split("; ")[-1].split()[0]
    return f"{machine['vector instructions']}, {dtype}"


def ratios_in(
    rows: Mapping[str, Row], budget: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Take pairs of each row in turn for some seconds, three of each at least.

    Returns
    -------
    dict of str to float
        Median ratio of processor time, peer / ours: above 1, ours is ahead.
    """
    found: dict[str, list[float]] = {name: [] for name in rows}
    for ours, theirs in rows.values():
        ours(), theirs()
    end, rounds = clock() + budget, 0
    while rounds < 3 or clock() < end:
        for name, (ours, theirs) in rows.items():
            (_, mine), (_, peers) = seconds(ours), seconds(theirs)
            found[name].append(peers / max(mine, 1e-9))
        rounds += 1
    return {name: statistics.median(values) for name, values in found.items()}


def regressions(found: Mapping[str, float], stored: Mapping[str, float]) -> list[str]:
    """Say in a sentence each which ratios are too far below the stored ones, or are missing."""
    said = []
    for name, before in stored.items():
        if name not in found:
            said.append(f"{name}: stored as {before:.2f}, not measured")
        elif found[name] < before * (1 - TOLERANCE):
            said.append(f"{name}: {found[name]:.2f}, stored as {before:.2f}")
    return said


def quick_ratios(budget: float = BUDGET) -> dict[str, float]:
    """Measure embedding, a click and some boxes of ``tiny`` and ``nano`` on the CPU."""
    from benchmarks.model import Ours, both
    from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

    tiny, peer = both("tiny", "cpu")
    nano = Ours(SAMV2ImagePredictor("nano", device="cpu"), tiny.image[:512, :512])
    small = Ours(tiny.predictor, nano.image)
    whole = Ours(nano.predictor, tiny.image)
    rows: dict[str, Row] = {
        "tiny: embed, peer": (tiny.embed, peer.embed),
        "tiny: one click, peer": (tiny.click(), peer.click()),
        "tiny: 8 boxes to masks, peer": (tiny.boxes(8), peer.boxes(8)),
        "nano: embed 512 x 512, our tiny": (nano.embed, small.embed),
        "nano: eight clicks, our tiny": (whole.eight_clicks(), tiny.eight_clicks()),
    }
    return ratios_in(rows, budget)


def run(write: bool) -> int:
    """Measure, print, and return the exit status: 1 where a ratio fell, else 0."""
    from benchmarks.measure import machine

    kind = kind_of(machine("cpu"))
    found = quick_ratios()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    before = stored.get(kind, {})
    print(f"{kind}\n")
    print("| peer / ours, of processor time | now | stored |\n|---|---|---|")
    for name, ratio in found.items():
        print(f"| {name} | {ratio:.2f} | {f'{before[name]:.2f}' if name in before else ''} |")
    if write:
        stored[kind] = {name: round(ratio, 2) for name, ratio in found.items()}
        STORED.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        return 0
    if not before:
        print("\nNothing is stored for such a processor: run with --write to store these.")
    fallen = regressions(found, before)
    if fallen:
        print(f"\nMore than {TOLERANCE:.0%} below what is stored:")
        print("\n".join(f"- {line}" for line in fallen))
    return int(bool(fallen))
