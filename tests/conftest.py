from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

Layouts = dict[str, dict[str, list[int]]]


@pytest.fixture(scope="session")
def layouts() -> Layouts:
    """Names and shapes of the tensors in the published checkpoints, by variant."""
    path = Path(__file__).parent / "data" / "checkpoint_layouts.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))
