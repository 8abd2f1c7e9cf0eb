"""Writing into a Labels layer: what is whose, and whose pixels stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from napari.components import ViewerModel
from tests.layers.labels_bench import PLANE, SHAPE, disc, paint, target_on

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    LabelsTarget,
)
from napari_samv2_prompts.mask_crops import MaskCrop

discs = st.builds(
    disc,
    st.integers(0, SHAPE[0] - 1),
    st.integers(0, SHAPE[1] - 1),
    st.sampled_from((0.0, 1.0, 2.0, 3.5, 6.0)),
)

objects = st.integers(11, 14)

policies = st.sampled_from(["keep", "replace", "background"])


class WritingMachine(RuleBasedStateMachine):
    """Writes, removals, accepting, undo and redo in any order, against whole-plane arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        data = np.zeros(SHAPE, np.uint16)
        data[2:5, 3:9] = 7  # labels that were there before
        data[9, :] = 8
        self.target = target_on(data.copy())
        self.base = data
        self.live: dict[int, np.ndarray] = {}  # object -> whole mask, lowest first
        self.undo: list[tuple] = []
        self.redo: list[tuple] = []

    def shown(self) -> np.ndarray:
        out = self.base.copy()
        for number, held in self.live.items():
            out[held] = number
        return out

    def step(self, base, live) -> None:
        before = self.shown()
        state = (self.base, self.live)
        self.base, self.live = base, live
        if (self.shown() != before).any():
            self.undo.append(state)
            self.redo.clear()

    @rule(masks=st.dictionaries(objects, st.none() | discs, min_size=1), policy=policies)
    def write(self, masks, policy):
        live = {n: held for n, held in self.live.items() if n not in masks}
        others = np.zeros(SHAPE, bool)
        for held in live.values():
            others |= held
        new = [(n, m) for n, m in masks.items() if m is not None]
        for number, mask in sorted(new, key=lambda item: -item[1].area):
            held = mask.full(SHAPE)
            if policy != "replace":
                held &= self.base == 0
            if policy == "background":
                held &= ~others
            live[number] = held
        before = self.target.labels.data.copy()
        changed = self.target.write(PLANE, masks, policy)
        assert changed == (self.target.labels.data != before).sum()
        self.step(self.base, live)

    @rule(numbers=st.sets(objects))
    def remove(self, numbers):
        self.target.remove(numbers)
        self.step(self.base, {n: h for n, h in self.live.items() if n not in numbers})

    @rule()
    def accept(self):
        self.target.accept()
        self.base, self.live = self.shown(), {}
        self.undo.clear()  # what undo does to accepted labels is no longer ours to follow
        self.redo.clear()
        self.target.labels._reset_history()

    @precondition(lambda self: self.undo)
    @rule()
    def undo_step(self):
        self.target.labels.undo()
        self.redo.append((self.base, self.live))
        self.base, self.live = self.undo.pop()

    @precondition(lambda self: self.redo)
    @rule()
    def redo_step(self):
        self.target.labels.redo()
        self.undo.append((self.base, self.live))
        self.base, self.live = self.redo.pop()

    @invariant()
    def the_layer_shows_what_the_rules_say(self):
        np.testing.assert_array_equal(self.target.labels.data, self.shown())

    def teardown(self):
        """All live objects gone: what was there before is back, bit for bit."""
        self.target.remove(self.target.live())
        np.testing.assert_array_equal(self.target.labels.data, self.base)


TestWriting = WritingMachine.TestCase

TestWriting.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)


def test_what_the_user_erased_stays_erased_while_refining():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 4)})
    erased = disc(3, 5, 1).full(SHAPE)
    paint(target.labels, erased, 0)
    target.write(PLANE, {1: disc(5, 6, 4)})
    expected = disc(5, 6, 4).full(SHAPE) & ~erased
    np.testing.assert_array_equal(target.labels.data == 1, expected)


