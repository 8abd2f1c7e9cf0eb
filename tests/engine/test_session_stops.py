"""A session that waits for *Run*, fails, is cancelled or closed, and what it says then.

Work in the background that stops is in ``test_generate``, ``test_propagate`` and
``test_all_planes``.
"""

from __future__ import annotations

import pytest
from tests.engine.watched import NANO, TINY, Watched, click, snap
from tests.fakes import FakeView

from napari_samv2_prompts.engine import AtOnce, Job, State, Task
from napari_samv2_prompts.engine.jobs import sentence

# --- by hand ---


def test_nothing_is_done_before_run_when_not_live(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), live=False))
    assert sync.statuses == []
    sync.session.run()
    assert sync.objects == [[1]]
    sync.session.update(snap(click(1, (6, 5)), live=False))
    assert sync.objects == [[1]]
    assert sync.session.pending == (1,)


def test_an_object_without_prompts_is_forgotten_also_when_not_live(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5))))
    sync.session.update(snap(live=False))
    assert sync.session.result(1) is None
    sync.session.update(snap(click(1, (5, 5)), live=False))
    assert sync.session.pending == (1,)
    before = len(sync.results)
    sync.session.run()
    assert len(sync.results) == before + 1


def test_run_predicts_what_has_changed_and_else_everything(sync: Watched) -> None:
    sync.session.update(snap(click(1, (5, 5)), live=False))
    sync.session.run()
    sync.session.update(snap(click(1, (5, 5)), click(2, (9, 9)), live=False))
    sync.session.run()
    sync.session.run()
    assert sync.objects == [[1], [2], [1, 2]]
    assert all(prompt.mask is None for prompt in sync.predictor.batches[-1])


def test_run_before_there_is_anything_does_nothing(sync: Watched) -> None:
    sync.session.run()
    assert sync.statuses == []


def test_work_that_is_done_at_once_is_told_of_its_task() -> None:
    ended: list[object] = []
    task = Task(Job("key", lambda task: task))
    AtOnce().submit(task, lambda *end: ended.extend(end), lambda *_: None)
    done, outcome = ended
    assert done is outcome.value is task


# --- failing and cancelling ---


def test_a_failure_says_why_and_is_not_tried_again_by_itself(sync: Watched) -> None:
    sync.factory.error = ValueError("The file is broken: choose another")
    sync.session.update(snap())
    sync.session.update(snap(click(1, (5, 5))))
    assert sync.session.status.state is State.FAILED
    assert sync.session.status.reason == "The file is broken: choose another."
    assert sync.states.count(State.LOADING) == 1


def test_run_tries_again_after_a_failure(sync: Watched) -> None:
    sync.factory.error = ValueError("no network")
    sync.session.update(snap(click(1, (5, 5))))
    sync.factory.error = None
    sync.session.run()
    assert sync.objects == [[1]]


def test_another_model_is_tried_after_a_failure(sync: Watched) -> None:
    sync.factory.error = ValueError("no network")
    sync.session.update(snap(model=TINY))
    sync.factory.error = None
    sync.session.update(snap(model=NANO))
    assert sync.session.status.state is State.READY


def test_another_plane_works_after_one_could_not_be_read(sync: Watched) -> None:
    sync.session.update(snap(view=FakeView("bad", error=OSError("disk gone"))))
    assert sync.session.status.state is State.FAILED
    sync.session.update(snap(view="good"))
    assert sync.session.status.state is State.READY


def test_cancel_stops_and_stays_stopped_until_run(manual: Watched) -> None:
    manual.session.update(snap())
    manual.runner.finish()
    manual.session.cancel()
    assert manual.runner.tasks[0].cancelled
    status = manual.session.status
    assert (status.state, status.reason) == (State.IDLE, "Cancelled. Press Run to go on.")
    manual.session.update(snap(click(1, (5, 5))))
    assert len(manual.runner.tasks) == 1
    manual.runner.jobs.clear()
    manual.session.run()
    manual.runner.finish_all()
    assert manual.objects == [[1]]


def test_no_wish_stops_the_work_and_says_why(manual: Watched) -> None:
    manual.session.update(snap())
    manual.session.update(None, "There is no image.")
    assert manual.runner.tasks[0].cancelled
    assert (manual.session.status.state, manual.session.status.reason) == (
        State.IDLE, "There is no image."
    )  # fmt: skip
    manual.session.update(None)
    assert manual.session.status.reason == ""


def test_close_is_idempotent_stops_the_work_and_ends_the_news(manual: Watched) -> None:
    manual.session.update(snap(click(1, (5, 5))))
    before = len(manual.statuses)
    manual.session.close()
    manual.session.close()
    manual.runner.finish()
    manual.session.update(snap(view="b"))
    manual.session.run()
    assert manual.runner.closed == 1
    assert manual.runner.jobs == []
    assert len(manual.statuses) == before


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "smaller model"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller model"),
        (RuntimeError("[enforce fail] not enough memory: you tried to"), "smaller model"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "smaller model"),
        (ValueError("Choose a\n file"), "Choose a file."),
        (ValueError("Choose a file."), "Choose a file."),
        (KeyError("x"), "KeyError: 'x'"),
        (IndexError(), "IndexError: no details"),
    ],
)
def test_errors_become_one_sentence(error: Exception, words: str) -> None:
    text = sentence(error)
    assert words in text
    assert "\n" not in text
    assert text.endswith(".")
    assert not text.endswith("..")


@pytest.mark.parametrize("end", [".", "!", "?"])
def test_what_is_a_sentence_already_stays_as_it_is(end: str) -> None:
    assert sentence(ValueError(f"Choose a file{end}")) == f"Choose a file{end}"
