from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QTimer
from tests.qt.slow import workers

from napari_samv2_prompts._qt.threads import QtRunner
from napari_samv2_prompts.engine import (
    Done,
    Failed,
    Job,
    Outcome,
    Partial,
    Progress,
    Report,
    State,
    Stopped,
    Task,
)

pytestmark = pytest.mark.usefixtures("qapp")


class Post:
    """What a runner delivered, and in which thread."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.progress: list[Report] = []
        self.threads: set[int] = set()

    def done(self, task: Task, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.threads.add(threading.get_ident())

    def told(self, task: Task, progress: Report) -> None:
        self.progress.append(progress)
        self.threads.add(threading.get_ident())


@pytest.fixture
def runner() -> Iterator[QtRunner]:
    runner = QtRunner()
    yield runner
    runner.close()


def submit(runner: QtRunner, post: Post, work, state: State | None = None) -> Task:
    task = Task(Job("key", work, state=state))
    runner.submit(task, post.done, post.told)
    return task


def test_work_is_done_elsewhere_and_delivered_here(qtbot, runner: QtRunner) -> None:
    post = Post()
    submit(runner, post, lambda task: threading.get_ident())
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    (outcome,) = post.outcomes
    assert isinstance(outcome, Done)
    assert outcome.value != threading.get_ident()
    assert post.threads == {threading.get_ident()}


def test_progress_arrives_before_the_result(qtbot, runner: QtRunner) -> None:
    post = Post()
    submit(runner, post, lambda task: task.report(0.5, "half"), State.EMBEDDING)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert post.progress == [Progress(0.5, "half")]


def test_parts_are_handed_over_one_at_a_time_however_quickly_they_come(
    qtbot, runner: QtRunner
) -> None:
    post, taken = Post(), []

    def work(task: Task) -> None:
        for part in range(5):
            task.deliver(part)
            taken.append(len(post.progress))

    submit(runner, post, work)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert [part.value for part in post.progress] == list(range(5))
    assert all(count >= part for part, count in enumerate(taken)), taken


def test_between_two_parts_the_window_hears_of_everything_else(qtbot, runner: QtRunner) -> None:
    rounds, heard, posted = [], [], threading.Event()
    timer = QTimer()
    timer.timeout.connect(lambda: rounds.append(1))

    class Slow(Post):
        def told(self, task: Task, progress: Report) -> None:
            heard.append(len(rounds))
            time.sleep(0.02)

    def work(task: Task) -> None:
        task.deliver(1)
        runner._queue.post(lambda: time.sleep(0.05))  # meanwhile the next part comes
        posted.set()
        task.deliver(2)

    post = Slow()
    submit(runner, post, work)
    assert posted.wait(30)
    timer.start(30)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    timer.stop()
    assert heard[0] < heard[1]


def test_work_does_not_wait_for_a_window_that_is_gone(qtbot, runner: QtRunner) -> None:
    post, going = Post(), threading.Event()

    def work(task: Task) -> None:
        task.deliver(1)
        going.wait(60)
        task.deliver(2)
        task.deliver(3)

    submit(runner, post, work)
    qtbot.waitUntil(lambda: len(post.progress) == 1)
    runner.close()
    going.set()
    qtbot.waitUntil(lambda: workers() == [])
    assert len(post.progress) == 1


def test_the_window_is_not_woken_for_progress_that_nobody_is_told(qtbot, runner: QtRunner) -> None:
    post = Post()
    submit(runner, post, lambda task: task.report(0.5, "half"))
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert post.progress == []


def test_partial_results_arrive_in_order_and_before_the_end(qtbot, runner: QtRunner) -> None:
    post = Post()

    def work(task: Task) -> None:
        for number in range(3):
            task.deliver(number)

    submit(runner, post, work)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert [part.value for part in post.progress if isinstance(part, Partial)] == [0, 1, 2]
    assert post.threads == {threading.get_ident()}


def test_an_error_is_delivered_as_a_value_and_logged(qtbot, runner: QtRunner, caplog) -> None:
    post = Post()
    submit(runner, post, lambda task: 1 / 0)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    (outcome,) = post.outcomes
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert outcome.error.__traceback__ is None
    assert "ZeroDivisionError" in caplog.text


class Panic(BaseException):
    """What a library in Rust raises: no Exception."""


def test_a_panic_of_a_library_is_an_error_like_any_other(qtbot, runner: QtRunner) -> None:
    def panic(task: Task) -> None:
        raise Panic("index out of bounds")

    post = Post()
    submit(runner, post, panic)
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert isinstance(post.outcomes[0], Failed)


def test_one_task_at_a_time_in_order(qtbot, runner: QtRunner) -> None:
    post, running, seen = Post(), [], []

    def work(task: Task) -> None:
        running.append(task)
        time.sleep(0.01)
        seen.append(len(running))
        running.remove(task)

    for _ in range(5):
        submit(runner, post, work)
    qtbot.waitUntil(lambda: len(post.outcomes) == 5)
    assert seen == [1] * 5


def test_a_task_cancelled_before_its_turn_does_nothing(qtbot, runner: QtRunner) -> None:
    post, go, ran = Post(), threading.Event(), []
    submit(runner, post, lambda task: go.wait(60))
    submit(runner, post, lambda task: ran.append(1)).cancel()
    go.set()
    qtbot.waitUntil(lambda: len(post.outcomes) == 2)
    assert ran == []
    assert isinstance(post.outcomes[1], Stopped)


def test_a_task_stops_where_it_reports(qtbot, runner: QtRunner) -> None:
    post, started = Post(), threading.Event()

    def work(task: Task) -> None:
        started.set()
        for _ in range(1000):
            time.sleep(0.005)
            task.report(0.1)

    task = submit(runner, post, work)
    started.wait(60)
    task.cancel()
    qtbot.waitUntil(lambda: len(post.outcomes) > 0)
    assert isinstance(post.outcomes[0], Stopped)


def test_after_close_nothing_is_delivered_and_the_thread_ends(qtbot) -> None:
    runner, post, go = QtRunner(), Post(), threading.Event()
    before = set(workers())  # those of other tests may just be ending
    submit(runner, post, lambda task: go.wait(60))
    qtbot.waitUntil(lambda: len(set(workers()) - before) == 1)
    runner.close()
    runner.close()
    assert set(workers()) - before  # nobody waited for what it is doing
    go.set()
    qtbot.waitUntil(lambda: not set(workers()) - before)
    qtbot.wait(20)
    assert post.outcomes == []
