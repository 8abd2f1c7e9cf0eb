"""A user of everything that makes, changes or removes labels, in any order.

The other random users try one feature with all that can happen to it; this one tries that features
leave each other's objects alone.  An object is *settled* on a plane if it is a label that nobody
works on: accepted, found, kept or painted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from napari.components import ViewerModel
from scipy import ndimage
from tests.fakes import SyncRunner, crop_of
from tests.qt.stack_bench import Bright
from tests.qt.tried_widget import STEPS, SAMV2PromptsWidget, try_users

from napari_samv2_prompts.candidates import Candidate
from napari_samv2_prompts.layers import TargetError
from napari_samv2_prompts.layers.rows import object_numbers
from napari_samv2_prompts.prompts import PromptBatch

pytestmark = pytest.mark.usefixtures("qapp")

SPOTS = ((10, 12), (10, 40), (10, 66), (34, 12), (34, 40), (34, 66))
PLANES = 4
DISCS, PLACES, NUMBERS = st.sampled_from(SPOTS), st.integers(0, PLANES - 1), st.integers(1, 9)


def picture() -> np.ndarray:
    """Discs of radius 7 that stay where they are."""
    rows, columns = np.mgrid[:46, :80]
    bright = [(rows - row) ** 2 + (columns - column) ** 2 <= 49 for row, column in SPOTS]
    plane = np.where(np.any(bright, axis=0), 200, 40).astype(np.uint8)
    return plane[None].repeat(PLANES, axis=0)


class ByClicks(Bright):
    """Takes clicks for boxes around them."""

    def decode(self, embedding: Any, batch: PromptBatch, multimask: bool | None = None) -> Any:
        boxed = [
            prompt
            if prompt.box is not None
            else replace(prompt, box=np.concatenate([prompt.points[0] - 8, prompt.points[0] + 8]))
            for prompt in batch
        ]
        return super().decode(embedding, PromptBatch(tuple(boxed)), multimask)


def found_discs(predictor: Any, embedding: Any, search: Any, taken: Any, **known: Any) -> Any:
    """In place of :func:`.find_all`: all discs where there are no labels."""
    discs, count = ndimage.label(embedding.image > 128)
    for disc in range(1, count + 1):
        mask = discs == disc
        if taken is None or not (mask & taken).any():
            yield [Candidate(crop_of(mask), (0.0, 0.0), 0.9, 0.9, int(mask.sum()))]


class RandomAnnotator(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = mock.patch("napari_samv2_prompts.samv2.find_all.find_all", found_discs)
        self.patch.start()
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(picture(), name="film", contrast_limits=(0, 255))
        self.widget = SAMV2PromptsWidget(
            self.viewer,
            make_predictor=lambda choice, task: ByClicks(),
            make_runner=SyncRunner,
        )
        self.settled: set[tuple[int, int]] = set()  # objects, and planes
        self.own: int | None = None  # the object that the next click is for, if there is one
        self.picked: int | None = None  # and the next box

    def teardown(self) -> None:
        self.widget._tear_down()
        self.widget.deleteLater()
        self.patch.stop()

    @property
    def labels(self) -> Any:
        return self.widget.labels.value

    @property
    def data(self) -> np.ndarray:
        return np.asarray(self.labels.data)

    @property
    def prompted(self) -> set[int]:
        layers = self.widget.points.value, self.widget.shapes.value
        return {int(n) for layer in layers for n in object_numbers(layer)}

    def numbers(self) -> set[int]:
        return {*np.unique(self.data).tolist(), *self.prompted} - {0}

    def act(self, deed: Callable[[], Any], changes: Collection[int | None] = ()) -> Any:
        """Do something that changes no settled object but these, undo it, and redo it."""
        self.widget.wait_until_idle()
        before = self.data.copy()
        with suppress(ValueError, TargetError):  # there is nothing to do it with
            made = deed()
            self.widget.wait_until_idle()
            after = self.data.copy()
            for number, place in self.settled:
                if number not in changes:
                    same = np.array_equal(before[place] == number, after[place] == number)
                    assert same, f"object {number} was changed on plane {place}"
            if not np.array_equal(before, after):
                self.labels.undo()
                assert np.array_equal(self.data, before), "undo is not one step"
                self.labels.redo()
                assert np.array_equal(self.data, after)
            return made
        assert np.array_equal(self.data, before), "something that failed changed labels"
        return None

    def settle(self, numbers: Collection[int]) -> None:
        found = {(n, p) for p in range(PLANES) for n in np.unique(self.data[p]).tolist()}
        self.settled |= {(n, p) for n, p in found if n in numbers}

    def forget(self, numbers: Collection[int]) -> None:
        self.settled = {key for key in self.settled if key[0] not in numbers}

    def check_new(self, made: Collection[int], used: set[int]) -> None:
        assert not set(made) & used, f"{set(made) & used} are objects already"

    # --- prompts ----------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        self.widget.new_prompt_layers()

    @rule(place=PLACES)
    def go(self, place: int) -> None:
        self.viewer.dims.set_current_step(0, place)
        self.widget.wait_until_idle()

    @rule(at=DISCS)
    def click(self, at: tuple[int, int]) -> None:
        used, points = self.numbers(), self.widget.points.value
        place = self.viewer.dims.current_step[0]
        self.act(lambda: points.add([[place, *at]]), {*self.prompted, self.own})
        number = int(object_numbers(points)[-1])
        if number != self.own:
            self.check_new([number], used)
        self.own, self.picked = number, None
        self.forget([number])

    @rule(at=DISCS)
    def box(self, at: tuple[int, int]) -> None:
        used, shapes = self.numbers(), self.widget.shapes.value
        place = self.viewer.dims.current_step[0]
        (row, column), r = at, 9
        corners = [
            (place, row - r, column - r),
            (place, row - r, column + r),
            (place, row + r, column + r),
            (place, row + r, column - r),
        ]
        deed = partial(shapes.add, [corners], shape_type="rectangle")
        self.act(deed, {*self.prompted, self.picked})
        self.own = int(object_numbers(shapes)[-1])
        if self.own != self.picked:
            self.check_new([self.own], used)
        self.picked = None
        self.forget([self.own])

    @rule()
    def next_object(self) -> None:
        self.act(self.widget.next_object)
        self.own = self.picked = None

    @rule()
    def accept(self) -> None:
        accepted = self.act(self.widget.accept)
        self.settle(accepted)
        self.own = None if self.own in accepted else self.own

    @rule(which=st.sampled_from(("points", "shapes")))
    def delete_prompts(self, which: str) -> None:
        layer = getattr(self.widget, which).value
        if len(layer.data):
            layer.selected_data = {len(layer.data) - 1}
            self.act(layer.remove_selected, self.prompted)

    # --- labels -----------------------------------------------------------------------------

    @rule(number=NUMBERS, at=DISCS, chosen=st.booleans())
    def paint(self, number: int, at: tuple[int, int], chosen: bool) -> None:
        """Paint any label, or with the one that is selected: it is the current object's."""
        place = self.viewer.dims.current_step[0]
        used, stroke = self.numbers(), np.zeros(self.data.shape, bool)
        stroke[place, at[0] - 3 : at[0] + 3, at[1] : at[1] + 12] = True
        if chosen or number == self.labels.selected_label:
            number = self.labels.selected_label
            if chosen and number != self.own:
                self.check_new([number], used)
            self.own = number
        self.labels.data_setitem(np.nonzero(stroke), number)
        self.settled = {(n, p) for n, p in self.settled if (self.data[p] == n).any()}
        if number not in self.prompted and number != self.own:
            self.settled.add((number, place))
        self.widget.wait_until_idle()

    @rule(number=NUMBERS)
    def edit(self, number: int) -> None:
        if self.act(lambda: self.widget.label_tools.edit(number), [number]):
            self.own = self.picked = number
            self.forget([number])

    @rule(number=NUMBERS)
    def merge(self, number: int) -> None:
        current = self.widget._open.controller.state().current
        if self.act(lambda: self.widget.label_tools.merge(number), [number, current]):
            self.own = current
            self.forget([number, current])

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        if self.act(lambda: self.widget.label_tools.delete(number), [number]):
            self.forget([number])

    @rule(number=NUMBERS, on=st.booleans())
    def keep(self, number: int, on: bool) -> None:
        if self.act(lambda: self.widget.label_tools.keep(number, on=on)) and on:
            self.settle([number])

    @rule(back=st.booleans())
    def undo(self, back: bool) -> None:
        before = self.data.copy()
        (self.labels.undo if back else self.labels.redo)()
        self.widget.wait_until_idle()
        changed = {(n, p) for n, p in self.settled if not self.same(before, n, p)}
        self.settled -= changed

    def same(self, before: np.ndarray, number: int, place: int) -> bool:
        return np.array_equal(before[place] == number, self.data[place] == number)

    # --- many at once -----------------------------------------------------------------------

    @rule(accepted=st.booleans())
    def find(self, accepted: bool) -> None:
        self.act(self.widget.find_all)
        if not accepted:
            self.act(self.widget.discard_found)

    @rule()
    def accept_found(self) -> None:
        used = self.numbers()
        made = self.act(self.widget.accept_found) or ()
        self.check_new(made, used)
        self.settle(made)

    @rule(direction=st.sampled_from(("both", "forward", "back")))
    def follow(self, direction: Any) -> None:
        self.act(lambda: self.widget.propagate(direction=direction, method="hand-over"))

    @rule(number=NUMBERS, divides=st.booleans())
    def end_or_divide(self, number: int, divides: bool) -> None:
        used = self.numbers()
        deed = self.widget.divide_here if divides else self.widget.end_here
        made = self.act(lambda: deed(number), [number]) or ()
        self.check_new(made, used)
        self.forget([number])

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def the_list_names_each_object_once(self) -> None:
        if self.labels is None:
            return
        rows = self.widget._open.objects
        rows.is_open = True  # and gathered anew
        self.widget.wait_until_idle()
        listed = [row.number for row in rows._rows]
        assert len(listed) == len(set(listed))
        assert set(listed) == self.numbers()

    @invariant()
    def the_image_is_as_it_was(self) -> None:
        assert np.array_equal(self.image.data, picture())


def test_a_random_user_of_all_features() -> None:
    try_users(RandomAnnotator, 6, 20, derandomize=True)


@pytest.mark.slow
def test_a_random_user_of_all_features_for_long() -> None:
    try_users(RandomAnnotator, STEPS // 50, 50)
