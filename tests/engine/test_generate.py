"""Work that was asked for in the background: prompts first, stopped at once, gone on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from tests.engine.watched import NANO, TINY, Watched, click, snap
from tests.fakes import FakePredictor, FakeView, ManualRunner, SyncRunner, place

from napari_samv2_prompts.engine import (
    Chunk,
    Generation,
    Partial,
    Priority,
    State,
    Step,
    WorkUpdate,
    with_time,
)

Numbers = tuple[int, ...]


class Finder:
    """Finds the numbers from 0 to 9, two at a time; fails at one of them if told to."""

    def __init__(self) -> None:
        self.fails_at = 99
        self.begun_with: list[Numbers] = []

    def __call__(
        self, predictor: FakePredictor, embedding: object, view: int, found: Sequence[int]
    ) -> Iterator[Numbers]:
        self.begun_with.append(tuple(found))
        left = [n for n in range(10) if n not in found]
        for start in range(0, len(left), 2):
            if self.fails_at in left[start : start + 2]:
                raise OSError("The disk is gone")
            yield tuple(left[start : start + 2])


class Looking(Watched):
    """A session that may look for candidates in view "a" with a worker of its own."""

    def __init__(self, runner: ManualRunner | SyncRunner) -> None:
        self.background = type(runner)()
        super().__init__(runner, background=self.background)
        self.news: list[WorkUpdate] = []
        self.session.generated.connect(self.news.append)
        self.find = Finder()
        self.view = FakeView("a")

    def generation(self, **changes) -> Generation:
        return replace(Generation([self.view], place(), NANO, self.find), **changes)

    @property
    def found(self) -> list[int]:
        return [n for news in self.news if news.part for n in news.part.candidates]


@pytest.fixture
def sync() -> Looking:
    return Looking(SyncRunner())


@pytest.fixture
def manual() -> Looking:
    looking = Looking(ManualRunner())
    looking.session.update(snap(view=looking.view))
    looking.runner.finish_in_turn()
    return looking


def test_candidates_come_chunk_by_chunk_and_then_the_end(sync: Looking) -> None:
    sync.session.update(snap(view=sync.view))
    generation = sync.generation()
    sync.session.generate(generation)
    *parts, end, over = [news.part for news in sync.news]
    assert [part.candidates for part in parts] == [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9)]
    assert (end, over) == (Chunk(0, whole=True), None)
    assert [news.finished for news in sync.news] == [False] * 6 + [True]
    assert generation.found[0] == list(range(10))
    assert sync.session.generation is None
    assert len(sync.predictor.images) == 1, "the picture on screen was embedded already"


def test_the_user_is_told_ready_and_that_something_goes_on(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    assert [task.job.priority for task in manual.background.live] == [Priority.REQUESTED]
    status = manual.session.status
    assert (status.state, status.busy, status.requested) == (State.READY, False, True)
    manual.background.finish_all()
    assert not manual.session.status.requested


def test_prompts_come_first_and_it_goes_on_from_where_it_was(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.background.run_to(2)
    manual.session.update(snap(click(1, (5, 5)), view=manual.view))
    assert manual.background.live == []
    assert manual.runner.states == [State.DECODING]
    manual.runner.finish()
    assert manual.objects == [[1]]
    manual.background.finish_all()
    assert manual.find.begun_with == [(), (0, 1, 2, 3)]
    assert manual.found == list(range(10))


def test_what_a_stopped_job_still_brings_is_found_again_and_not_twice(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    task, _, on_report = manual.background.jobs[0]
    manual.session.update(snap(click(1, (5, 5)), view=manual.view))
    task.on_report = None
    for part in Finder()(manual.predictor, None, 0, ()):
        on_report(task, Partial((Step(Chunk(0, part)), None)))
    assert manual.found == []
    manual.runner.finish()
    manual.background.finish_all()
    assert manual.found == list(range(10))


def test_a_preview_does_not_stop_it(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.session.preview.ask(click(1, (5, 5)))
    assert len(manual.background.live) == 1


@pytest.mark.parametrize("by", ["generate", "cancel"])
def test_it_stops_at_once_and_what_was_found_is_kept(manual: Looking, by: str) -> None:
    generation = manual.generation()
    manual.session.generate(generation)
    manual.background.run_to(3)
    if by == "cancel":
        manual.session.cancel()
    else:
        manual.session.generate(None)
    assert manual.news[-1].finished
    assert manual.news[-1].problem == ""
    assert manual.background.live == []
    assert generation.found[0] == manual.found == [0, 1, 2, 3, 4, 5]
    assert manual.session.status.state is State.READY
    manual.session.generate(generation)
    manual.background.finish_all()
    assert generation.found[0] == list(range(10))


def test_cancel_stops_what_somebody_waits_for_first(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.session.update(snap(click(1, (5, 5)), view=manual.view))
    manual.session.cancel()
    assert manual.session.status.state is State.IDLE
    assert manual.session.generation is not None


def test_another_plane_does_not_end_it(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.background.run_to(1)
    manual.session.update(snap(view="another plane", at="there"))
    assert manual.runner.states == [State.EMBEDDING]
    manual.runner.finish()
    assert manual.session.status.state is State.READY
    manual.background.finish_all()
    assert manual.found == list(range(10))


def test_another_model_ends_it_with_a_sentence(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.background.run_to(2)
    manual.session.update(snap(view=manual.view, model=TINY))
    assert manual.news[-1].finished
    assert "another model" in manual.news[-1].problem
    assert manual.found == [0, 1, 2, 3]
    manual.runner.finish_all()
    assert manual.session.status.state is State.READY
    assert manual.background.live == []


def test_a_failure_in_the_middle_keeps_what_has_come(sync: Looking) -> None:
    sync.session.update(snap(view=sync.view))
    sync.find.fails_at = 5
    generation = sync.generation()
    sync.session.generate(generation)
    assert generation.found[0] == [0, 1, 2, 3]
    assert sync.news[-1].finished
    assert sync.news[-1].problem == "The disk is gone."
    assert sync.session.status.state is State.READY
    sync.find.fails_at = 99
    sync.session.generate(generation)
    assert generation.found[0] == list(range(10))
    assert sync.find.begun_with == [(), (0, 1, 2, 3)]


def test_a_new_request_ends_the_one_before(manual: Looking) -> None:
    first, second = manual.generation(), manual.generation(views=[FakeView("b")])
    manual.session.generate(first)
    manual.session.generate(second)
    assert [(news.request, news.finished) for news in manual.news] == [(first, True)]
    manual.background.finish_all()
    assert first.found == {}
    assert second.found[0] == list(range(10))
    assert len(manual.predictor.images) == 2


def test_it_goes_on_also_while_live_is_off_and_predicts_nothing(sync: Looking) -> None:
    sync.session.update(snap(click(1, (5, 5)), view=sync.view, live=False))
    sync.session.generate(sync.generation())
    assert sync.found == list(range(10))
    assert sync.results == []
    assert sync.session.pending == (1,)


def test_it_goes_on_without_a_picture_on_screen(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.session.update(None, "This is 3D.")
    manual.background.finish_all()
    assert manual.found == list(range(10))
    assert (manual.session.status.state, manual.session.status.reason) == (
        State.IDLE,
        "This is 3D.",
    )
    assert not manual.session.status.requested
    manual.session.generate(manual.generation())
    manual.session.generate(None)
    assert manual.background.live == []


def test_its_model_is_loaded_without_a_picture_on_screen() -> None:
    looking = Looking(ManualRunner())
    looking.session.update(snap(view=looking.view))
    looking.session.generate(looking.generation())
    looking.session.update(None)
    while looking.runner.jobs or looking.background.jobs:
        looking.runner.finish_all()
        looking.background.finish_all()
    assert looking.found == list(range(10))
    assert looking.session.status.state is State.IDLE


@pytest.mark.parametrize("shown", [True, False])
def test_without_its_model_it_ends_and_says_why(shown: bool) -> None:
    looking = Looking(SyncRunner())
    looking.factory.error = OSError("The weights are gone")
    looking.session.generate(looking.generation())
    if shown:
        looking.session.update(snap(view=looking.view))
    assert looking.session.generation is None
    assert looking.news[-1].problem == "The weights are gone."
    looking.session.generate(looking.generation())  # once more
    assert looking.session.generation is None
    assert len(looking.news) == 2


def test_a_cancel_of_loading_its_model_ends_it_as_well() -> None:
    looking = Looking(ManualRunner())
    looking.session.update(snap(view=looking.view))
    looking.session.generate(looking.generation())
    looking.session.cancel()
    assert looking.session.generation is None
    assert looking.news[-1].problem == ""


def test_it_goes_on_after_a_prompt_failed_and_can_be_stopped_then(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.session.update(snap(click(1, (5, 5)), view=manual.view))
    manual.runner.fail(OSError("The disk is gone"))
    assert manual.session.status.state is State.FAILED
    assert len(manual.background.live) == 1
    manual.background.run_to(2)
    manual.session.cancel()
    assert manual.background.live == []
    assert manual.news[-1].finished
    manual.session.generate(manual.generation())
    manual.background.finish_all()
    assert manual.news[-1].finished
    assert manual.runner.jobs == [], "what failed is not tried again by itself"
    assert manual.session.status.state is State.FAILED
    manual.session.run()
    manual.runner.finish()
    assert manual.objects == [[1]]


def test_a_closed_session_tells_nothing_more(manual: Looking) -> None:
    manual.session.generate(manual.generation())
    manual.session.close()
    manual.background.finish()
    manual.session.generate(manual.generation())
    assert manual.news == []


def test_what_is_done_elsewhere_is_taken_like_our_own_and_the_rest_is_done_here(
    manual: Looking,
) -> None:
    generation = manual.generation(views=[manual.view, FakeView("b")])
    manual.session.generate(generation, elsewhere=True)
    assert manual.background.jobs == []
    steps = [Step(Chunk(1, tuple(range(10)))), Step(Chunk(1, whole=True), 1, 2)]
    for timed in with_time(steps):
        manual.session.take(generation, timed)
    assert manual.news[-1].seconds_left is not None
    manual.session.update(snap(click(1, (5, 5)), view=manual.view))
    manual.runner.finish()
    assert manual.objects == [[1]], "prompts are answered meanwhile"
    assert not any(news.finished for news in manual.news)
    manual.session.come_back(generation)
    manual.background.finish_all()
    assert generation.found == {0: list(range(10)), 1: list(range(10))}
    assert manual.find.begun_with == [()], "what was done elsewhere is not done again"
    assert [news.finished for news in manual.news][-2:] == [False, True]


def test_what_comes_from_elsewhere_after_the_end_is_dropped(manual: Looking) -> None:
    generation = manual.generation()
    manual.session.generate(generation, elsewhere=True)
    manual.session.generate(None)
    manual.session.take(generation, (Step(Chunk(0, (1, 2))), None))
    manual.session.come_back(generation)
    assert manual.background.jobs == []
    assert generation.found == {}
    assert [news.finished for news in manual.news] == [True]


def test_what_is_ended_while_nothing_can_be_done_is_asked_for_no_more(manual: Looking) -> None:
    manual.session.update(snap())
    manual.session.generate(manual.generation())
    manual.session.update(None, "There is no image")
    assert manual.session.status.requested
    manual.session.generate(None)
    assert not manual.session.status.requested
    assert manual.session.status.reason == "There is no image"
