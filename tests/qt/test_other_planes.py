"""Planes that are not shown, from a viewer to the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.bench import Bench
from tests.fakes import ManualRunner

from napari_samv2_prompts._qt.messages import memory_line, planes_line, state_line
from napari_samv2_prompts.engine import EmbeddingStore, State
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import Chosen

pytestmark = pytest.mark.usefixtures("qapp")


def stack(*shape: int) -> np.ndarray:
    """An image whose planes are all different; their values are their numbers."""
    planes = np.arange(np.prod(shape[:-2]), dtype=np.uint8)
    return np.broadcast_to(planes.reshape(*shape[:-2], 1, 1), shape).copy()


class Stack(Bench):
    def __init__(self, *shape: int, runner: ManualRunner | None = None) -> None:
        super().__init__(shape, runner)
        self.image.data = stack(*shape)
        self.image.contrast_limits = (0, 255)
        self.controller.refresh()
        self.session.cache.clear()  # what was embedded of the image before

    def go(self, *index: int) -> None:
        for axis, position in enumerate(index):
            self.viewer.dims.set_point(axis, position)
        self.controller.refresh()

    @property
    def kept(self) -> set[int]:
        """Planes whose embedding is in memory."""
        cache = self.session.cache
        return {int(cache.get(key).image.flat[0]) for key in list(cache._items)}

    @property
    def ahead(self) -> list[int]:
        wish = self.session.request
        return [int(view.read().flat[0]) for view in wish.neighbours]


@pytest.fixture
def zyx() -> Iterator[Stack]:
    bench = Stack(6, 20, 20)
    yield bench
    bench.controller.close()


def test_the_next_plane_comes_before_the_one_behind(zyx: Stack) -> None:
    zyx.go(2)
    assert zyx.ahead == [3, 1]
    zyx.go(1)
    assert zyx.ahead == [0, 2]
    zyx.go(0)
    assert zyx.ahead == [1]
    assert zyx.session.status.state is State.READY
    assert {0, 1, 2, 3} <= zyx.kept


def test_neighbours_lie_along_the_slider_that_was_moved_last() -> None:
    bench = Stack(3, 4, 20, 20)
    bench.go(0, 1)
    bench.go(1, 1)
    assert bench.ahead == [9, 1]
    bench.go(1, 2)
    assert bench.ahead == [7, 5]
    bench.controller.close()


def test_an_image_without_other_planes_has_none() -> None:
    bench = Stack(20, 20)
    assert bench.ahead == []
    assert bench.controller.state().planes == 1
    bench.controller.close()


def test_all_planes_are_embedded_and_the_wish_ends(zyx: Stack) -> None:
    zyx.go(2)
    zyx.controller.embed_all(True)
    assert zyx.kept == set(range(6))
    state = zyx.controller.state()
    assert (state.planes, state.all_planes) == (6, False)
    assert planes_line(state) == "All 6 planes are embedded."
    assert memory_line(state) == "6.0 of 1000 MB: 6 embeddings"
    zyx.controller.refresh()
    assert planes_line(zyx.controller.state()) == ""


def test_progress_is_told_and_it_can_be_stopped_and_taken_up() -> None:
    runner = ManualRunner()
    bench = Stack(6, 20, 20, runner=runner)
    bench.go(0)
    bench.controller.embed_all(True)
    assert bench.controller.state().all_planes
    assert not bench.controller.idle
    while len(bench.session.cache) < 4:
        runner.finish(0)
    state = bench.controller.state()
    assert planes_line(state) == "Plane 5 of 6"
    assert state_line(state) == "Ready · nano on cpu · plane 5 of 6"
    bench.controller.embed_all(False)
    runner.finish_all()
    assert bench.controller.idle
    assert len(bench.session.cache) == 4
    bench.controller.embed_all(True)
    assert planes_line(bench.controller.state()) == "Plane 5 of 6"
    runner.finish_all()
    assert bench.kept == set(range(6))
    bench.controller.close()


def test_another_contrast_begins_anew_and_moving_on_does_not() -> None:
    bench = Stack(4, 20, 20, runner=ManualRunner())
    bench.controller.embed_all(True)
    while len(bench.session.cache) < 3:
        bench.runner.finish(0)
    planes = bench.session.request.all_planes
    bench.go(2)
    assert bench.session.request.all_planes is planes
    bench.image.contrast_limits = (0, 100)
    bench.controller.refresh()
    assert bench.session.request.all_planes is not planes
    assert bench.session.status.planes is None  # the shown plane comes first
    bench.runner.finish_all()
    assert bench.session.status.planes.done == 4
    assert len(bench.session.cache) == 7
    bench.controller.close()


def test_each_plane_is_made_once_however_often_the_wish_is_renewed(
    zyx: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_samv2_prompts._qt import reading

    made: list[Plane] = []
    real = reading.view_of

    def counted(layers, image, plane, **how):
        made.append(plane)
        return real(layers, image, plane, **how)

    zyx.session.set_cache_size(1)  # nothing can begin
    monkeypatch.setattr(reading, "view_of", counted)
    zyx.controller.embed_all(True)
    list(zyx.session.request.all_planes)
    before = len(made)
    for _ in range(3):
        zyx.controller.refresh()
        list(zyx.session.request.all_planes)
    assert len(made) - before <= 3 * 4  # the shown one, its neighbours, and one for the name


def test_without_room_it_says_so_and_begins_with_a_folder(zyx: Stack, tmp_path: Path) -> None:
    zyx.session.set_cache_size(3)
    zyx.controller.embed_all(True)
    state = zyx.controller.state()
    assert "choose a folder" in planes_line(state)
    assert state.all_planes
    zyx.session.set_store(EmbeddingStore(tmp_path))
    assert len(list(tmp_path.iterdir())) == 6
    assert not zyx.controller.state().all_planes


def test_another_image_ends_the_wish(zyx: Stack) -> None:
    zyx.session.set_cache_size(1)
    zyx.controller.embed_all(True)
    other = zyx.viewer.add_image(stack(3, 20, 20))
    zyx.choose(Chosen(other))
    assert not zyx.controller.state().all_planes
