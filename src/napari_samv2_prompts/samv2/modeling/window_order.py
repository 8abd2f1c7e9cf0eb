"""The order of a map's tokens in which those of one window lie next to each other.

Windowed attention needs each window's tokens together.  Cutting a map into windows and putting it
together again, in each block, costs more than a tenth of the encoder; most blocks of a stage have
the same windows, and nothing else in a block asks where a token lies.  So the trunk keeps its
tokens in window order and regroups them only where the windows change.

Windows at the far ends of a map may be cut off.  The published network fills them with zeros; here
they stay smaller, and what is missing is known (:attr:`Group.missing`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """Windows of one shape, which lie one after the other."""

    start: int  # place of the first window's first token
    windows: int  # how many windows there are
    # Shape of each, in tokens.
    rows: int
    columns: int
    missing: int  # tokens that each lacks to be whole

    @property
    def tokens(self) -> int:
        """Tokens of one window."""
        return self.rows * self.columns


class WindowOrder(NamedTuple):
    """The order for a map of ``height`` x ``width`` tokens in windows of ``side`` x ``side``."""

    height: int
    width: int
    side: int

    def groups(self) -> Iterator[Group]:
        """Go through the windows, those that are whole first; windows of a group row by row."""
        start = 0
        for _, n_rows, rows in _spans(self.height, self.side):
            for _, n_columns, columns in _spans(self.width, self.side):
                missing = self.side**2 - rows * columns
                yield Group(start, n_rows * n_columns, rows, columns, missing)
                start += n_rows * n_columns * rows * columns

    @property
    def tokens(self) -> int:
        """Tokens of the map."""
        return self.height * self.width

    def halved(self) -> WindowOrder:
        """Return the order that pooling 2 x 2 tokens within windows leads to."""
        assert self.side % 2 == self.height % 2 == self.width % 2 == 0, self
        return WindowOrder(self.height // 2, self.width // 2, self.side // 2)


def _spans(length: int, side: int) -> Iterator[tuple[int, int, int]]:
    """Yield where whole windows along an axis begin, their number and length; then the rest's."""
    whole, rest = divmod(length, side)
    if whole:
        yield 0, whole, side
    if rest:
        yield whole * side, 1, rest


class WindowTables:
    """Regroups tokens, by tables of places that are made once for each order.

    Whoever holds it owns the tables, and none is ever given up: what a GPU has recorded reads them
    where they were.  A network meets a few sizes of its input, of half a megabyte each.
    """

    def __init__(self) -> None:
        self._tables: dict[tuple[WindowOrder | None, WindowOrder | None, torch.device], Tensor] = {}

    def to_order(self, x: Tensor, order: WindowOrder) -> Tensor:
        """Turn a map ``(B, H, W, C)`` into tokens ``(B, H * W, C)`` in this order."""
        return x.flatten(1, 2).index_select(1, self._moves(None, order, x.device))

    def from_order(self, tokens: Tensor, order: WindowOrder) -> Tensor:
        """Undo :meth:`to_order`."""
        moved = tokens.index_select(1, self._moves(order, None, tokens.device))
        return moved.unflatten(1, (order.height, order.width))

    def reordered(self, tokens: Tensor, before: WindowOrder, after: WindowOrder) -> Tensor:
        """Bring tokens ``(B, T, C)`` from one order of their map to another."""
        if before == after:
            return tokens
        return tokens.index_select(1, self._moves(before, after, tokens.device))

    def _moves(
        self, before: WindowOrder | None, after: WindowOrder | None, device: torch.device
    ) -> Tensor:
        """For each token in the order ``after``, its place in ``before``; None is row by row."""
        key = before, after, device
        if key not in self._tables:
            with torch.inference_mode(mode=False):  # these are kept, and training uses them too
                self._tables[key] = _moves(before, after).to(device)
        return self._tables[key]


def _moves(before: WindowOrder | None, after: WindowOrder | None) -> Tensor:
    if before is None:
        assert after is not None
        return _places(after)
    back = _places(before).argsort()
    return back if after is None else back[_places(after)]


def _places(order: WindowOrder) -> Tensor:
    """For each token in this order, its place in the map read row by row."""
    places = torch.arange(order.height * order.width).view(order.height, order.width)
    parts = [
        places[top : top + n_rows * rows, left : left + n_columns * columns]
        .reshape(n_rows, rows, n_columns, columns)
        .transpose(1, 2)
        .flatten()
        for top, n_rows, rows in _spans(order.height, order.side)
        for left, n_columns, columns in _spans(order.width, order.side)
    ]
    return torch.cat(parts)
