"""From the menu to the first mask: a cold process with a box drawn before, and ``nano``.

``xvfb-run -a python -m benchmarks.startup``.  Processor time of all threads, of pairs of processes:
one opens the widget and waits until the box is a label, the other only imports PyTorch and reads
the weights, which nothing can do without.  Their ratio can be compared between machines.  By the
clock only on a quiet machine, or ahead of all others (``chrt -r 1``, as root).
"""

from __future__ import annotations

import argparse
import compileall
import os
import statistics
import subprocess
import sys
import time
from importlib.resources import files

PAIRS = 5

PLAIN = """
import time
start, clock = time.process_time(), time.perf_counter()
import torch
from safetensors.torch import load_file
from importlib.resources import files
load_file(files("napari_samv2_prompts") / "weights" / "nano.safetensors")
print(time.process_time() - start, time.perf_counter() - clock)
"""


def first_mask() -> dict[str, float]:
    """Open the widget beside a drawn box; return seconds until its label, of the processor too."""
    import napari
    import numpy as np
    from qtpy.QtCore import QCoreApplication, QEventLoop, QTimer

    viewer = napari.Viewer(show=False)
    rows, columns = np.ogrid[:512, :512]
    disc = (rows - 200) ** 2 + (columns - 260) ** 2 < 60**2
    viewer.add_image(np.where(disc, 180, 40).astype(np.uint8), name="image")
    shapes = viewer.add_shapes([[[140, 200], [140, 320], [260, 320], [260, 200]]])
    labels = viewer.add_labels(np.zeros((512, 512), np.uint16))
    QCoreApplication.processEvents()
    os.environ["NAPARI_SAMV2_PROMPTS_SETTINGS"] = ""  # those of whoever measures are left out
    assert "torch" not in sys.modules
    loop = QEventLoop()
    labels.events.labels_update.connect(lambda event: loop.quit())
    QTimer.singleShot(60_000, loop.quit)
    start, start_clock = time.process_time(), time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-samv2-prompts", "SAMV2 Prompts")
    opened = time.perf_counter()
    widget.shapes.value, widget.labels.value = shapes, labels
    loop.exec()
    end, end_clock = time.process_time(), time.perf_counter()
    covered = labels.data > 0
    assert (covered & disc).sum() > 0.9 * (covered | disc).sum(), widget.session.status
    opening, clock = opened - start_clock, end_clock - start_clock
    return {"opening": opening, "all": end - start, "clock": clock}


def seconds(*command: str) -> list[float]:
    """Run Python on something; return the numbers of its last line."""
    done = subprocess.run([sys.executable, *command], capture_output=True, check=True, text=True)
    return [float(value) for value in done.stdout.splitlines()[-1].split()]


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--once", action="store_true", help="only the numbers of this process")
    arguments = parser.parse_args()
    if arguments.once:
        print(*first_mask().values(), flush=True)
        os._exit(0)
    compileall.compile_dir(str(files("napari_samv2_prompts")), quiet=1)  # as installing does
    runs = [
        (*seconds("-m", "benchmarks.startup", "--once"), *seconds("-c", PLAIN))
        for _ in range(arguments.pairs)
    ]
    opening, whole, clock, plain, plain_clock = map(statistics.median, zip(*runs, strict=True))
    ratios = sorted(run[1] / run[3] for run in runs)
    clocks = sorted(run[2] / run[4] for run in runs)
    print("                                   processor  clock")
    print(f"opening the widget                            {opening:.2f} s")
    print(f"from the menu to the first mask    {whole:.2f} s     {clock:.2f} s")
    print(f"importing torch, reading weights   {plain:.2f} s     {plain_clock:.2f} s")
    for what, values in (("of the processor", ratios), ("by the clock", clocks)):
        print(
            f"ratio {what}: {statistics.median(values):.2f} ({values[0]:.2f} to {values[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
