"""Work on dask's workers: the same results, whatever happens to a worker or to the client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import dask
import numpy as np
import pytest
from tests.units.counted import Counting, NoModel, notes
from tifffile import imwrite

from napari_samv2_prompts import embed_stack, segment_folder, segment_stack
from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.engine import (
    Cancelled,
    Chunk,
    EmbeddingCache,
    Job,
    ModelChoice,
    Task,
    Tools,
)
from napari_samv2_prompts.io.file_views import FileViews
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Filled, Found, Wanted, partitions, partitions_of
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.sample_data import COIN_BOXES, coins
from napari_samv2_prompts.tile_search import TileSearch
from napari_samv2_prompts.units import embeddings
from napari_samv2_prompts.units.cluster import cluster_client, run_on
from napari_samv2_prompts.units.embeddings import planes_of
from napari_samv2_prompts.units.parts import Failure, FollowUnit, SearchUnit, parts_on
from napari_samv2_prompts.units.unit import ModelSettings, perform, run_units

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import NDArray

CPU = ModelSettings(device="cpu")


@pytest.fixture(scope="module")
def client():
    """Two worker processes, as ``--workers 2`` starts them; dask gives up on a unit sooner."""
    import distributed  # noqa: F401 - else its configuration would go with ours

    fewer = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with fewer, cluster_client(workers=2) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ((image, _, _),) = coins()
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, box in enumerate(COIN_BOXES[:3]):
        x0, y0, x1, y1 = box
        imwrite(folder / f"{number}.tif", image[y0 - 10 : y1 + 10, x0 - 15 : x1 + 10])
        rows = f"object,x0,y0,x1,y1\n{number + 1},15,10,{x1 - x0 + 15},{y1 - y0 + 10}\n"
        (folder / f"{number}.csv").write_text(rows)
    return folder


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def kill_a_worker(client: Client) -> None:
    """End one of the worker processes from outside, as a machine that fails does."""
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)


# --- with a model; workers that are ended have to load it again, so that comes last ---


def test_planes_are_embedded_bit_for_bit_as_without(client, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(embeddings, "PLANES", 2)
    film = np.random.default_rng(0).integers(0, 255, (3, 40, 50)).astype(np.uint8)
    imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    for store, given in (("here", None), ("there", client)):
        found = embed_stack(tmp_path / "film.tif", tmp_path / store, device="cpu", client=given)
        assert sum(outcome.objects for outcome in found) == 3
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_the_windows_work_is_the_same_there_as_here(client, tmp_path) -> None:
    film, (rows, columns) = discs(), np.mgrid[:56, :64]
    imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    seen = FileViews(tmp_path / "film.tif", limits=(0, 255))
    planes, sides = tuple(planes_of(film.shape)), InputSides(512, 1024)
    disc = (rows - 16) ** 2 + (columns - 16) ** 2 <= 49
    (partition,) = partitions_of({1: {0: MaskCrop(9, 9, disc[9:24, 9:24])}}, Found(), Wanted(0, 3))
    search = TileSearch(Selection(), example=MaskCrop(0, 0, disc))
    units = [
        SearchUnit(seen, planes[0], Region(0, 0, 56, 64), 1024, 0, search),
        FollowUnit(seen, planes, sides, partition, "auto"),
    ]
    there = list(parts_on(client, units, CPU))
    tools = Tools(CPU.make(), EmbeddingCache(0), None, ModelChoice(), Task(Job(0, lambda task: 0)))
    here = [part for unit in units for part in unit.parts(tools)]
    assert sorted(map(as_bytes, there)) == sorted(map(as_bytes, here))
    assert {part.plane for part in here if isinstance(part, Filled)} == {1, 2, 3}


def as_bytes(part: Chunk | Filled) -> bytes:
    """Return all that is in a part."""
    if isinstance(part, Chunk):
        items = [(one.crop, one.score, one.stability) for one in part.candidates]
    else:
        items = [(one.crop, one.score, one.doubt) for one in part.sections.values()]
    told = [(crop.box, crop.mask.tobytes(), *numbers) for crop, *numbers in items]
    return repr((type(part).__name__, told)).encode()


def test_the_same_files_bit_for_bit_as_without(client, folder, tmp_path) -> None:
    (folder / "1.tif").write_bytes(b"II*\0junk")
    for out, given in (("here", None), ("there", client), ("killed", client)):
        found = []
        for outcome in segment_folder(folder, tmp_path / out, device="cpu", client=given):
            found.append(outcome)
            if out == "killed" and len(found) == 1 and sys.platform != "win32":
                kill_a_worker(client)
        assert sorted(outcome.unit.name for outcome in found if outcome.error) == ["1.tif"]
        assert sum(outcome.objects or outcome.skipped for outcome in found) == 2
    assert files(tmp_path / "here") == files(tmp_path / "there") == files(tmp_path / "killed")
    again = list(segment_folder(folder, tmp_path / "there", device="cpu", client=client))
    assert sum(outcome.skipped for outcome in again) == 2


def test_the_command_line_has_workers(folder, tmp_path, capsys, client) -> None:
    for table in folder.glob("*.csv"):  # without objects no worker needs a model
        table.write_text("object,x0,y0,x1,y1\n")
    address = client.scheduler.address
    arguments = ["segment", str(folder), "-o", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*arguments, "--scheduler", address]) == 0
    assert "3 segmented" in capsys.readouterr().out
    file = tmp_path / "scheduler.json"
    file.write_text(json.dumps({"address": address}))
    assert main([*arguments, "--scheduler", str(file)]) == 0
    assert "3 done before" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([*arguments, "--workers", "0"])
    assert "whole number from 1" in capsys.readouterr().err


def test_a_stack_is_followed_bit_for_bit_as_without(client, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(partitions, "GROUP", 1)
    imwrite(tmp_path / "film.tif", discs(), photometric="minisblack")
    boxes = {1: (1, 10.5, 8.5, 25.5, 23.5), 2: (0, 36.5, 30.5, 51.5, 45.5)}
    given = {"boxes": boxes, "device": "cpu"}
    here = segment_stack(tmp_path / "film.tif", **given)
    killed = []

    def progress(filled: Filled) -> None:
        if not killed and sys.platform != "win32":
            kill_a_worker(client)
        killed.append(filled.plane)

    there = segment_stack(
        tmp_path / "film.tif", **given, store=tmp_path / "store", client=client, progress=progress
    )
    assert np.array_equal(here, there)
    assert set(killed) == {0, 1, 2, 3}
    assert np.unique(here).tolist() == [0, 1, 2]


def discs() -> NDArray[np.uint8]:
    """Return a film of two discs, one of which moves right."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:56, :64]
    film = rng.normal(40, 5, (4, 56, 64))
    for plane in range(4):
        for row, column in ((16, 16 + 2 * plane), (38, 44)):
            film[plane][(rows - row) ** 2 + (columns - column) ** 2 <= 49] = 200
    return film.clip(0, 255).astype(np.uint8)


