"""Outlines before a click: newest first, one at a time, never in the way of real work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from skimage.draw import polygon2mask
from tests.fakes import Factory, FakeView, ManualRunner, place

from napari_samv2_prompts.engine import ModelChoice, Outline, Request, Session, State
from napari_samv2_prompts.engine.preview import outline_of
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.regions import Region
from napari_samv2_prompts.samv2.inference.enlarge import crop_mask


def click(x: float, y: float = 30, number: int = 1) -> Prompt:
    return Prompt.of(number, points=[[x, y]])


def snapshot(*prompts: Prompt, view: str = "a") -> Request:
    return Request(FakeView(view), place("here"), ModelChoice(), PromptBatch(prompts))


class Ready:
    """A session with its picture embedded."""

    def __init__(self) -> None:
        self.runner, self.factory = ManualRunner(), Factory()
        self.session = Session(self.factory, self.runner)
        self.shown: list[Outline | None] = []
        self.results: list[object] = []
        self.session.preview.changed.connect(self.shown.append)
        self.session.decoded.connect(self.results.append)
        self.session.update(snapshot())
        self.runner.finish_all()

    @property
    def asked(self) -> list[float]:
        return [float(prompt.points[-1, 0]) for prompt in self.factory.predictor.previews]


@pytest.fixture
def ready() -> Ready:
    return Ready()


def test_at_most_one_outline_is_in_work_and_the_newest_question_comes_next(ready: Ready) -> None:
    for x in (10, 11, 12, 13):
        ready.session.preview.ask(click(x))
    assert len(ready.runner.jobs) == 1
    ready.runner.finish_all()
    assert ready.asked == [10, 13]


def test_an_outline_is_there_before_anything_was_predicted_at_a_place(ready: Ready) -> None:
    ready.session.update(replace(snapshot(), place=place("elsewhere"), live=False))
    ready.session.preview.ask(click(20))
    ready.runner.finish_all()
    assert ready.asked == [20]


def test_an_outline_surrounds_what_the_click_would_give(ready: Ready) -> None:
    ready.session.preview.ask(click(20))
    ready.runner.finish_all()
    (outline,) = ready.shown
    (line,) = outline.lines
    np.testing.assert_allclose(np.hypot(*(line - (20, 30)).T), 5, atol=0.8)  # the fake's radius


def test_previews_are_neither_results_nor_remembered(ready: Ready) -> None:
    ready.session.preview.ask(click(20))
    ready.runner.finish_all()
    assert ready.results == []
    assert ready.session.result(1) is None
    assert ready.session.status.state is State.READY


def test_a_prompt_drops_the_preview_and_nothing_is_asked_while_it_is_answered(
    ready: Ready,
) -> None:
    hover = ready.session.preview
    hover.ask(click(20))
    ready.session.update(snapshot(click(40)))
    assert [task.cancelled for task in ready.runner.tasks] == [True, False]
    hover.ask(click(41))
    ready.runner.finish_all()  # the cancelled one, and then at once the prompt
    assert ready.asked == []
    assert ready.shown == []
    assert len(ready.results) == 1


def test_dropping_hides_what_is_shown_and_what_is_on_its_way(ready: Ready) -> None:
    hover = ready.session.preview
    hover.ask(click(20))
    ready.runner.finish_all()
    hover.drop()
    hover.drop()
    assert [outline is None for outline in ready.shown] == [False, True]
    hover.ask(click(21))
    hover.drop()
    ready.runner.finish_all()
    assert len(ready.shown) == 2


def test_without_an_embedding_there_is_no_preview(ready: Ready) -> None:
    ready.session.update(snapshot(view="b"))
    ready.runner.jobs.clear()  # embedding goes on
    ready.session.preview.ask(click(20))
    assert ready.runner.jobs == []
    ready.session.update(None, "3D")
    ready.session.preview.ask(click(20))
    assert ready.runner.jobs == []


def test_what_is_embedded_ahead_makes_way_and_goes_on_afterwards(ready: Ready) -> None:
    neighbour = FakeView("b")
    ready.session.update(replace(snapshot(), neighbours=(neighbour,)))
    ready.session.preview.ask(click(20))
    assert [task.cancelled for task in ready.runner.tasks] == [True, False]
    ready.runner.finish_all()
    assert ready.asked == [20]
    assert neighbour.reads == ["b"]
    assert ready.shown[-1] is not None


def test_a_preview_in_a_part_of_the_plane_stands_where_the_part_is(ready: Ready) -> None:
    part = FakeView("a", size=(200, 300), region=Region(40, 100, 140, 200))
    ready.session.update(Request(part, place("here"), ModelChoice()))
    ready.runner.finish_all()
    ready.session.preview.ask(click(150, 90))
    ready.session.preview.ask(click(20, 20))  # outside
    ready.runner.finish_all()
    (line,) = ready.shown[0].lines if ready.shown[0] else ready.shown[-1].lines
    np.testing.assert_allclose(line.mean(axis=0), (150, 90), atol=0.5)
    assert ready.shown[-1] is None


def test_one_more_click_on_an_object_goes_on_from_its_mask(ready: Ready) -> None:
    first = click(20)
    ready.session.update(snapshot(first))
    ready.runner.finish_all()
    more = Prompt.of(1, points=[[20, 30], [28, 30]])
    ready.session.preview.ask(more)
    ready.session.preview.ask(more)
    ready.runner.finish_all()
    assert all(prompt.mask is not None for prompt in ready.factory.predictor.previews)
    ready.session.preview.ask(click(28))  # does not say what was said before: anew
    ready.runner.finish_all()
    assert ready.factory.predictor.previews[-1].mask is None


def test_a_failed_preview_is_nobodys_business(ready: Ready) -> None:
    ready.session.preview.ask(click(20))
    ready.runner.fail(RuntimeError("no"))
    assert ready.session.status.state is State.READY
    ready.session.preview.ask(click(21))
    ready.runner.finish_all()
    assert ready.shown[-1] is not None


def test_a_closed_session_shows_nothing(ready: Ready) -> None:
    ready.session.preview.ask(click(20))
    ready.session.close()
    ready.runner.finish_all()
    assert ready.shown == []


@pytest.mark.parametrize("size", [(64, 64), (150, 90), (500, 700)])
def test_the_outline_is_the_border_of_the_enlarged_mask(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(3).normal(size=(64, 64))
    logits = (40 * ndimage.gaussian_filter(noise, 6)).astype(np.float32)
    filled = np.zeros(size, bool)
    for line in outline_of(logits, size).lines:
        assert (line[0] == line[-1]).all()
        filled ^= polygon2mask(size, line[:, ::-1])  # holes are lines of their own
    truth = crop_mask(logits, size).full(size)
    assert (filled & truth).sum() / (filled | truth).sum() > 0.99