@pytest.mark.parametrize("policy", ["keep", "replace", "background"])
def test_what_the_user_painted_over_an_object_stays(policy):
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 4)}, policy)
    painted = disc(5, 7, 2).full(SHAPE)
    paint(target.labels, painted, 9)
    target.write(PLANE, {1: disc(5, 6, 4)}, policy)
    assert (target.labels.data[painted] == 9).all()
    target.write(PLANE, {1: None}, policy)
    np.testing.assert_array_equal(target.labels.data, 9 * painted)


@given(st.lists(st.tuples(objects, discs | st.none()), min_size=2, max_size=5), discs)
@settings(max_examples=50, deadline=None)
def test_whatever_is_written_later_hand_painted_labels_are_kept(writes, painted):
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, dict(writes[:1]))
    painted = painted.full(SHAPE)
    paint(target.labels, painted, 99)
    for number, mask in writes[1:]:
        target.write(PLANE, {number: mask})
        np.testing.assert_array_equal(target.labels.data == 99, painted)
    target.remove(target.live())
    np.testing.assert_array_equal(target.labels.data, 99 * painted)


def test_hand_edits_in_place_are_noticed_too():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 4)})
    target.labels.data[5, :] = 3
    target.write(PLANE, {1: disc(5, 5, 2)})
    assert (target.labels.data[5] == 3).all()


def test_pixels_the_user_added_to_an_object_survive_its_removal():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 3, 2)})
    added = disc(5, 9, 2).full(SHAPE)
    paint(target.labels, added, 1)
    target.write(PLANE, {1: None})
    np.testing.assert_array_equal(target.labels.data == 1, added)


def test_accepted_labels_are_never_touched_again():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3), 2: disc(5, 9, 3)})
    accepted = target.labels.data.copy()
    target.accept()
    assert target.live() == frozenset()
    target.write(PLANE, {1: None, 2: None})
    target.remove([1, 2])
    target.write(PLANE, {3: disc(5, 7, 6)})
    np.testing.assert_array_equal(target.labels.data[accepted > 0], accepted[accepted > 0])


def test_a_brush_stroke_under_way_is_not_taken_for_ours():
    target = target_on(np.zeros(SHAPE, np.uint16))
    with target.labels.block_history():
        target.labels.paint((1, 1), 5)
        target.write(PLANE, {1: disc(8, 8, 2)})
    target.write(PLANE, {1: None})
    assert target.labels.data[1, 1] == 5
    assert not (target.labels.data == 1).any()


def test_planes_of_a_stack_are_written_where_they_are_and_transposed_as_shown():
    data = np.random.default_rng(0).integers(0, 2, (3, 4, 5)).astype(np.uint16) * 7
    before = data.copy()
    target = target_on(data)
    mask = MaskCrop(1, 2, np.ones((3, 2), bool))  # rows along axis 2, columns along axis 1
    target.write(Plane((2, 1), (1, None, None), (5, 4)), {1: mask}, "replace")
    expected = before.copy()
    expected[1, 2:4, 1:4] = 1
    np.testing.assert_array_equal(data, expected)
    # The same plane shown the other way round is the same plane.
    assert target.live(Plane((1, 2), (1, None, None), (4, 5))) == {1}
    target.remove([1])
    np.testing.assert_array_equal(data, before)


def test_an_object_on_two_planes_goes_from_both_in_one_step():
    data = np.zeros((3, *SHAPE), np.uint16)
    target = target_on(data)
    for z in (0, 2):
        target.write(Plane((1, 2), (z, None, None), SHAPE), {1: disc(5, 5, 2)})
    painted = data.copy()
    target.remove([1])
    assert not data.any()
    target.labels.undo()
    np.testing.assert_array_equal(data, painted)


def test_hidden_labels_on_another_slice_are_written_right():
    viewer = ViewerModel()
    labels = viewer.add_labels(np.zeros((3, *SHAPE), np.uint16))
    labels.visible = False
    viewer.dims.set_current_step(0, 2)
    target = LabelsTarget(labels)
    target.write(Plane((1, 2), (2, None, None), SHAPE), {1: disc(5, 5, 2)})
    labels.visible = True
    np.testing.assert_array_equal(labels.data[2], disc(5, 5, 2).full(SHAPE))


