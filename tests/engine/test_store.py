"""Embeddings in a folder: found again, never trusted blindly, never in the way of the work."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import Factory, FakeEmbedding, FakePacking, FakeView, SyncRunner, place

from napari_samv2_prompts.engine import EmbeddingStore, ModelChoice, Request, Session, State
from napari_samv2_prompts.engine.store import SUFFIX

PICTURE = np.zeros((6, 7, 3), np.uint8)
PACKING = FakePacking()
SIZE = PICTURE.shape[:2]
KEYS = [EmbeddingStore.key(PICTURE + i, "fake", SIZE) for i in range(5)]


def keep(store: EmbeddingStore, key: str, nbytes: int = 2_000_000) -> bool:
    return store.put(key, PACKING.pack(FakeEmbedding(PICTURE, nbytes), key))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def used(store: EmbeddingStore, key: str, seconds_ago: float) -> None:
    when = time.time() - seconds_ago
    os.utime(store.folder / f"{key}{SUFFIX}", (when, when))


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "embeddings")


def session_on(store: EmbeddingStore | None) -> tuple[Session, Factory]:
    factory = Factory()
    return Session(factory, SyncRunner(), store=store), factory


def show(session: Session, view: str = "a") -> None:
    session.update(Request(FakeView(view), place(), ModelChoice()))


# --- what is found again ---


def test_reopening_a_project_embeds_nothing_again(store: EmbeddingStore) -> None:
    first, factory = session_on(store)
    show(first)
    assert len(factory.predictor.images) == 1
    first.close()
    second, factory = session_on(EmbeddingStore(store.folder))
    show(second, view="the same pixels under another name")
    assert second.status.state is State.READY
    assert factory.predictor.images == []
    assert len(second.cache) == 1


@pytest.mark.parametrize(
    ("image", "fingerprint", "size"),
    [
        (PICTURE + 1, "fake", SIZE),
        (PICTURE, "another model", SIZE),
        (PICTURE.reshape(7, 6, 3), "fake", SIZE),
        (PICTURE, "fake", (60, 70)),
    ],
    ids=["pixels", "model", "shape", "size"],
)
def test_another_picture_or_model_has_another_name(
    image: np.ndarray, fingerprint: str, size: tuple[int, int]
) -> None:
    assert EmbeddingStore.key(image, fingerprint, size) != EmbeddingStore.key(PICTURE, "fake", SIZE)


def test_the_name_is_the_same_however_the_pixels_lie_in_memory() -> None:
    image = np.random.default_rng(0).integers(0, 255, (5, 8, 3), dtype=np.uint8)
    turned = np.asfortranarray(image)
    assert EmbeddingStore.key(image, "fake", (5, 8)) == EmbeddingStore.key(turned, "fake", (5, 8))


# --- what is not trusted ---


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_bytes(b"\xff" * 100),
    ],
    ids=["empty", "cut short", "something else"],
)
def test_a_damaged_entry_is_dropped_and_embedded_again(
    store: EmbeddingStore, damage: Callable[[Path], object]
) -> None:
    first, _ = session_on(store)
    show(first)
    (path,) = store.folder.iterdir()
    sound = path.read_bytes()
    damage(path)
    second, factory = session_on(EmbeddingStore(store.folder))
    show(second)
    assert second.status.state is State.READY
    assert len(factory.predictor.images) == 1
    assert path.read_bytes() == sound


def test_an_entry_under_the_name_of_another_is_dropped(store: EmbeddingStore) -> None:
    keep(store, KEYS[0])
    path = store.folder / f"{KEYS[0]}{SUFFIX}"
    path.rename(path.with_name(f"{KEYS[1]}{SUFFIX}"))
    assert store.get(KEYS[1], PACKING.unpack) is None
    assert names(store.folder) == set()


# --- what is in the way of nothing ---


@contextmanager
def full_disk() -> Iterator[None]:
    """The system itself cuts files off, as a full disk does; those of the test run, too."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def works_without(store: EmbeddingStore) -> str:
    """Work with a store that does not work; return what the user is told."""
    session, factory = session_on(store)
    show(session, "a")
    show(session, "b")
    assert session.status.state is State.READY
    assert len(factory.predictor.images) == 2
    told = session.status.store
    assert told == store.problem
    assert str(store.folder) in told
    assert told.count(".") - str(store.folder).count(".") == 1  # one sentence
    return told


def test_on_a_full_disk_work_goes_on_and_no_part_is_left(tmp_path: Path) -> None:
    with full_disk():
        told = works_without(EmbeddingStore(tmp_path))
    assert "too large" in told.lower()
    assert names(tmp_path) == set()


def test_a_folder_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    works_without(EmbeddingStore(tmp_path / "file"))
    store = EmbeddingStore(tmp_path / "no" / "such")
    works_without(store)
    assert not keep(store, KEYS[0]), "nothing is kept there any more"


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="this user may write everywhere"
)
def test_a_read_only_folder_is_still_read(store: EmbeddingStore) -> None:
    keep(store, KEYS[0])
    store.folder.chmod(0o500)
    try:
        other = EmbeddingStore(store.folder)
        assert not keep(other, KEYS[1])
        assert "can't be kept" in other.problem
        assert other.get(KEYS[0], PACKING.unpack) is not None
    finally:
        store.folder.chmod(0o700)


def test_what_can_not_be_written_is_still_read(
    store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, KEYS[0])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    for call in ("pathlib.Path.write_bytes", "pathlib.Path.unlink", "os.utime"):
        monkeypatch.setattr(call, refuse)
    assert not keep(store, KEYS[1])
    assert "Read-only file system" in store.problem
    assert store.get(KEYS[0], PACKING.unpack) is not None


# --- how much ---


def test_what_was_used_longest_ago_goes_when_the_limit_is_reached(store: EmbeddingStore) -> None:
    keep(store, KEYS[0])
    size = next(store.folder.iterdir()).stat().st_size
    store.limit_mb = 3 * size / 1e6
    for key in KEYS[1:3]:
        keep(store, key)
    for age, key in enumerate(KEYS[:3]):
        used(store, key, 100 - age)
    assert store.get(KEYS[0], PACKING.unpack) is not None  # now the one used last
    keep(store, KEYS[3])
    assert [key in store for key in KEYS[:4]] == [True, False, True, True]
    other = EmbeddingStore(store.folder, store.limit_mb)
    keep(other, KEYS[4])
    assert [key in other for key in KEYS] == [True, False, False, True, True]


def test_files_of_others_are_neither_counted_nor_touched(store: EmbeddingStore) -> None:
    store.folder.mkdir()
    for name in ("labels.tif", "weights.safetensors", f"mine{SUFFIX}", f".x{SUFFIX}"):
        (store.folder / name).write_bytes(b"x" * 5000)
    others = names(store.folder)
    store.limit_mb = 0.001
    for key in KEYS:
        assert keep(store, key)
    assert others < names(store.folder)
    assert KEYS[-1] in store


def test_parts_of_killed_writers_are_removed_and_those_of_living_ones_not(
    store: EmbeddingStore,
) -> None:
    store.folder.mkdir()
    old, new = (store.folder / f".{KEYS[0]}.embedding.{c * 12}.part.safetensors" for c in "ab")
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    keep(store, KEYS[1])
    assert names(store.folder) == {new.name, f"{KEYS[1]}{SUFFIX}"}
