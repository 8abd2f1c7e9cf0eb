"""Embedding ahead: last of all, dropped at once, within the budget.

All planes of an image are in ``test_all_planes``, the folder that keeps them in ``test_store``.
"""

from __future__ import annotations

import pytest
from tests.engine.ahead import Work
from tests.fakes import ManualRunner, SyncRunner

from napari_samv2_prompts.engine import Cancelled, Priority, State
from napari_samv2_prompts.prompts import Prompt


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
