"""A viewer model whose Labels layer came with two labels, and what works on them."""

from __future__ import annotations

import numpy as np
from tests.bench import Bench

from napari_samv2_prompts._qt.label_tools import LabelTools

FIRST, SECOND = np.s_[10:20, 10:30], np.s_[40:50, 40:60]


def with_labels(shape: tuple[int, ...] = (80, 100)) -> Bench:
    """Return a bench whose Labels layer came with labels 3 and 7 (on plane 0 of a stack)."""
    bench = Bench(shape).make_layers()
    plane = bench.labels.data if len(shape) == 2 else bench.labels.data[0]
    plane[FIRST], plane[SECOND] = 3, 7
    bench.labels.data = bench.labels.data  # tell the layer
    bench.controller.next_object()  # 8
    return bench


def tools_of(bench: Bench) -> LabelTools:
    return bench.controller.label_tools