# --- units that do not need a model ---


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


def test_workers_of_other_versions_or_weights_are_refused(client, tmp_path, monkeypatch) -> None:
    from napari_samv2_prompts.units import cluster

    here = cluster._versions()
    monkeypatch.setattr(cluster, "_versions", lambda: {**here, "torch": "1.0"})
    with pytest.raises(ValueError, match=r"worker at tcp.* has torch .* and not 1\.0: results"):
        next(run_on(client, notes(tmp_path, 1), CPU))
    monkeypatch.undo()
    monkeypatch.setattr(ModelSettings, "key", lambda self: "mine")
    with pytest.raises(ValueError, match="has other weights under the same name"):
        next(run_on(client, notes(tmp_path, 1), CPU))


def test_no_scheduler_and_no_dask_are_sentences(folder, monkeypatch, capsys) -> None:
    import distributed

    def refuse(*arguments, **options):
        raise OSError("Timed out trying to connect")

    monkeypatch.setattr(distributed, "Client", refuse)
    assert main(["segment", str(folder), "--scheduler", "tcp://127.0.0.1:1"]) == 1
    assert "There is no dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err
    assert main(["segment", str(folder), "--scheduler", "away.json"]) == 1
    assert "There is no file away.json: start the scheduler first" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["segment", str(folder), "--workers", "2"]) == 1
    assert 'pip install "napari-samv2-prompts[cluster]"' in capsys.readouterr().err


def test_a_file_of_no_scheduler_is_a_sentence(folder, tmp_path, capsys) -> None:
    for number, text in enumerate(("no JSON", "{}", "[]")):
        path = tmp_path / f"{number}.json"
        path.write_text(text)
        assert main(["segment", str(folder), "--scheduler", str(path)]) == 1
        assert f"{path} is no file that a dask scheduler wrote" in capsys.readouterr().err


def test_an_input_that_is_gone_is_an_outcome(tmp_path) -> None:
    from napari_samv2_prompts.units.files import FileUnit

    unit = FileUnit(tmp_path / "gone.tif", tmp_path / "x.tif", boxes=tmp_path / "gone.csv")
    outcome = perform(unit, lambda: None, "w")
    assert outcome.error == f"There is no file {tmp_path / 'gone.tif'}."
    assert not np.any(outcome.objects)
