"""A user who follows objects, corrects, undoes, cancels and removes layers, in any order.

A mask on a plane is *surely the user's* if it has pixels that no run left there.
"""

from __future__ import annotations

import os
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.qt.test_through_stack import PLANES, Stack, film, see_walls, shortened

from napari_samv2_prompts.layers import Chosen, TargetError

pytestmark = pytest.mark.usefixtures("qapp")

PLACES = st.integers(0, PLANES - 1)
NUMBERS = st.integers(1, 4)
CORNERS = st.tuples(st.integers(1, 30), st.integers(1, 40))
STOPS = st.sampled_from((0, 0, 1, 3))
DIRECTIONS = st.sampled_from(("both", "both", "forward", "back"))


class RandomStackUser(RuleBasedStateMachine):
    walls = False

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        see_walls(self.patch, self.walls, shortened)
        self.bench = Stack()
        self.left: dict[tuple[int, int], np.ndarray] = {}  # by runs

    @property
    def data(self) -> np.ndarray:
        return np.asarray(self.bench.labels.data)

    def teardown(self) -> None:
        self.bench.close()
        self.patch.undo()

    def is_users(self, number: int, place: int) -> bool:
        mask = self.data[place] == number
        return bool((mask & ~self.left.get((number, place), np.False_)).any())

    # --- what the user does ---

    @rule(place=PLACES, moving=st.booleans())
    def draw(self, place: int, moving: bool) -> None:
        """Draw a box around one of the discs."""
        self.bench.go(place)
        row, column = (14, 14 + 2 * place) if moving else (36, 40)
        self.bench.draw((row - 8, column - 8, row + 8, column + 8))

    @rule(place=PLACES, number=NUMBERS, at=CORNERS)
    def paint(self, place: int, number: int, at: tuple[int, int]) -> None:
        stroke = np.zeros(self.data.shape, bool)
        stroke[place, at[0] : at[0] + 9, at[1] : at[1] + 9] = True
        self.bench.labels.data_setitem(np.nonzero(stroke), number)

    @rule(
        direction=DIRECTIONS,
        stop=STOPS,
        number=st.one_of(NUMBERS, st.none()),
        again=st.booleans(),
    )
    def follow(self, direction: str, stop: int, number: int | None, again: bool = False) -> None:
        """Follow objects, undo it, and redo it or follow them again."""
        before = self.data.copy()
        mine = [
            (n, place)
            for n in np.unique(before)[1:].tolist()
            for place in range(PLANES)
            if self.is_users(n, place)
        ]
        self.run(direction, stop, number)
        after = self.data.copy()
        for n, place in mine:
            assert np.array_equal(after[place] == n, before[place] == n), (n, place)
        for place in range(PLANES):
            for n in np.unique(after[place][after[place] != before[place]]).tolist():
                if n:
                    known = self.left.get((n, place), np.False_)
                    self.left[n, place] = known | (after[place] == n)
        if not np.array_equal(before, after):
            self.bench.labels.undo()
            assert np.array_equal(self.data, before)
            if again:
                self.run(direction, stop, number)
            else:
                self.bench.labels.redo()
            assert np.array_equal(self.data, after)

    def run(self, direction: str, stop: int, number: int | None) -> None:
        def watch(state) -> None:
            if stop and state.running and state.done >= stop:
                self.bench.through.cancel()

        self.bench.through.changed.connect(watch)
        with suppress(ValueError):  # there is nothing to follow
            self.bench.through.propagate(None if number is None else [number], direction)
        self.bench.through.changed.disconnect(watch)

    @rule(number=NUMBERS, place=PLACES, at=CORNERS)
    def correct(self, number: int, place: int, at: tuple[int, int]) -> None:
        """Follow an object, correct it on a plane that was found, and follow it again."""
        self.follow("both", 0, number)
        sure = [p for p in range(PLANES) if self.is_users(number, p)]
        if place in sure or not (self.data[place] == number).any():
            return
        before = self.data.copy()
        self.paint(place, number, at)
        self.follow("both", 0, number)
        low = max((p for p in sure if p < place), default=-1)
        high = min((p for p in sure if p > place), default=PLANES)
        beyond = [p for p in range(PLANES) if not low < p < high]
        assert np.array_equal(self.data[beyond], before[beyond])

    @rule(place=PLACES, number=NUMBERS, divides=st.booleans())
    def end_or_divide(self, place: int, number: int, divides: bool) -> None:
        self.bench.go(place)
        before = self.data.copy()
        try:
            if not divides:
                self.bench.through.end_here(number)
            elif max(self.bench.through.divide_here(number)) > 200:
                self.bench.labels.undo()  # small numbers do
        except (ValueError, TargetError):  # it is not there
            assert np.array_equal(self.data, before)
        others = before != number
        assert np.array_equal(self.data[others], before[others])

    @rule()
    def accept(self) -> None:
        objects = self.bench.controller.accept()
        self.bench.through.accepted(objects)
        self.left = {key: mask for key, mask in self.left.items() if key[0] not in objects}

    @rule()
    def undo(self) -> None:
        self.bench.labels.undo()

    @rule()
    def redo(self) -> None:
        self.bench.labels.redo()

    @rule()
    def next_doubtful(self) -> None:
        self.bench.through.next_doubtful()

    @rule()
    def remove_the_labels(self) -> None:
        self.bench.viewer.layers.remove(self.bench.labels)
        self.bench.choose(Chosen(self.bench.image))
        self.bench.make_layers()
        self.left.clear()

    # --- what always holds ---

    @invariant()
    def nothing_runs_on_and_the_image_is_as_it_was(self) -> None:
        assert not self.bench.through.running
        assert np.array_equal(self.bench.image.data, film())


class RandomUserOfWalls(RandomStackUser):
    walls = True


USERS = pytest.mark.parametrize("user", [RandomStackUser, RandomUserOfWalls])


def check(user: type[RandomStackUser], examples: int, steps: int, **options) -> None:
    run_state_machine_as_test(
        user,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            **options,
        ),
    )


@USERS
def test_a_random_user_of_a_stack(user: type[RandomStackUser]) -> None:
    check(user, 4, 12, derandomize=True)


@USERS
@pytest.mark.slow
def test_a_random_user_of_a_stack_for_long(user: type[RandomStackUser]) -> None:
    check(user, int(os.environ.get("RANDOM_USER_STEPS", "10_000")) // 50, 50)
