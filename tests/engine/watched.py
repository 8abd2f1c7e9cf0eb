"""A session on fake models, and short names for what is asked of it."""

from __future__ import annotations

import itertools

from tests.fakes import Factory, FakeView, ManualRunner, SyncRunner, place

from napari_samv2_prompts.engine import (
    ModelChoice,
    ObjectResult,
    Place,
    Removal,
    Request,
    Results,
    Session,
    State,
    Status,
)
from napari_samv2_prompts.prompts import Prompt, PromptBatch

NANO, TINY = ModelChoice("nano"), ModelChoice("tiny")


def click(number: int, *xy: tuple[float, float], labels: list[int] | None = None) -> Prompt:
    return Prompt(number, points=xy, labels=labels)


def box(number: int, *corners: float) -> Prompt:
    return Prompt(number, box=corners)


def snap(*prompts: Prompt, view: object = "a", at: object = "p", model: ModelChoice = NANO,
         live: bool = True) -> Request:  # fmt: skip
    view = view if isinstance(view, FakeView) else FakeView(view)
    return Request(view, place(at), model, PromptBatch(prompts), live)


class Watched:
    """A session and all the news it sent."""

    def __init__(self, runner: SyncRunner | ManualRunner, **arguments) -> None:
        self.runner = runner
        self.factory = Factory()
        self.predictor = self.factory.predictor
        self.session = Session(self.factory, runner, **arguments)
        self.results: list[Results] = []
        self.removals: list[Removal] = []
        self.statuses: list[Status] = []
        self.session.decoded.connect(self.results.append)
        self.session.removed.connect(self.removals.append)
        self.session.status_changed.connect(self.statuses.append)

    @property
    def states(self) -> list[State]:
        states = [status.state for status in self.statuses]
        return [state for state, _ in itertools.groupby(states)]

    @property
    def objects(self) -> list[list[int]]:
        """Objects of each answer so far."""
        return [[item.object for item in results.items] for results in self.results]

    def known(self, place: Place, object_: int) -> ObjectResult:
        known = self.session._results.get(place, object_)
        assert known is not None
        return known.result


def loaded(watched: Watched, snapshot: Request) -> None:
    """Let a session load, and embed the snapshot's view."""
    watched.session.update(Request(snapshot.view, snapshot.place, snapshot.model))
    watched.runner.finish_in_turn()
