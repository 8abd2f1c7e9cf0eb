"""What the benchmark of the encoder takes for its products."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from benchmarks.roofline import ATTENTION
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


@pytest.mark.parametrize("queries", [16, 64])
def test_attention_is_counted_with_the_products(queries):
    shapes = (2, 3, queries, 8), (2, 3, 64, 8), (2, 3, 64, 8)
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        F.scaled_dot_product_attention(*map(torch.zeros, shapes))
    assert counter.get_total_flops() == sdpa_flop_count(*shapes)
