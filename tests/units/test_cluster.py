"""What becomes of units and their parts when a worker, a client or the scheduler ends.

No unit here needs a model; results with one are in ``test_cluster_results``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import dask
import numpy as np
import pytest
from tests.units.counted import Counting, NoModel, notes

from napari_samv2_prompts.engine import Cancelled
from napari_samv2_prompts.units.cluster import cluster_client, run_on
from napari_samv2_prompts.units.parts import Failure, parts_on
from napari_samv2_prompts.units.unit import perform, run_units

# --- units ---


def test_a_worker_that_dies_is_replaced_and_its_unit_done_again(client, tmp_path) -> None:
    units = notes(tmp_path, 6)
    units[2] = replace(units[2], harm="once")
    found = list(run_on(client, units, NoModel()))
    # A result that was on its way from the worker is found when its unit is repeated.
    assert {o.unit.name for o in found if o.objects or o.skipped} == {unit.name for unit in units}
    assert (tmp_path / "2.tries").read_text() == "xx"


def test_what_ends_every_worker_is_named_and_the_others_are_done(client, tmp_path) -> None:
    units = notes(tmp_path, 4)
    units[1] = replace(units[1], harm="always")
    found = {o.unit.name: o for o in run_on(client, units, NoModel())}
    assert "ended every worker" in found["unit 1"].error
    assert [found[f"unit {n}"].error for n in (0, 2, 3)] == ["", "", ""]
    assert all(units[n].out.is_file() for n in (0, 2, 3))


def test_a_worker_that_dies_is_replaced_however_long_that_takes(tmp_path) -> None:
    """Dask closes one for good that is away when it looks, here at once."""
    units = notes(tmp_path, 3)
    units[0] = replace(units[0], harm="once")
    at_once = dask.config.set({"distributed.deploy.lost-worker-timeout": "0s"})
    with at_once, cluster_client(workers=1) as client:
        assert not any(outcome.error for outcome in run_on(client, units, NoModel()))


def test_a_full_disk_and_odd_errors_are_outcomes_here_and_there(client, tmp_path) -> None:
    units = [replace(unit, harm=harm) for unit, harm in zip(notes(tmp_path, 3), ("full", "odd", ""),
                                                            strict=True)]  # fmt: skip
    there = {o.unit.name: o.error for o in run_on(client, units, NoModel())}
    here = {o.unit.name: o.error for o in run_units(units, lambda: None, NoModel().key())}
    assert there["unit 0"] == "[Errno 28] No space left on device"
    assert there["unit 1"] == "RuntimeError: an odd one"
    assert {**here, "unit 2": ""} == there


def test_units_are_taken_as_they_are_needed_and_a_client_may_leave(client, tmp_path) -> None:
    taken = []

    def many():
        for unit in notes(tmp_path, 1000):
            taken.append(unit)
            yield unit

    outcomes = run_on(client, many(), NoModel())
    done = [next(outcomes) for _ in range(3)]
    outcomes.close()
    assert len(taken) < 20
    left = [unit for unit in notes(tmp_path, 8) if not unit.out.is_file()]
    again = list(run_on(client, notes(tmp_path, 8), NoModel()))
    assert sum(outcome.skipped for outcome in again) >= min(3, 8 - len(left))
    assert len(done) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_client_that_is_killed_leaves_whole_files_and_the_next_goes_on(client, tmp_path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from tests.units.counted import NoModel, notes
        from napari_samv2_prompts.units.cluster import cluster_client, run_on

        with cluster_client(scheduler=sys.argv[1]) as client:
            for outcome in run_on(client, notes(Path(sys.argv[2]), 30, "slow"), NoModel()):
                print(outcome.unit.name, flush=True)
    """
    command = [sys.executable, "-c", code, client.scheduler.address, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline()
        process.kill()
    units = notes(tmp_path, 30)
    assert 2 <= sum(unit.out.is_file() for unit in units) < 30
    found = list(run_on(client, units, NoModel()))
    assert sum(outcome.skipped for outcome in found) >= 2
    assert {unit.out.read_text() for unit in units} == {unit.key(NoModel().key()) for unit in units}


def test_an_input_that_is_gone_is_an_outcome(tmp_path) -> None:
    from napari_samv2_prompts.units.files import FileUnit

    unit = FileUnit(tmp_path / "gone.tif", tmp_path / "x.tif", boxes=tmp_path / "gone.csv")
    outcome = perform(unit, lambda: None, "w")
    assert outcome.error == f"There is no file {tmp_path / 'gone.tif'}."
    assert not np.any(outcome.objects)


# --- parts that come while a unit is being done ---


def test_parts_come_in_order_while_units_are_being_done(client, tmp_path) -> None:
    units = [Counting(f"unit {n}", tmp_path / f"{n}", 5 + n) for n in range(9)]
    units[3] = replace(units[3], count=60, harm="slow")
    come: dict[str, list[int]] = {unit.name: [] for unit in units}
    for name, number in parts_on(client, units, NoModel()):
        if name == "unit 3" and not number:
            assert units[3].marks.stat().st_size < 60, "it came when the unit was done"
        come[name].append(number)
    assert come == {unit.name: list(range(unit.count)) for unit in units}


def test_a_worker_that_dies_makes_no_part_come_twice(client, tmp_path) -> None:
    units = [Counting(f"unit {n}", tmp_path / f"{n}", harm="once" * (n == 1)) for n in range(3)]
    come = list(parts_on(client, units, NoModel()))
    assert sorted(come) == [(unit.name, n) for unit in units for n in range(5)]
    assert (tmp_path / "1").stat().st_size > 5, "it was begun again"


def test_workers_that_all_ended_are_not_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("napari_samv2_prompts.units.cluster.DESERTED", 0.5)
    unit = Counting("unit", tmp_path / "marks", 400, "slow")
    with cluster_client(workers=1) as client:
        come = parts_on(client, [unit], NoModel())
        next(come)
        client.cluster.scale(0)
        with pytest.raises(OSError, match="All workers have ended"):
            list(come)


def test_a_unit_that_fails_keeps_its_parts_and_is_named(client, tmp_path) -> None:
    units = [Counting("good", tmp_path / "0"), Counting("bad", tmp_path / "1", harm="full")]
    come = list(parts_on(client, units, NoModel()))
    (failed,) = [part for part in come if isinstance(part, Failure)]
    assert failed.reason == "bad: [Errno 28] No space left on device"
    come.remove(failed)
    assert sorted(come) == [("bad", n) for n in range(3)] + [("good", n) for n in range(5)]


def stops(unit: Counting) -> bool:
    """Tell whether a slow unit is left before it is done."""
    end, size = time.monotonic() + 15, -1
    while size != (size := unit.marks.stat().st_size) and time.monotonic() < end:
        time.sleep(0.4)
    return size < unit.count


def test_a_worker_stops_what_nobody_waits_for_any_more(client, tmp_path) -> None:
    unit, left = Counting("unit", tmp_path / "marks", 400, "slow"), []

    def check() -> None:
        if left:
            raise Cancelled

    parts = parts_on(client, [unit], NoModel(), check=check)
    left.append(next(parts))
    with pytest.raises(Cancelled):
        next(parts)
    assert stops(unit)


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_worker_stops_for_a_window_that_was_killed(client, tmp_path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from tests.units.counted import Counting, NoModel
        from napari_samv2_prompts.units.cluster import cluster_client
        from napari_samv2_prompts.units.parts import parts_on

        unit = Counting("unit", Path(sys.argv[2]), 400, "slow")
        with cluster_client(scheduler=sys.argv[1]) as client:
            for part in parts_on(client, [unit], NoModel()):
                print(part, flush=True)
    """
    command = [sys.executable, "-c", code, client.scheduler.address, str(tmp_path / "marks")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.kill()
    assert stops(Counting("unit", tmp_path / "marks", 400, "slow"))


@pytest.mark.parametrize("kind", ["units", "parts"])
def test_a_scheduler_that_is_gone_is_a_sentence(kind, tmp_path) -> None:
    from distributed import Client, LocalCluster

    local = LocalCluster(
        n_workers=1, processes=False, dashboard_address=":0", silence_logs=50,
        local_directory=str(tmp_path),
    )  # fmt: skip
    with Client(local.scheduler_address, set_as_default=False, timeout=10) as client:
        if kind == "units":
            going = run_on(client, notes(tmp_path, 50, "slow"), NoModel())
        else:
            going = parts_on(client, [Counting("unit", tmp_path / "x", 40, "slow")], NoModel())
        next(going)
        local.close()
        with pytest.raises(OSError, match="connection to the dask scheduler was lost"):
            list(going)