def test_what_was_accepted_lies_under_what_is_still_live() -> None:
    target = target_on(np.zeros(SHAPE, np.uint16))
    plane = Plane((0, 1), (None, None), SHAPE)
    target.write(plane, {1: disc(15, 15, 8)}, "replace")
    below = target.labels.data.copy()
    target.write(plane, {2: disc(15, 20, 8)}, "replace")
    target.accept({1})
    target.write(plane, {2: None})
    np.testing.assert_array_equal(target.labels.data, below)


def test_what_was_accepted_under_an_object_comes_back_when_that_one_moves() -> None:
    target = target_on(np.zeros(SHAPE, np.uint16))
    below, above, moved = disc(5, 4, 3), disc(5, 7, 3), disc(5, 11, 2)
    target.write(PLANE, {1: below})
    target.write(PLANE, {2: above})
    target.accept({1})
    target.write(PLANE, {2: moved}, "background")
    expected = np.where(below.full(SHAPE), 1, np.where(moved.full(SHAPE), 2, 0))
    np.testing.assert_array_equal(target.labels.data, expected)


@pytest.mark.parametrize("kept", [False, True])
def test_what_lay_below_an_accepted_object_never_covers_it(kept: bool) -> None:
    target = target_on(np.zeros(SHAPE, np.uint16))
    for number, column in ((1, 4), (2, 6), (3, 8)):
        target.write(PLANE, {number: disc(5, column, 3)})
    if kept:
        target.keep(2, True)
    else:
        target.accept({2})
    target.write(PLANE, {3: None})
    middle, below = disc(5, 6, 3).full(SHAPE), disc(5, 4, 3).full(SHAPE)
    np.testing.assert_array_equal(target.labels.data, np.where(middle, 2, np.where(below, 1, 0)))
    target.write(PLANE, {1: None})
    np.testing.assert_array_equal(target.labels.data, np.where(middle, 2, 0))


def test_many_undos_with_a_redo_among_them_are_told_apart() -> None:
    state = WritingMachine()
    state.write(masks={11: None, 12: disc(0, 0, 0.0)}, policy="keep")
    state.the_layer_shows_what_the_rules_say()
    state.write(
        masks={14: None, 13: disc(1, 4, 2.0), 11: disc(4, 7, 1.0), 12: disc(6, 7, 2.0)},
        policy="keep",
    )
    state.the_layer_shows_what_the_rules_say()
    state.write(
        masks={14: None, 12: disc(1, 6, 2.0), 11: disc(11, 3, 3.5), 13: disc(5, 7, 1.0)},
        policy="replace",
    )
    state.the_layer_shows_what_the_rules_say()
    state.write(masks={14: None, 11: disc(3, 1, 2.0), 13: disc(2, 13, 1.0)}, policy="replace")
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.write(masks={11: disc(4, 4, 0.0), 12: None}, policy="replace")
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.write(
        masks={14: None, 13: disc(1, 4, 2.0), 11: disc(4, 7, 1.0), 12: disc(6, 7, 2.0)},
        policy="keep",
    )
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.redo_step()
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.undo_step()
    state.the_layer_shows_what_the_rules_say()
    state.redo_step()
    state.the_layer_shows_what_the_rules_say()
    state.teardown()


def test_a_write_beside_the_slider_tells_the_canvas_nothing() -> None:
    """There is no slice to be drawn, and the viewer fails at drawing a part of it."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 40, 50)))
    labels = viewer.add_labels(np.zeros((4, 40, 50), np.uint16))
    viewer.dims.set_current_step(0, 7)
    drawn: list[object] = []
    labels.events.labels_update.connect(drawn.append)
    plane = Plane((1, 2), (1, None, None), (40, 50))
    LabelsTarget(labels).write(plane, {3: MaskCrop(5, 5, np.ones((4, 4), bool))})
    assert labels.data[1, 6, 6] == 3
    assert not drawn
    viewer.dims.set_current_step(0, 1)
    LabelsTarget(labels).write(plane, {4: MaskCrop(20, 20, np.ones((4, 4), bool))})
    assert drawn
