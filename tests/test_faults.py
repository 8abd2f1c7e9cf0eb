"""Faults are put in, one at a time: what was there stays, and the work goes on afterwards."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.engine.ahead import Work
from tests.fakes import Factory, FakePredictor, FakeView, SyncRunner, place

from napari_samv2_prompts.engine import (
    EmbeddingStore,
    ModelChoice,
    Request,
    Results,
    Session,
    State,
)
from napari_samv2_prompts.files import written_whole
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.samv2.weights.download import fetch
from napari_samv2_prompts.samv2.weights.registry import CheckpointError, PublishedFile

# --- the model and its worker ---

FULL = (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
OTHER = (ValueError("This file is damaged: download it again."), KeyError("trunk"))


class Faulty(FakePredictor):
    """Raises at one of its works, until that is mended."""

    def __init__(self, where: str, error: Exception) -> None:
        super().__init__()
        self.where, self.error = where, error

    def fail(self, where: str) -> None:
        if where == self.where:
            raise self.error

    def embed(self, image, progress=None, image_size=None):
        self.fail("embed")
        return super().embed(image, progress, image_size)

    def decode(self, embedding, batch, multimask_output=None):
        self.fail("decode")
        return super().decode(embedding, batch, multimask_output)


@pytest.mark.parametrize("where", ["load", "read", "embed", "decode"])
@pytest.mark.parametrize("error", [*FULL, *OTHER], ids=lambda error: type(error).__name__)
def test_a_fault_of_the_model_is_one_sentence_and_run_goes_on(where: str, error: Exception) -> None:
    factory = Factory()
    factory.predictor = predictor = Faulty(where, error)
    factory.error = error if where == "load" else None
    view = FakeView("a", error=error if where == "read" else None)
    session = Session(factory, SyncRunner())
    results: list[Results] = []
    session.decoded.connect(results.append)
    prompts = PromptBatch((Prompt(1, points=[[9, 9]]),))
    session.update(Request(view, place(), ModelChoice(), prompts))
    status = session.status
    assert status.state is State.FAILED
    assert status.reason.count(". ") == 0
    assert status.reason.endswith(".")
    if error in FULL:
        assert "smaller model" in status.reason
    assert results == []
    predictor.where, factory.error, view.error = "", None, None
    session.run()
    assert session.status.state is State.READY
    assert [item.object for item in results[0].items] == [1]


def test_weights_that_changed_on_the_disk_answer_for_themselves(tmp_path: Path) -> None:
    file, factory, results = tmp_path / "own.pt", Factory(), []
    own, view = ModelChoice(None, file), FakeView("a")
    session = Session(factory, SyncRunner())
    session.decoded.connect(results.append)

    def answered_by(model: ModelChoice) -> tuple[int, int]:
        session.update(Request(view, place(), model, PromptBatch((Prompt(1, points=[[9, 9]]),))))
        return len(factory.predictor.images), len(results)

    file.write_bytes(b"first weights")
    assert answered_by(own) == (1, 1)
    assert answered_by(ModelChoice()) == (2, 2)
    assert answered_by(own) == (2, 3)
    assert answered_by(ModelChoice()) == (2, 4)
    file.write_bytes(b"trained further")
    assert answered_by(own) == (3, 5)
    assert session.cache.memory.embeddings == 2
    session.update(Request(FakeView("b"), place("q"), ModelChoice()))
    assert answered_by(own)[0] == 4, "an embedding of the same weights was thrown away"


# --- downloads ---

CONTENT = np.random.default_rng(0).bytes(5000)
WEIGHTS = PublishedFile(
    "sam2.1_hiera_tiny", "2.1", "tiny.pt", "https://example.org/tiny.pt",
    len(CONTENT), hashlib.sha256(CONTENT).hexdigest(),
)  # fmt: skip


class Answer(io.BytesIO):
    """What a server sends, up to where the line is cut."""

    def __init__(self, request, cut: int | None = None) -> None:
        start = int((request.get_header("Range") or "bytes=0-")[6:-1])
        super().__init__(CONTENT[start:])
        self.status = 206 if start else 200
        self.headers = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        self.left = cut

    def read(self, size: int = -1) -> bytes:
        if self.left is not None:
            if self.left == 0:
                raise ConnectionResetError("reset by peer")
            size = min(size, self.left)
            self.left -= size
        return super().read(min(size, 999))


@pytest.mark.parametrize("cut", [0, 1, 999, 1000, 4000, 4999, 5000])
def test_a_download_cut_anywhere_is_taken_up_and_whole(cut: int, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be reached|was interrupted"):
        fetch(WEIGHTS, tmp_path, open_url=lambda request: Answer(request, cut))
    assert not (tmp_path / WEIGHTS.file).exists()
    path = fetch(WEIGHTS, tmp_path, open_url=Answer)
    assert path.read_bytes() == CONTENT
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == [WEIGHTS.file]


class FullDisk(io.FileIO):
    """A file on a disk that is soon full."""

    def write(self, chunk) -> int:
        if self.tell() > 2000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(chunk)


def test_a_disk_that_fills_up_while_downloading_keeps_what_came(tmp_path, monkeypatch) -> None:
    part, plain = tmp_path / f"{WEIGHTS.file}.part", Path.open

    def open_on_full_disk(path: Path, mode: str = "r", *args, **kwargs):
        full = path == part and mode != "rb"
        return FullDisk(path, mode) if full else plain(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_on_full_disk)
    with pytest.raises(CheckpointError, match=r"No space left.*make room"):
        fetch(WEIGHTS, tmp_path, open_url=Answer)
    monkeypatch.undo()
    assert 0 < part.stat().st_size < len(CONTENT)
    assert fetch(WEIGHTS, tmp_path, open_url=Answer).read_bytes() == CONTENT


def test_a_disk_that_fills_up_while_saving_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(b"the old labels")

    def save() -> None:
        with written_whole(path) as part:
            part.write_bytes(b"half of the new lab")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        save()
    assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(path, b"the old labels")]


# --- processes that are killed ---


def killed(code: str, *arguments: object) -> None:
    """Run a program that kills itself."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_process_killed_while_saving_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(b"the old labels")
    code = """if True:
        import os, signal, sys
        from napari_samv2_prompts.files import written_whole
        with written_whole(sys.argv[1]) as part:
            part.write_bytes(b"half of the new lab")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed(code, path)
    assert path.read_bytes() == b"the old labels"


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_process_killed_while_embedding_all_planes_goes_on_where_it_was(tmp_path: Path) -> None:
    code = """if True:
        import os, signal, sys
        from pathlib import Path
        from tests.engine.ahead import Work
        from tests.fakes import SyncRunner
        from napari_samv2_prompts.engine import EmbeddingStore

        work = Work(SyncRunner(), store=EmbeddingStore(Path(sys.argv[1])))
        embed = work.factory.predictor.embed

        def embed_until_killed(image, *args, **kwargs):
            if len(work.embedded) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return embed(image, *args, **kwargs)

        work.factory.predictor.embed = embed_until_killed
        work.show(0, all_=True)
    """
    killed(code, tmp_path)
    again = Work(SyncRunner(), store=EmbeddingStore(tmp_path))
    again.show(0, all_=True)
    assert sorted(again.embedded) == [3, 4, 5]
    assert again.planes.done == 6
