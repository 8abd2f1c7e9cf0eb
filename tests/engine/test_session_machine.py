"""Whatever the user does and in whatever order the worker answers, the end is right."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.fakes import Factory, FakeView, ManualRunner, place

from napari_samv2_prompts.engine import (
    AllPlanes,
    Generation,
    ModelChoice,
    Removal,
    Request,
    Results,
    Session,
    State,
    WorkUpdate,
)
from napari_samv2_prompts.prompts import Prompt, PromptBatch

OBJECTS = st.integers(1, 3)
CLICKS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=3)
PLACES = [place(0), place(1)]


class SessionMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.runner = ManualRunner()
        # Memory for one plane of two, and for the logits of about two objects of three.
        self.session = Session(Factory(), self.runner, cache_mb=2, results_mb=0.01)
        self.session.decoded.connect(self.take)
        self.session.removed.connect(self.drop)
        self.place, self.model = 0, "nano"
        self.all_planes = False
        self.generation: Generation | None = None
        self.news: list[WorkUpdate] = []
        self.session.generated.connect(self.news.append)
        self.planes = tuple(FakeView((place, "view")) for place in range(2))
        self.prompts: dict[int, dict[int, list[tuple[int, int]]]] = {0: {}, 1: {}}
        self.painted: dict[int, dict[int, Prompt]] = {0: {}, 1: {}}

    # What a Labels layer would hold: for each plane and object the prompt that was answered.

    def take(self, results: Results) -> None:
        if results.request is None:
            assert results.is_choice
            return
        asked = {prompt.object: prompt for prompt in results.request.prompts}
        for item in results.items:
            self.painted[PLACES.index(results.place)][item.object] = asked[item.object]

    def drop(self, removal: Removal) -> None:
        for number in removal.objects:
            del self.painted[PLACES.index(removal.place)][number]

    def tell(self) -> None:
        prompts = [Prompt(n, points=xy) for n, xy in self.prompts[self.place].items()]
        views = self.planes
        self.session.update(
            Request(
                views[self.place], PLACES[self.place], ModelChoice(self.model),
                PromptBatch(tuple(prompts)), neighbours=(views[1 - self.place],),
                all_planes=self.planes if self.all_planes else (),
            )
        )  # fmt: skip

    @rule(number=OBJECTS, clicks=CLICKS)
    def prompt(self, number: int, clicks: list[tuple[int, int]]) -> None:
        self.prompts[self.place][number] = clicks
        self.tell()

    @rule(number=OBJECTS)
    def delete(self, number: int) -> None:
        self.prompts[self.place].pop(number, None)
        self.tell()

    @rule(place=st.integers(0, 1))
    def slide(self, place: int) -> None:
        self.place = place
        self.tell()

    @rule(model=st.sampled_from(["nano", "tiny"]))
    def choose_model(self, model: str) -> None:
        self.model = model
        self.tell()

    @rule(wanted=st.booleans())
    def embed_all(self, wanted: bool) -> None:
        self.all_planes = wanted
        self.tell()

    @rule()
    def generate(self) -> None:
        find = lambda predictor, embedding, view, found: ((n,) for n in range(len(found), 5))  # noqa: E731
        model = ModelChoice(self.model)
        self.generation = Generation(self.planes[:1], PLACES[0], model, find)
        self.session.generate(self.generation)

    @rule()
    def stop_generating(self) -> None:
        self.session.generate(None)
        self.generation = None

    @rule()
    def no_image(self) -> None:
        self.session.update(None, "There is no image.")

    @rule(number=OBJECTS)
    def cycle(self, number: int) -> None:
        self.session.choose(number)

    @rule(number=OBJECTS, candidate=st.integers(0, 3))
    def choose(self, number: int, candidate: int) -> None:
        if self.session.choose(number, candidate):
            self.tell()
            self.settle()
            result = self.session.result(number)
            assert result is None or result.chosen == candidate or len(result.masks.scores) == 1

    @rule()
    def cancel(self) -> None:
        going = self.session.generation
        self.session.cancel()
        if going is not None and self.session.generation is None:
            self.generation = None

    @precondition(lambda self: self.runner.jobs)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.runner.jobs) - 1))
        if data.draw(st.booleans()):
            self.runner.finish(index)
        else:
            self.runner.fail(ValueError("no luck"), index)

    @rule()
    def settle(self) -> None:
        """Look again, try again, and let everything finish: masks answer the prompts."""
        self.tell()
        status = self.session.status
        if status.state in (State.IDLE, State.FAILED) or (status.planes and status.planes.problem):
            self.session.run()
        self.runner.finish_all()
        assert self.session.status.state is State.READY
        assert self.session.pending == ()
        assert self.session.generation is None
        if self.generation is not None:
            ends = [n for n in self.news if n.request is self.generation and n.finished]
            assert len(ends) == 1
            found = self.generation.found.get(0, [])
            assert found == list(range(5 if not ends[0].problem else len(found)))
        if self.all_planes:
            assert self.session.status.planes == AllPlanes(2, 2, 2, running=False)
        painted = self.painted[self.place]
        assert {n: list(map(tuple, p.points.tolist())) for n, p in painted.items()} == (
            self.prompts[self.place]
        )

    @invariant()
    def one_task_is_wanted_at_most(self) -> None:
        assert len(self.runner.live) <= 1

    @invariant()
    def the_cache_keeps_its_budget(self) -> None:
        assert self.session.cache.nbytes <= 2_000_000

    def teardown(self) -> None:
        self.session.close()


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
