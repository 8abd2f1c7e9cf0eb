"""The scheduler runs whatever jobs it is given: kinds that nobody has thought of, too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes import ManualRunner, SyncRunner

from napari_samv2_prompts.engine import Cancelled, Done, Job, Partial, Priority, State, Task
from napari_samv2_prompts.engine.scheduler import CANCELLED, Scheduler


class Desk:
    """A scheduler that is to do the first of some jobs; a job that brings its result leaves."""

    def __init__(self, runner: Any = None, background: Any = None) -> None:
        self.runner, self.background = runner or ManualRunner(), background or ManualRunner()
        self.wanted: list[Job[Any]] = []
        self.results: list[object] = []
        self.partials: list[object] = []
        self.errors: list[BaseException | None] = []
        self.told: list[tuple[State, str]] = []
        self.scheduler = Scheduler(
            lambda: self.wanted,
            lambda state, reason="", progress=None: self.told.append((state, reason)),
            self.runner,
            self.background,
        )

    def job(self, name: str, run: Callable[[Task], object] | None = None, **arguments) -> Job[Any]:
        def on_result(value: object) -> None:
            self.results.append(value)
            self.wanted = [job for job in self.wanted if job.key != name]

        work = run or (lambda task: name)
        return Job(name, work, on_result, on_partial=self.partials.append, **arguments)

    def want(self, *jobs: Job[Any]) -> None:
        self.wanted = list(jobs)
        self.scheduler.advance()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def count_to_three(task: Task) -> str:
    for number in range(3):
        task.deliver(number)
    return "counted"


def test_jobs_are_done_one_after_the_other_and_then_it_is_ready() -> None:
    desk = Desk(SyncRunner())
    desk.want(*(desk.job(name, state=State.EMBEDDING) for name in "abc"))
    assert desk.results == ["a", "b", "c"]
    assert desk.told[-1][0] is State.READY


def test_a_thousand_jobs_that_are_done_at_once_do_not_pile_up() -> None:
    desk = Desk(SyncRunner())
    desk.want(*(desk.job(str(n)) for n in range(1000)))
    assert len(desk.results) == 1000


def test_what_somebody_waits_for_runs_beside_what_is_done_in_the_background(desk: Desk) -> None:
    slow, quick = desk.job("slow", priority=Priority.REQUESTED), desk.job("quick")
    desk.want(slow)
    desk.want(quick, slow)
    assert [task.job.key for task in desk.runner.live] == ["quick"]
    assert desk.background.tasks[0].cancelled
    desk.runner.finish()
    assert [task.job.key for task in desk.background.live] == ["slow"]


def test_partial_results_come_before_the_result() -> None:
    desk = Desk(SyncRunner())
    desk.want(desk.job("count", count_to_three))
    assert (desk.partials, desk.results) == ([0, 1, 2], ["counted"])


@pytest.mark.parametrize("keeps_late", [False, True])
def test_what_comes_late_counts_if_the_job_says_so(desk: Desk, keeps_late: bool) -> None:
    late = desk.job("late", count_to_three, keeps_late=keeps_late)
    desk.want(late)
    task, on_done, on_report = desk.runner.jobs[0]
    desk.want(desk.job("next"))
    task.on_report = None
    on_report(task, Partial("part"))
    on_done(task, Done("whole"))
    assert (desk.partials, desk.results) == ((["part"], ["whole"]) if keeps_late else ([], []))
    assert [task.job.key for task in desk.runner.live] == ["next"]


def test_a_job_that_is_cancelled_stops_where_it_delivers() -> None:
    task = Task(Job("key", count_to_three))
    task.cancel()
    with pytest.raises(Cancelled):
        task.job.run(task)


def test_equal_work_goes_on_and_is_delivered_as_the_newest_value_says(desk: Desk) -> None:
    guess = Job("key", lambda task: "key", desk.errors.append, Priority.PREFETCH)
    desk.want(guess)
    desk.want(desk.job("key", state=State.EMBEDDING))
    assert desk.scheduler.busy
    assert desk.told[-1] == (State.EMBEDDING, "")
    desk.background.finish()
    assert (desk.results, desk.errors) == (["key"], [])


def test_a_job_that_is_still_useful_is_finished_first(desk: Desk) -> None:
    useful = [True]
    first = desk.job("first", still_useful=lambda: useful[0])
    desk.want(first)
    desk.want(desk.job("second"))
    assert [task.job.key for task in desk.runner.live] == ["first"]
    useful[0] = False
    desk.scheduler.advance()
    assert [task.job.key for task in desk.runner.live] == ["second"]


def test_a_job_answers_for_its_own_failure_if_it_wants_to(desk: Desk) -> None:
    def leave_out(error: BaseException | None) -> None:
        desk.errors.append(error)
        desk.wanted = [desk.job("other")]

    desk.want(desk.job("bad", on_error=leave_out))
    desk.runner.fail(OSError("bad sector"))
    assert str(desk.errors[0]) == "bad sector"
    assert [task.job.key for task in desk.runner.live] == ["other"]
    assert State.FAILED not in [state for state, _ in desk.told]


def test_a_failure_or_a_cancel_is_told_again_after_another_job_ran(desk: Desk) -> None:
    bad, brief = desk.job("bad"), desk.job("brief", on_error=desk.errors.append)
    desk.want(bad)
    desk.scheduler.cancel()
    desk.want(brief, bad)
    desk.runner.finish()
    assert desk.told[-1] == (State.IDLE, CANCELLED)
    assert [task.job.key for task in desk.runner.live] == []
    assert desk.scheduler.retry()
    desk.scheduler.advance()
    assert [task.job.key for task in desk.runner.live] == ["bad"]


def test_what_can_be_done_without_it_goes_on_beside_a_failure(desk: Desk) -> None:
    bad = desk.job("bad")
    slow = desk.job("slow", priority=Priority.REQUESTED, on_error=desk.errors.append)
    desk.want(bad, slow)
    desk.runner.fail(OSError("bad sector"))
    assert desk.told[-1] == (State.FAILED, "bad sector.")
    assert [task.job.key for task in desk.background.live] == ["slow"]
    desk.background.finish()
    assert desk.told[-1] == (State.FAILED, "bad sector.")
    assert desk.runner.jobs == []


def test_only_what_nobody_asked_for_makes_way(desk: Desk) -> None:
    for priority, stopped in ((Priority.REQUESTED, False), (Priority.PREFETCH, True)):
        desk.want(desk.job(str(priority), priority=priority))
        desk.scheduler.make_way()
        assert desk.background.tasks[-1].cancelled is stopped


def test_once_closed_nothing_starts_and_nothing_is_told(desk: Desk) -> None:
    desk.want(desk.job("a"))
    told = len(desk.told)
    desk.scheduler.close()
    desk.runner.finish()
    desk.want(desk.job("b"))
    assert (desk.results, len(desk.told), desk.runner.jobs) == ([], told, [])
