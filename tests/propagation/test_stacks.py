"""Embeddings of a stack: what is kept, and what is made ahead on a second thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from napari_samv2_prompts.propagation import Embeddings
from napari_samv2_prompts.regions import InputSides, Region

WHOLE = Region.whole((64, 64))


@dataclass
class Made:
    plane: int
    thread: int
    nbytes: int = 1000


@dataclass
class Model:
    """Notes what it makes; waits where it is told to, and fails on some planes."""

    go: threading.Event = field(default_factory=threading.Event)
    fails: frozenset[int] = frozenset()
    made: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go.set()

    def __call__(self, plane: int, region: Region) -> Made:
        assert self.go.wait(60)
        self.made.append(plane)
        if plane in self.fails:
            raise OSError(f"plane {plane} can't be read")
        return Made(plane, threading.get_ident())


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def embed(model: Model):
    embeddings = Embeddings((64, 64), model, InputSides(64, 64), budget=3000)
    yield embeddings
    model.go.set()
    embeddings.close()


def test_what_comes_next_is_made_meanwhile_on_another_thread_and_once(embed, model) -> None:
    here, _ = embed(4, WHOLE, (5, WHOLE))
    after, region = embed(5, WHOLE)
    assert (after.plane, region) == (5, WHOLE)
    assert here.thread == threading.get_ident() != after.thread
    assert embed(5, WHOLE)[0] is after
    assert model.made == [4, 5]


def test_nobody_waits_for_what_is_made_ahead(embed, model) -> None:
    embed(4, WHOLE)
    model.go.clear()
    assert embed(4, WHOLE, (5, WHOLE))[0].plane == 4  # while 5 can't be made
    model.go.set()
    assert embed(5, WHOLE)[0].plane == 5


def test_an_error_ahead_is_for_whoever_asks_for_that_plane(embed, model) -> None:
    model.fails = frozenset({5})
    embed(4, WHOLE, (5, WHOLE))
    embed(3, WHOLE)
    with pytest.raises(OSError, match="plane 5"):
        embed(5, WHOLE)
    model.fails = frozenset()
    assert embed(5, WHOLE)[0].plane == 5


def test_another_plane_in_between_does_not_cost_what_was_begun(embed, model) -> None:
    embed(4, WHOLE, (5, WHOLE))
    embed(2, WHOLE)
    embed(5, WHOLE)
    assert sorted(model.made) == [2, 4, 5]


def test_memory_is_bounded_by_what_is_to_be_kept_and_one_more(embed) -> None:
    for plane in range(40):
        embed(plane, WHOLE, (plane + 1, WHOLE))
        assert embed._size() <= 3000


def test_closed_it_makes_nothing_more_and_leaves_no_thread(embed, model) -> None:
    embed(4, WHOLE)
    model.go.clear()
    embed(4, WHOLE, (5, WHOLE))
    embed.close()
    embed.close()
    model.go.set()
    deadline = [t for t in threading.enumerate() if t.name.startswith("samv2-prompts-ahead")]
    for thread in deadline:
        thread.join(10)
        assert not thread.is_alive()


def test_a_large_plane_is_made_ahead_where_objects_are_looked_for() -> None:
    model = Model()
    sides = InputSides(64, 64)
    embed = Embeddings((400, 400), lambda plane, region: model(plane, region), sides)
    wanted = Region(100, 100, 130, 130)
    _, region = embed(0, wanted, (1, Region(102, 101, 131, 131)))
    assert region.size < (400, 400)
    assert embed(1, wanted)[1] == region
    embed.close()
    assert model.made == [0, 1]
    assert np.all(np.array(region.size) >= 30)
