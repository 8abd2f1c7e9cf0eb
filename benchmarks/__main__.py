"""``python -m benchmarks``: run, print the table and the machine, write JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.measure import Pair, in_new_process, machine


def memory(name: str) -> Pair:
    """Compare peak memory of embedding and 64 boxes, each in a process of its own."""
    ours = in_new_process("benchmarks.one_process", "ours", name)["peak_mb"]
    theirs = in_new_process("benchmarks.one_process", "theirs", name)["peak_mb"]
    ratio = theirs / ours
    return Pair(f"{name}: peak memory (MB)", ours, theirs, ratio, ratio, ratio)


def table(rows: list[Pair], *, busy: bool = False) -> str:
    """Format the rows as a Markdown table; of a busy machine with times of the processor."""
    lines = [
        "| what | ours | peer | peer / ours | range | of processor time |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "MB" in row.what:
            values = f"{row.ours:.0f} MB | {row.theirs:.0f} MB"
        elif busy and row.ours_cpu is not None and row.theirs_cpu is not None:
            values = f"{row.ours_cpu * 1e3:.1f} ms | {row.theirs_cpu * 1e3:.1f} ms"
        else:
            values = f"{row.ours * 1e3:.1f} ms | {row.theirs * 1e3:.1f} ms"
        cpu = "" if row.cpu_ratio is None else f"{row.cpu_ratio:.2f}"
        span = f"{row.low:.2f} to {row.high:.2f}"
        lines.append(f"| {row.what} | {values} | {row.ratio:.2f} | {span} | {cpu} |")
    return "\n".join(lines)


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=["tiny", "large"], help="published sizes")
    parser.add_argument("--repeat", type=int, default=5, help="pairs of each comparison")
    parser.add_argument("--no-memory", action="store_true", help="leave out peak memory")
    parser.add_argument("--plugin", action="store_true", help="the dock widget too (a display)")
    parser.add_argument(
        "--load", action="store_true", help="only the plugin under load (a display)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only ratios, in two minutes; fails where one fell"
    )
    parser.add_argument("--write", action="store_true", help="with --quick: store the ratios")
    parser.add_argument("--busy", action="store_true", help="print times of the processor")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; the peer's too")
    parser.add_argument("--dtype", default="auto", help="of our encoder; the peer has float32")
    parser.add_argument("--json", type=Path, help="file to write")
    arguments = parser.parse_args()
    if arguments.quick:
        from benchmarks.quick import run

        sys.exit(run(arguments.write))
    device, dtype = arguments.device, arguments.dtype
    described = machine(device, dtype)
    if arguments.load:
        from benchmarks.load import measure_load

        print("\n".join(f"- {key}: {value}" for key, value in (described | measure_load()).items()))
        return

    from benchmarks.model import agreement, compare, nano_against_tiny, share_of_rate

    rows = nano_against_tiny(arguments.repeat, device, dtype)
    agreements, shares = {}, {}
    for name in arguments.sizes:
        rows += compare(name, arguments.repeat, device, dtype)
        agreements[name] = agreement(name, device, dtype)
        if device != "cpu":
            shares[name] = share_of_rate(name, device)
        elif not arguments.no_memory:
            rows.append(memory(name))
    result: dict[str, object] = {
        "machine": described,
        "rows": [asdict(row) for row in rows],
        "worst and median mask IoU with the peer": agreements,
        "share of the device's rate of bfloat16 products": shares,
    }
    for key, value in described.items():
        print(f"- {key}: {value}")
    print(f"\n{table(rows, busy=arguments.busy)}\n")
    for name, (worst, median) in agreements.items():
        print(
            f"- {name}: IoU of candidates with the peer's: worst {worst:.4f}, median {median:.4f}"
        )
    for name, share in shares.items():
        print(f"- {name}: the encoder reaches {share:.3f} of the device's bfloat16 rate")
    if arguments.plugin:
        from benchmarks.plugin import measure_plugin

        result["plugin"] = measured = measure_plugin()
        print("\n" + "\n".join(f"- {key}: {value}" for key, value in measured.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
