"""The labels that are there, in place of the empty ones of other tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.qt.labelled_bench import with_labels

if TYPE_CHECKING:
    from tests.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = with_labels()
    yield bench
    bench.controller.close()
