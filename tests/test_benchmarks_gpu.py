"""What is measured on a GPU in one run: nothing is lost when a step fails or time is up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import gpu
from benchmarks.measure import Pair


def test_each_result_is_kept_although_others_fail(tmp_path: Path, monkeypatch) -> None:
    out, seen = tmp_path / "gpu.json", []

    def breaks() -> None:
        seen.append(json.loads(out.read_text()))  # what was measured before is there already
        raise RuntimeError("no memory")

    pair = Pair("a click", 1.0, 2.0, 2.0, 1.5, 2.5)
    steps = [("rows", lambda: [pair]), ("broken", breaks), ("share", lambda: 0.25)]
    monkeypatch.setattr(gpu, "steps", lambda plan: iter(steps))
    assert gpu.run(gpu.REHEARSAL, out, minutes=1) == 1
    assert seen[0]["rows"]["found"][0]["ratio"] == 2.0
    found = json.loads(out.read_text())
    assert "no memory" in found["broken"]["found"]
    assert found["share"]["found"] == 0.25


def test_nothing_is_begun_after_the_time_is_up(tmp_path: Path, monkeypatch) -> None:
    steps = [("late", lambda: pytest.fail("begun"))]
    monkeypatch.setattr(gpu, "steps", lambda plan: iter(steps))
    assert gpu.run(gpu.REHEARSAL, tmp_path / "gpu.json", minutes=-1) == 0
    assert "time is up" in json.loads((tmp_path / "gpu.json").read_text())["late"]


def test_the_smallest_and_the_largest_size_come_before_those_between() -> None:
    names = [name for name, _ in gpu.steps(gpu.Plan())]
    assert names[:5] == ["tests", "nano", "tiny", "large", "small"]
    assert len(names) == len(set(names))
