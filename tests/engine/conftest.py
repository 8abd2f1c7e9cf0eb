"""Sessions with workers that answer at once or when they are told to."""

from __future__ import annotations

import pytest
from tests.engine.ahead import Work
from tests.engine.watched import Watched
from tests.fakes import ManualRunner, SyncRunner


@pytest.fixture
def sync() -> Watched:
    return Watched(SyncRunner())


@pytest.fixture
def manual() -> Watched:
    return Watched(ManualRunner())


@pytest.fixture
def work() -> Work:
    return Work()
