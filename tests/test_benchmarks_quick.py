"""The quick benchmark fails where a ratio fell by more than it may, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import measure, quick
from benchmarks.quick import STORED, TOLERANCE, kind_of, ratios_in, regressions
from hypothesis import given
from hypothesis import strategies as st

MACHINE = {"vector instructions": "AVX512", "device": "CPU as asked; bfloat16 since it is fast"}


@given(st.floats(0.1, 20), st.floats(0.1, 20))
def test_a_ratio_may_fall_by_the_tolerance_and_rise_by_any(now: float, before: float) -> None:
    fell = now / before < 1 - TOLERANCE
    assert bool(regressions({"embed": now}, {"embed": before})) == fell


def test_a_row_that_is_stored_and_not_measured_is_told() -> None:
    assert regressions({"click": 1.0}, {"embed": 2.0}) == ["embed: stored as 2.00, not measured"]
    assert not regressions({"click": 1.0}, {})


def test_rows_are_taken_in_turn_until_time_is_up() -> None:
    taken: list[str] = []

    def work(name: str) -> object:
        return lambda: taken.append(name) or sum(range(20_000))

    moments = iter([0.0, 1.0, 2.0, 99.0])
    rows = {"a": (work("a"), work("A")), "b": (work("b"), work("B"))}
    found = ratios_in(rows, budget=50.0, clock=lambda: next(moments))  # type: ignore[arg-type]
    assert "".join(taken[4:]) == "aAbB" * (len(taken[4:]) // 4)
    assert len(taken) >= 4 * 4
    assert set(found) == {"a", "b"}


@pytest.mark.parametrize(("now", "status"), [(2.0, 0), (1.8, 0), (1.5, 1)])
def test_the_exit_status_tells(
    now: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "machine", lambda device: MACHINE)
    monkeypatch.setattr(quick, "STORED", tmp_path / "ratios.json")
    monkeypatch.setattr(quick, "quick_ratios", lambda: {"embed": 2.0})
    assert quick.run(write=False) == 0, "nothing is stored yet"
    assert quick.run(write=True) == 0
    assert json.loads((tmp_path / "ratios.json").read_text()) == {
        "AVX512, bfloat16": {"embed": 2.0}
    }
    monkeypatch.setattr(quick, "quick_ratios", lambda: {"embed": now})
    assert quick.run(write=False) == status


def test_what_is_stored_can_be_read() -> None:
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert all(ratio > 0 for rows in stored.values() for ratio in rows.values())
    assert kind_of(MACHINE) == "AVX512, bfloat16"
