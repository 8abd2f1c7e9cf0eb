"""Tokens in window order: every window whole and together, back as they were, pooled in place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from napari_samv2_prompts.samv2 import build_samv2
from napari_samv2_prompts.samv2.modeling.config import Variant
from napari_samv2_prompts.samv2.modeling.window_order import WindowOrder, WindowTables

lengths, sides = st.integers(1, 23), st.integers(1, 9)
TABLES = WindowTables()
orders = st.builds(WindowOrder, lengths, lengths, sides)


def numbered(order: WindowOrder) -> torch.Tensor:
    """Two maps ``(2, H, W, 1)`` whose tokens are all different."""
    count = order.height * order.width
    return torch.arange(2 * count).view(2, order.height, order.width, 1)


@given(orders)
def test_there_and_back(order: WindowOrder) -> None:
    x = numbered(order)
    assert torch.equal(TABLES.from_order(TABLES.to_order(x, order), order), x)


@given(orders)
def test_the_tokens_of_a_window_lie_together_row_by_row(order: WindowOrder) -> None:
    x, found = numbered(order), []
    tokens = TABLES.to_order(x, order)
    for group in order.groups():
        for number in range(group.windows):
            start = group.start + number * group.tokens
            window = tokens[0, start : start + group.tokens, 0].tolist()
            top, left = divmod(window[0], order.width)
            assert top % order.side == left % order.side == 0
            part = x[0, top : top + order.side, left : left + order.side, 0]
            assert window == part.flatten().tolist()
            assert (group.rows, group.columns) == tuple(part.shape)
            assert group.missing == order.side**2 - part.numel()
            found += window
    assert sorted(found) == list(range(order.height * order.width))


@given(orders, sides)
def test_from_one_order_to_another(order: WindowOrder, side: int) -> None:
    x, other = numbered(order), order._replace(side=side)
    assert torch.equal(
        TABLES.reordered(TABLES.to_order(x, order), order, other), TABLES.to_order(x, other)
    )


@given(st.builds(WindowOrder, *[st.integers(1, 11).map(lambda n: 2 * n)] * 3))
def test_pooling_within_windows_leads_to_the_halved_order(order: WindowOrder) -> None:
    x = numbered(order).float()
    tokens, parts = TABLES.to_order(x, order), []
    for group in order.groups():
        part = tokens[:, group.start : group.start + group.windows * group.tokens, 0]
        windows = part.reshape(-1, group.rows, group.columns)
        parts.append(F.max_pool2d(windows[:, None], 2).reshape(2, -1))
    pooled = F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    assert torch.equal(torch.cat(parts, 1), TABLES.to_order(pooled, order.halved())[..., 0])


def test_tables_stay_where_they_are_for_as_long_as_the_trunk() -> None:
    """A GPU's recording reads them by their addresses."""
    tables, tokens = WindowTables(), torch.zeros(1, 64 * 48, 1)
    tables.from_order(tokens, WindowOrder(64, 48, 8))
    before = {key: table.data_ptr() for key, table in tables._tables.items()}
    for side in range(1, 60):
        tables.from_order(tokens, WindowOrder(64, 48, side))
    assert {key: tables._tables[key].data_ptr() for key in before} == before


def test_networks_share_no_tables() -> None:
    variant = Variant("mini", "own", 16, 1, (1, 1, 2, 1), (3,), (4, 4, 4, 2), width=32)
    one, other = (build_samv2(variant) for _ in range(2))
    with torch.inference_mode():
        one.encode_image(torch.zeros(1, 3, 64, 64))
    assert one.image_encoder.trunk.tables._tables
    assert not other.image_encoder.trunk.tables._tables
