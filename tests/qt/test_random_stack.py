"""A user who follows objects, corrects, undoes, cancels and removes layers, in any order.

A mask on a plane is *surely the user's* if it has pixels that no run left there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from tests.qt.stack_bench import PLANES, Stack, film, see_walls, shortened
from tests.qt.tried_widget import STEPS, try_users

from napari_samv2_prompts.layers import Chosen, TargetError

pytestmark = pytest.mark.usefixtures("qapp")

PLACES = st.integers(0, PLANES - 1)
NUMBERS = st.integers(1, 4)
CORNERS = st.tuples(st.integers(1, 30), st.integers(1, 40))
AFTER = st.integers(1, 4)  # planes
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

    @initialize(place=PLACES)
    def begin(self, place: int) -> None:
        """Draw a box around each disc, so that there is something to follow."""
        self.draw(place, moving=True)
        self.draw(place, moving=False)

    @rule(place=PLACES, moving=st.booleans())
    def draw(self, place: int, moving: bool) -> None:
        """Draw a box around one of the discs."""
        self.bench.go(place)
        row, column = (14, 14 + 2 * place) if moving else (36, 40)
        self.bench.draw((row - 8, column - 8, row + 8, column + 8))

    @rule(place=PLACES, number=NUMBERS, at=CORNERS)
    def paint(self, place: int, number: int, at: tuple[int, int]) -> None:
        self.stroke(place, number, at)

    def stroke(self, place: int, number: int, at: tuple[int, int]) -> np.ndarray:
        """Paint a square, and return where."""
        stroke = np.zeros(self.data.shape, bool)
        stroke[place, at[0] : at[0] + 9, at[1] : at[1] + 9] = True
        self.bench.labels.data_setitem(np.nonzero(stroke), number)
        return stroke

    @rule(
        direction=DIRECTIONS,
        stop=STOPS,
        number=st.one_of(NUMBERS, st.none()),
        again=st.booleans(),
    )
    def follow(self, direction: str, stop: int, number: int | None, again: bool = False) -> None:
        """Follow objects, undo it, and redo it or follow them again."""
        before, mine = self.data.copy(), self.users_own()
        self.run(direction, stop, number)
        after = self.data.copy()
        for n, place in mine:
            assert np.array_equal(after[place] == n, before[place] == n), (n, place)
        self.note_what_changed(before, np.zeros(after.shape, bool))
        if not np.array_equal(before, after):
            self.bench.labels.undo()
            assert np.array_equal(self.data, before)
            if again:
                self.run(direction, stop, number)
            else:
                self.bench.labels.redo()
            assert np.array_equal(self.data, after)

    @rule(direction=DIRECTIONS, after=AFTER, place=PLACES, number=NUMBERS, at=CORNERS)
    def paint_meanwhile(
        self, direction: str, after: int, place: int, number: int, at: tuple[int, int]
    ) -> None:
        before, mine, strokes = self.data.copy(), self.users_own(), []

        def paint() -> None:
            if not strokes:
                strokes.append(self.stroke(place, number, at))

        self.run(direction, after, None, paint)
        stroke = strokes[0] if strokes else np.zeros(before.shape, bool)
        assert (self.data[stroke] == number).all()
        for n, there in mine:
            same = (self.data[there] == n) == (before[there] == n)
            assert (same | stroke[there]).all(), (n, there)
        self.note_what_changed(before, stroke)
        painted = self.data.copy()
        if strokes and not (before[stroke] == number).all():
            self.bench.labels.undo()
        if not np.array_equal(self.data, before):
            self.bench.labels.undo()
        assert np.array_equal(self.data, before)
        while not np.array_equal(self.data, painted):
            self.bench.labels.redo()

    @rule(direction=DIRECTIONS, after=AFTER)
    def undo_meanwhile(self, direction: str, after: int) -> None:
        before, undone = self.data.copy(), []
        nothing = np.zeros(before.shape, bool)

        def undo() -> None:
            if not undone and not np.array_equal(self.data, before):
                self.note_what_changed(before, nothing)  # it may be redone
                undone.append(self.bench.labels.undo())

        self.run(direction, after, None, undo)
        if undone:
            assert np.array_equal(self.data, before)
        self.note_what_changed(before, nothing)

    def users_own(self) -> list[tuple[int, int]]:
        """Return objects and places where they are surely the user's."""
        numbers = np.unique(self.data)[1:].tolist()
        return [(n, p) for n in numbers for p in range(PLANES) if self.is_users(n, p)]

    def note_what_changed(self, before: np.ndarray, stroke: np.ndarray) -> None:
        """Take what a run changed, but for a stroke, for what it left."""
        for place in range(PLANES):
            changed = (self.data[place] != before[place]) & ~stroke[place]
            for n in np.unique(self.data[place][changed]).tolist():
                if n:
                    known = self.left.get((n, place), np.False_)
                    self.left[n, place] = known | (self.data[place] == n) & ~stroke[place]

    def run(
        self,
        direction: str,
        stop: int,
        number: int | None,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Follow objects, and do something, or cancel by default, after so many planes."""

        def watch(state) -> None:
            if stop and state.running and state.done >= stop:
                (meanwhile or self.bench.through.cancel)()

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


@USERS
def test_a_random_user_of_a_stack(user: type[RandomStackUser]) -> None:
    try_users(user, 4, 12, derandomize=True)


@USERS
@pytest.mark.slow
def test_a_random_user_of_a_stack_for_long(user: type[RandomStackUser]) -> None:
    try_users(user, STEPS // 50, 50)
