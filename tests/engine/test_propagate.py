"""Following objects through planes: partial results, prompts first, stopped and gone on with."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from tests.engine.watched import NANO, TINY, Watched, click, snap
from tests.fakes import FakeView, ManualRunner, SyncRunner, outcome_of, place

from napari_samv2_prompts.engine import (
    Cancelled,
    Generation,
    Partial,
    Priority,
    Propagation,
    Provenance,
    Results,
    State,
    Stopped,
    WorkUpdate,
)
from napari_samv2_prompts.engine.propagate import _ReadPlanes, counted
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Filled, Found, Guess, History, Section, Wanted
from napari_samv2_prompts.regions import InputSides, Region

COUNT = 9
SQUARE = MaskCrop(20, 30, np.ones((5, 5), bool))
PLANES = [Plane((1, 2), (z, None, None), (64, 64)) for z in range(COUNT)]
PLACES = [place().at(plane) for plane in PLANES]


class Carry:
    """Finds each object a pixel further right on each plane, and looks at the plane."""

    def __init__(self, propagating: Propagating, embed) -> None:
        self._all, self._embed = propagating, embed

    def fitter(self, anchors) -> None:
        """Leave masks as they are."""

    def follow(
        self,
        plane: int,
        histories: Mapping[int, History],
        rivals: Sequence[MaskCrop],
        then: int | None = None,
    ) -> dict[int, Guess]:
        if plane == self._all.fails_at:
            raise OSError("The disk is gone")
        self._all.followed.append(plane)
        whole = Region.whole((64, 64))
        self._embed(plane, whole, None if then is None else (then, whole))
        guesses = {}
        for number, history in histories.items():
            last, crop = history.planes[-1]
            moved = MaskCrop(crop.top, crop.left + plane - last, crop.mask)
            guesses[number] = Guess(moved, 0.9, plane / 100, 0.0)
        return guesses


class Propagating(Watched):
    """A session on a stack in which an object is known on plane 0."""

    def __init__(self, runner: ManualRunner | SyncRunner, **arguments) -> None:
        self.background = type(runner)()
        super().__init__(runner, background=self.background, **arguments)
        self.news: list[WorkUpdate] = []
        self.session.propagated.connect(self.news.append)
        self.views = [FakeView(z) for z in range(COUNT)]
        self.anchors = {1: {0: SQUARE}}
        self.followed: list[int] = []
        self.fails_at = -1

    def show(self, z: int, *prompts, **arguments) -> None:
        request = snap(*prompts, view=self.views[z], **arguments)
        self.session.update(
            type(request)(
                request.view, PLACES[z], request.model, request.prompts, request.live
            )
        )  # fmt: skip

    def propagation(self, found: Found | None = None) -> Propagation:
        return Propagation(
            self.views, NANO, InputSides(64, 64), lambda: self.anchors, Wanted(0, COUNT - 1),
            found or Found(), PLACES, lambda stack, embed, predictor: Carry(self, embed),
        )  # fmt: skip

    @property
    def planes(self) -> list[int]:
        """Planes that were delivered, in order."""
        return [news.part.plane for news in self.news if news.part is not None]


@pytest.fixture
def sync() -> Propagating:
    return Propagating(SyncRunner())


@pytest.fixture
def manual() -> Propagating:
    propagating = Propagating(ManualRunner())
    propagating.show(0)
    propagating.runner.finish_in_turn()
    return propagating


def test_each_plane_comes_by_itself_with_how_far_it_is(sync: Propagating) -> None:
    sync.show(0)
    propagation = sync.propagation()
    sync.session.propagate(propagation)
    assert sync.planes == list(range(1, COUNT))
    *parts, last = sync.news
    assert [(news.done, news.total) for news in parts] == [(n, 8) for n in range(1, COUNT)]
    assert all(news.seconds_left is not None for news in parts)
    assert parts[-1].seconds_left == 0
    assert (last.finished, last.problem) == (True, "")
    assert propagation.found.sections[1][8].crop.left == SQUARE.left + 8
    assert sync.session.propagation is None


def test_it_is_embedded_as_the_window_does_and_nothing_twice(sync: Propagating) -> None:
    sync.show(3)
    sync.session.propagate(sync.propagation())
    assert len(sync.predictor.images) == COUNT - 1, "plane 3 was embedded, plane 0 is not needed"


def test_results_say_that_they_were_propagated_and_how_doubtful_they_are(
    sync: Propagating,
) -> None:
    sync.show(0, click(1, (32, 22)))
    sync.session.propagate(sync.propagation())
    first, *others = [sync.known(place, 1) for place in PLACES]
    assert first.provenance is Provenance.PROMPTED
    assert {result.provenance for result in others} == {Provenance.PROPAGATED}
    assert [result.doubt for result in others] == [z / 100 for z in range(1, COUNT)]
    assert len(sync.results) == 1, "what is propagated is no answer to prompts"
    sync.show(4)
    assert sync.session.result(1).score == pytest.approx(0.9)
    assert sync.removals == []


def test_prompts_come_first_and_it_goes_on_from_where_it_was(manual: Propagating) -> None:
    manual.session.propagate(manual.propagation())
    manual.background.run_to(3)
    manual.show(0, click(2, (9, 9)))
    assert manual.background.live == []
    assert manual.runner.states == [State.DECODING]
    manual.runner.finish()
    assert manual.objects == [[2]]
    assert [task.job.priority for task in manual.background.live] == [Priority.REQUESTED]
    manual.background.finish_all()
    assert manual.planes == list(range(1, COUNT))
    assert manual.news[-1].finished


def test_however_often_it_is_interrupted_the_end_is_the_same() -> None:
    found = []
    for pauses in ((), (1, 1, 1), (4,), (2, 5)):
        manual = Propagating(ManualRunner())
        manual.show(0)
        manual.runner.finish_in_turn()
        propagation = manual.propagation()
        manual.session.propagate(propagation)
        for at, steps in enumerate(pauses):
            manual.background.run_to(steps)
            manual.show(0, click(2, (9 + at, 9)))
            manual.runner.finish_all()
        manual.background.finish_all()
        sections = propagation.found.sections[1]
        found.append({z: (s.crop.box, s.score, s.doubt, s.between) for z, s in sections.items()})
    assert all(other == found[0] for other in found)


def test_a_correction_does_again_what_lies_beside_it_and_nothing_else(
    manual: Propagating,
) -> None:
    propagation = manual.propagation()
    manual.session.propagate(propagation)
    manual.background.finish_all()
    manual.anchors = {1: {0: SQUARE, 6: MaskCrop(20, 40, np.ones((5, 5), bool))}}
    manual.news.clear()
    manual.session.propagate(propagation)
    manual.background.finish_all()
    assert set(manual.planes) == {1, 2, 3, 4, 5, 7, 8}
    manual.news.clear()
    manual.session.propagate(propagation)
    manual.background.finish_all()
    assert manual.planes == []
    assert manual.news[-1].finished


def test_it_stops_at_once_and_goes_on_when_asked_again(manual: Propagating) -> None:
    propagation = manual.propagation()
    manual.session.propagate(propagation)
    manual.background.run_to(2)
    manual.session.cancel()
    assert (manual.news[-1].finished, manual.news[-1].problem) == (True, "")
    assert manual.background.live == []
    assert not manual.session.status.requested
    manual.session.propagate(propagation)
    manual.background.finish_all()
    assert manual.planes == list(range(1, COUNT))


def test_what_is_embedded_ahead_ends_with_it(manual: Propagating) -> None:
    begun, cancelled, ended = (threading.Event() for _ in range(3))
    embed = manual.predictor.embed

    def slow(image, progress=None, image_size=None):
        if threading.current_thread().name.startswith("samv2-prompts-ahead"):
            begun.set()
            assert cancelled.wait(60)  # the plane before has come by then
            try:
                progress(0.5)
            except Cancelled:
                ended.set()
                raise
        return embed(image, progress, image_size)

    manual.predictor.embed = slow
    manual.session.propagate(manual.propagation())
    task = manual.background.jobs[-1][0]

    def cancel(report: object) -> None:
        if isinstance(report, Partial):
            assert begun.wait(60)
            task.cancel()
            cancelled.set()

    task.on_report = cancel
    assert isinstance(outcome_of(task), Stopped)
    assert ended.wait(60)  # nobody waits for it but this test
    assert manual.followed == [1, 2]


def test_where_there_are_walls_following_is_half_of_the_work() -> None:
    crop, partition = MaskCrop(0, 0, np.ones((2, 2), bool)), SimpleNamespace(size=2, missing=2)
    rough, fitted = (Section(crop, 0.9, 0.1, (None, None), rough=rough) for rough in (True, False))
    walls = [Filled(plane, {1: section}) for section in (rough, fitted) for plane in (1, 2)]
    assert [(step.done, step.total) for step in counted(walls, [partition])] == [
        (done, 4) for done in (1, 2, 3, 4)
    ]
    assert [(step.done, step.total) for step in counted(walls[2:], [partition])] == [(1, 2), (2, 2)]


def test_another_model_ends_it_with_a_sentence(manual: Propagating) -> None:
    propagation = manual.propagation()
    manual.session.propagate(propagation)
    manual.background.run_to(2)
    manual.show(0, model=TINY)
    assert "another model" in manual.news[-1].problem
    assert sorted(propagation.found.sections[1]) == [1, 2]
    manual.runner.finish_all()
    assert manual.session.status.state is State.READY


def test_another_plane_does_not_end_it(manual: Propagating) -> None:
    manual.session.propagate(manual.propagation())
    manual.background.run_to(2)
    manual.show(5)
    assert manual.runner.states == [State.EMBEDDING]
    manual.runner.finish()
    manual.background.finish_all()
    assert manual.planes == list(range(1, COUNT))


def test_a_failure_in_the_middle_keeps_what_has_come(sync: Propagating) -> None:
    sync.show(0)
    sync.fails_at = 4
    propagation = sync.propagation()
    sync.session.propagate(propagation)
    assert sync.planes == [1, 2, 3]
    assert sync.news[-1].problem == "The disk is gone."
    assert sync.session.status.state is State.READY
    sync.fails_at = -1
    sync.session.propagate(propagation)
    assert sync.planes == list(range(1, COUNT))


def test_what_the_user_prompted_or_accepted_there_stays_the_users(sync: Propagating) -> None:
    sync.show(3, click(1, (9, 9)))
    sync.show(5, click(1, (9, 9)))
    sync.session.accept()
    sync.show(3, click(1, (8, 9)))
    sync.session.propagate(sync.propagation())
    assert sync.known(PLACES[3], 1).provenance is Provenance.PROMPTED
    assert sync.known(PLACES[5], 1).provenance is Provenance.ACCEPTED


def test_a_prompt_on_a_propagated_plane_is_answered_anew(sync: Propagating) -> None:
    sync.show(0)
    sync.session.propagate(sync.propagation())
    sync.show(4, click(1, (32, 22)))
    assert sync.predictor.batches[-1][0].mask is None
    (results,) = sync.results
    assert isinstance(results, Results)
    assert sync.session.result(1).provenance is Provenance.PROMPTED


def test_results_of_a_large_run_take_no_memory_twice(sync: Propagating) -> None:
    sync.show(0)
    sync.session.propagate(sync.propagation())
    assert sync.session._results.nbytes == 0, "masks are in what was found, and in the labels"


def test_candidates_and_planes_are_worked_off_one_after_the_other(manual: Propagating) -> None:
    generated: list[WorkUpdate] = []
    manual.session.generated.connect(generated.append)
    manual.session.propagate(manual.propagation())
    find = lambda predictor, embedding, view, found: iter([("a",), ("b",)])  # noqa: E731
    manual.session.generate(Generation(manual.views[:1], PLACES[0], NANO, find))
    manual.background.finish_all()
    assert [news.part.candidates for news in generated[:-1]] == [("a",), ("b",), ()]
    assert manual.planes == list(range(1, COUNT))


def test_large_planes_are_read_where_they_are_looked_at(monkeypatch) -> None:
    for pixels, expected in ((2**22, [(64, 64)]), (0, [(2, 3), (4, 4)])):
        monkeypatch.setattr("napari_samv2_prompts.engine.propagate.WHOLE", pixels)
        sizes: list[tuple[int, int]] = []

        class Noted(FakeView):
            def within(self, region: Region, side: int | None) -> FakeView:
                sizes.append(region.size)  # noqa: B023
                return FakeView(self.picture, region=region)

        stack = _ReadPlanes([Noted(z) for z in range(3)])
        where = [(slice(0, 2), slice(1, 4)), (slice(0, 4), slice(0, 4))]
        parts = [stack.read(1, rows, columns) for rows, columns in where]
        assert [part.shape[:2] for part in parts] == [(2, 3), (4, 4)]
        assert sizes == expected
