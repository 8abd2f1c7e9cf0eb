"""The same results on dask's workers as without, and the command line that asks for workers.

What becomes of units whatever they compute is in ``test_cluster``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.units.counted import notes
from tifffile import imwrite

from napari_samv2_prompts import embed_stack, segment_folder, segment_stack
from napari_samv2_prompts.candidates import Selection
from napari_samv2_prompts.cli import main
from napari_samv2_prompts.engine import Chunk, EmbeddingCache, Job, ModelChoice, Task, Tools
from napari_samv2_prompts.io.file_views import FileViews
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Filled, Found, Wanted, partitions, partitions_of
from napari_samv2_prompts.regions import InputSides, Region
from napari_samv2_prompts.sample_data import COIN_BOXES, coins
from napari_samv2_prompts.tile_search import TileSearch
from napari_samv2_prompts.units import embeddings
from napari_samv2_prompts.units.cluster import run_on
from napari_samv2_prompts.units.embeddings import planes_of
from napari_samv2_prompts.units.parts import FollowUnit, SearchUnit, parts_on
from napari_samv2_prompts.units.unit import ModelSettings

if TYPE_CHECKING:
    from distributed import Client
    from numpy.typing import NDArray


CPU = ModelSettings(device="cpu")


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


# --- on the command line ---


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
