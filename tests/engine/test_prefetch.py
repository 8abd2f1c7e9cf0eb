"""Embedding ahead: last of all, dropped at once, within the budget; all planes, taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.fakes import Factory, FakeView, ManualRunner, SyncRunner, place

from napari_samv2_prompts.engine import (
    AllPlanes,
    Cancelled,
    EmbeddingStore,
    ModelChoice,
    Priority,
    Request,
    Session,
    State,
    Status,
)
from napari_samv2_prompts.engine.cache import EmbeddingKey
from napari_samv2_prompts.prompts import Prompt, PromptBatch

NANO = ModelChoice()


class Plane(FakeView):
    """A view whose pixels differ from those of the others."""

    edited = 0

    def read(self) -> np.ndarray:
        return super().read() + np.uint8(self.picture + self.edited)


class Work:
    """A session on planes 0, 1, 2, ...; each embedding takes 1 MB."""

    def __init__(self, runner=None, planes: int = 6, **arguments) -> None:
        self.runner = runner or ManualRunner()
        self.factory = Factory()
        self.session = Session(self.factory, self.runner, **arguments)
        self.views = tuple(Plane(i, (8, 8)) for i in range(planes))
        self.statuses: list[Status] = []
        self.session.status_changed.connect(self.statuses.append)

    def show(
        self, at: int, *prompts: Prompt, ahead: Sequence[int] = (), all_: bool = False,
        live: bool = True,
    ) -> None:  # fmt: skip
        views = tuple(self.views[i] for i in ahead)
        planes = self.views if all_ else ()
        self.session.update(
            Request(self.views[at], place(at), NANO, PromptBatch(prompts), live, views, planes)
        )

    def ready(self, at: int, **wishes) -> None:
        """Show a plane and let model and plane be done, and nothing ahead."""
        self.show(at, **wishes)
        while self.session.status.busy:
            self.runner.finish(0)

    @property
    def kept(self) -> set[int]:
        cache = self.session.cache
        return {v.picture for v in self.views if EmbeddingKey.of(v, NANO) in cache}

    @property
    def embedded(self) -> list[int]:
        """Planes that the model saw, in order."""
        return [int(image[0, 0, 0]) for image in self.factory.predictor.images]

    @property
    def planes(self) -> AllPlanes:
        planes = self.session.status.planes
        assert planes is not None
        return planes


@pytest.fixture
def work() -> Work:
    return Work()


# --- neighbours ---


def test_neighbours_are_embedded_when_nothing_else_is_to_be_done(work: Work) -> None:
    work.show(2, Prompt(1, points=[(3, 3)]), ahead=(3, 1))
    work.runner.finish_all()
    assert work.embedded == [2, 3, 1]
    kinds = [status.state for status in work.statuses]
    assert kinds.index(State.READY) > kinds.index(State.DECODING)
    work.show(3)
    assert work.session.status.state is State.READY


def test_the_user_is_told_ready_while_neighbours_are_embedded(work: Work) -> None:
    work.ready(0, ahead=(1,))
    assert [task.job.priority for task in work.runner.tasks] == [Priority.PREFETCH]
    work.runner.tasks[0].report(0.5)
    assert work.session.status.state is State.READY
    assert work.session.status.progress is None


def test_what_is_embedded_ahead_is_dropped_at_once_when_the_user_acts(work: Work) -> None:
    work.ready(0, ahead=(1,))
    ahead = work.runner.tasks[0]
    work.show(0, Prompt(1, points=[(3, 3)]), ahead=(1,))
    assert ahead.cancelled
    with pytest.raises(Cancelled):
        ahead.report(0.1)  # which the model calls after each of its blocks
    assert work.runner.states == [State.DECODING]
    work.runner.finish_all()
    assert work.kept == {0, 1}  # and it was taken up again


def test_going_to_the_plane_that_is_being_embedded_ahead_loses_nothing(work: Work) -> None:
    work.ready(0, ahead=(1,))
    work.show(1)
    assert [task.cancelled for task in work.runner.tasks] == [False]
    assert work.session.status.state is State.EMBEDDING
    work.runner.finish_all()
    assert work.embedded == [0, 1]
    assert work.session.status.state is State.READY


def test_the_plane_that_was_left_goes_on_if_it_is_a_neighbour(work: Work) -> None:
    work.ready(0)
    work.show(1)
    work.show(0, ahead=(1,))
    assert [task.cancelled for task in work.runner.tasks] == [False]
    assert work.session.status.state is State.READY


def test_neighbours_drop_nothing_that_was_asked_for() -> None:
    work = Work(cache_mb=3)
    for plane in (0, 1, 2):
        work.ready(plane)
    work.show(2, ahead=(3,))
    assert work.runner.jobs == []
    work.session.set_cache_size(4)
    work.runner.finish_all()
    assert work.kept == {0, 1, 2, 3}


def test_a_neighbour_that_can_not_be_read_is_left_out_and_nobody_is_bothered(work: Work) -> None:
    work.views[1].error = OSError("bad sector")
    work.ready(0, ahead=(1, 2))
    work.runner.finish_all()
    assert work.kept == {0, 2}
    assert State.FAILED not in [status.state for status in work.statuses]
    work.show(1)
    work.runner.finish_all()
    assert work.session.status.state is State.FAILED


def test_cancel_and_run_take_work_ahead_for_no_work(work: Work) -> None:
    work.ready(0, ahead=(1,))
    work.session.cancel()
    assert work.session.status.state is State.READY
    work.show(0, Prompt(1, points=[(3, 3)]), ahead=(1,))
    work.runner.finish(1)
    work.session.run()  # predicts everything again
    assert State.DECODING in work.runner.states


def test_nothing_is_embedded_ahead_once_live_is_off(work: Work) -> None:
    work.ready(0, ahead=(1,))
    work.show(0, live=False)
    assert work.runner.live == []


def test_what_somebody_waits_for_begins_beside_what_is_still_embedded_ahead() -> None:
    background = ManualRunner()
    work = Work(background=background)
    work.ready(0, ahead=(1, 2))
    assert [task.job.priority for task in background.tasks] == [Priority.PREFETCH]
    work.show(0, Prompt(1, points=[(3, 3)]), ahead=(1, 2))
    assert background.live == []  # told to stop, though it may still be reading
    assert work.runner.states == [State.DECODING]
    work.runner.finish()
    assert work.session.pending == ()
    background.finish_all()
    assert work.kept == {0, 1, 2}


def test_a_plane_embedded_ahead_becomes_the_wanted_one_where_it_runs() -> None:
    background = ManualRunner()
    work = Work(background=background)
    work.ready(0, ahead=(1,))
    work.show(1, Prompt(1, points=[(3, 3)]))
    assert work.runner.live == []
    background.finish()
    work.runner.finish()
    assert work.session.pending == ()
    assert work.embedded == [0, 1]


# --- all planes ---


def test_all_planes_are_embedded_and_counted() -> None:
    work = Work(SyncRunner())
    work.show(2, all_=True)
    assert work.embedded == [2, 0, 1, 3, 4, 5]
    counts = [status.planes.at for status in work.statuses if status.planes]
    assert counts == sorted(counts)
    assert work.planes == AllPlanes(done=6, total=6, at=6, running=False)
    for plane in range(6):
        work.show(plane)
    assert len(work.embedded) == 6


def test_it_is_told_from_the_first_moment_though_neighbours_come_first(work: Work) -> None:
    work.ready(0, ahead=(5,), all_=True)
    assert work.session.status.embedding_all
    work.runner.finish()
    assert work.kept == {0, 5}
    assert work.session.status.embedding_all


def test_prompts_come_first_and_it_goes_on_afterwards(work: Work) -> None:
    work.ready(0, all_=True)
    work.runner.finish()
    before = work.planes
    assert before.running
    work.show(0, Prompt(1, points=[(3, 3)]), all_=True)
    assert work.runner.states == [State.DECODING]
    assert work.planes == before
    work.runner.finish_all()
    assert sorted(work.embedded) == list(range(6))
    assert work.planes.done == 6


def test_stopped_and_started_again_it_skips_what_is_there(work: Work) -> None:
    work.ready(0, all_=True)
    for _ in range(2):
        work.runner.finish()
    work.show(0)
    assert work.runner.live == []
    assert work.session.status.planes is None
    work.runner.jobs.clear()
    work.show(0, all_=True)
    assert work.planes.done == 3
    work.runner.finish_all()
    assert work.embedded == list(range(6))


def test_what_does_not_fit_in_memory_is_said_before_it_is_begun() -> None:
    work = Work(SyncRunner(), cache_mb=3)
    work.show(0, all_=True)
    assert work.embedded == [0]
    assert not work.planes.running
    assert "All 6 planes take 6 MB" in work.planes.problem
    assert "choose a folder" in work.planes.problem


def test_it_begins_as_soon_as_there_is_a_folder_or_more_memory(tmp_path: Path) -> None:
    work = Work(SyncRunner(), cache_mb=3)
    work.show(0, all_=True)
    work.session.set_store(EmbeddingStore(tmp_path))
    assert work.planes == AllPlanes(done=6, total=6, at=6, running=False)
    assert len(list(tmp_path.iterdir())) == 6
    assert len(work.session.cache) == 3
    other = Work(SyncRunner(), cache_mb=3)
    other.show(0, all_=True)
    other.session.set_cache_size(6)
    assert other.planes.done == 6


def test_a_killed_process_is_taken_up_from_the_folder(tmp_path: Path) -> None:
    killed = Work(store=EmbeddingStore(tmp_path))
    killed.ready(0, all_=True)
    for _ in range(3):
        killed.runner.finish()
    again = Work(SyncRunner(), store=EmbeddingStore(tmp_path))
    again.show(5, all_=True)
    assert again.embedded == [5, 4]
    assert again.planes.done == 6


def test_a_plane_that_was_being_embedded_for_another_folder_is_not_missing(tmp_path: Path) -> None:
    first, then = EmbeddingStore(tmp_path / "first"), EmbeddingStore(tmp_path / "then")
    work = Work(store=first)
    work.ready(0, all_=True)
    work.session.set_store(then)  # while a plane is being embedded
    work.runner.finish_in_turn()
    assert work.planes.done == 6
    assert len(list(then.folder.iterdir())) == 6


def test_an_array_edited_in_place_leaves_no_wrong_entry(tmp_path: Path) -> None:
    work = Work(SyncRunner(), planes=2)
    work.show(0)
    work.show(1)
    for plane in work.views:
        plane.edited = 100
    work.session.set_store(EmbeddingStore(tmp_path))
    work.show(1, all_=True)
    assert work.embedded == [0, 1, 100, 101]


def test_with_a_folder_memory_holds_no_more_than_its_budget(tmp_path: Path) -> None:
    work = Work(SyncRunner(), cache_mb=2, store=EmbeddingStore(tmp_path))
    work.show(0, all_=True)
    assert work.kept == {0, 1}
    assert work.planes.done == 6
    work.show(4)
    assert len(work.embedded) == 6  # plane 4 came from the folder


def test_all_planes_of_an_image_drop_those_of_others_but_none_of_their_own() -> None:
    work = Work(SyncRunner(), cache_mb=6)
    work.show(1)
    for other in (70, 71, 72, 73):
        work.session.update(Request(Plane(other, (8, 8)), place(other), NANO))
    work.show(0, all_=True)
    assert work.kept == set(range(6))
    assert work.embedded.count(1) == 1


def test_a_full_folder_ends_it_with_a_sentence_if_memory_is_too_small(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work = Work(SyncRunner(), cache_mb=3, store=EmbeddingStore(tmp_path / "file"))
    work.show(0, all_=True)
    assert not work.planes.running
    assert "choose a folder" in work.planes.problem
    assert "can't be kept" in work.session.status.store


def test_a_limit_that_is_too_small_is_said_before_it_is_begun(tmp_path: Path) -> None:
    work = Work(SyncRunner(), store=EmbeddingStore(tmp_path, limit_mb=3))
    work.show(0, all_=True)
    assert work.embedded == [0]
    assert "raise its limit" in work.planes.problem


def test_planes_that_can_not_be_read_are_left_out_and_said() -> None:
    work = Work(SyncRunner())
    work.views[3].error = OSError("bad sector")
    work.show(0, all_=True)
    assert work.planes == AllPlanes(5, 6, 6, running=False, problem="bad sector.")


def test_another_model_embeds_all_again() -> None:
    work = Work(SyncRunner())
    work.show(0, all_=True)
    view, tiny = work.views[0], ModelChoice("tiny")
    work.session.update(Request(view, place(0), tiny, all_planes=work.views))
    assert len(work.embedded) == 12


def test_without_live_all_planes_are_embedded_and_nothing_is_predicted() -> None:
    work = Work(SyncRunner())
    work.show(0, Prompt(1, points=[(3, 3)]), live=False)
    assert work.embedded == []
    work.show(0, Prompt(1, points=[(3, 3)]), live=False, all_=True)
    assert work.planes.done == 6
    assert work.session.pending == (1,)
    assert work.factory.predictor.batches == []
    work.session.run()
    assert work.session.pending == ()


def test_without_live_planes_do_not_stop_what_run_started(work: Work) -> None:
    click = Prompt(1, points=[(3, 3)])
    work.show(0, click, live=False)
    work.session.run()
    while work.session.status.state is not State.DECODING:
        work.runner.finish()
    work.show(0, click, live=False, all_=True)
    assert work.runner.states == [State.DECODING]
    work.runner.finish_all()
    assert work.session.pending == ()
    assert work.planes.done == 6


# --- memory ---


def test_what_memory_holds_is_told_to_the_byte_and_kept_when_the_budget_shrinks() -> None:
    work = Work(SyncRunner(), cache_mb=5)
    for plane in range(4):
        work.show(plane)
    memory = work.session.status.memory
    assert (memory.embeddings, memory.nbytes, memory.budget_mb) == (4, 4_000_000, 5)
    work.session.set_cache_size(2.5)
    assert work.session.status.memory.nbytes == 2_000_000
    assert work.kept == {2, 3}


def test_close_ends_it() -> None:
    background = ManualRunner()
    work = Work(background=background)
    work.ready(0, all_=True, ahead=(1,))
    work.session.close()
    assert background.live == []
    assert (work.runner.closed, background.closed) == (1, 1)
