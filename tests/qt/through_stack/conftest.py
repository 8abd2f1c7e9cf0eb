"""The film with a prompt on each disc, with and without walls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.qt.stack_bench import Stack, see_walls


@pytest.fixture(params=[False, True], ids=["ground", "walls"])
def bench(request, monkeypatch) -> Iterator[Stack]:
    see_walls(monkeypatch, request.param)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    yield bench
    bench.close()
