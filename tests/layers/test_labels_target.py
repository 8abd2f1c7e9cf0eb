from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from napari.components import ViewerModel

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    LabelsTarget,
    TargetError,
    converted_labels,
    highest_label,
    make_layers,
)
from napari_samv2_prompts.prompts import MaskCrop

if TYPE_CHECKING:
    from napari.layers import Labels

SHAPE = (12, 14)
PLANE = Plane((0, 1), (None, None), SHAPE)


def disc(row: int, column: int, radius: float, shape: tuple[int, int] = SHAPE) -> MaskCrop:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return crop((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)


def crop(full: np.ndarray) -> MaskCrop:
    rows, columns = np.nonzero(full)
    if not len(rows):
        return MaskCrop(0, 0, np.zeros((0, 0), bool))
    top, left = rows.min(), columns.min()
    return MaskCrop(int(top), int(left), full[top : rows.max() + 1, left : columns.max() + 1])


def target_on(data: np.ndarray) -> LabelsTarget:
    return LabelsTarget(ViewerModel().add_labels(data))


def paint(labels: Labels, pixels: np.ndarray, value: int) -> None:
    """What the user's brush does: an edit with a step of the undo history."""
    labels.data_setitem(np.nonzero(pixels), value)


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


def test_a_result_is_one_undo_step_also_when_it_moves_an_object():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 2), 2: disc(8, 8, 2)})
    first = target.labels.data.copy()
    target.write(PLANE, {1: disc(6, 5, 2), 2: disc(8, 9, 2)})
    second = target.labels.data.copy()
    target.labels.undo()
    np.testing.assert_array_equal(target.labels.data, first)
    target.labels.redo()
    np.testing.assert_array_equal(target.labels.data, second)
    target.labels.undo()
    target.labels.undo()
    assert not target.labels.data.any()


def test_after_several_undos_no_debris_is_left():
    target = target_on(np.zeros(SHAPE, np.uint16))
    for column in (3, 6, 9):
        target.write(PLANE, {1: disc(5, column, 2)})
    target.labels.undo()
    target.labels.undo()
    target.write(PLANE, {1: disc(5, 11, 2)})
    np.testing.assert_array_equal(target.labels.data, disc(5, 11, 2).full(SHAPE))


def test_redoing_a_move_is_not_taken_for_undoing_what_came_before():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(0, 0, 0)})
    target.write(PLANE, {1: disc(0, 12, 0)})
    target.labels.undo()
    target.labels.redo()
    assert target.live() == {1}
    target.remove([1])
    assert not target.labels.data.any()


def test_undoing_further_is_not_taken_for_redoing_a_removal():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(3, 3, 1), 2: disc(8, 8, 1)})
    target.write(PLANE, {1: None})
    target.labels.undo()
    target.labels.undo()
    assert target.live() == frozenset()
    target.write(PLANE, {2: disc(8, 9, 1)})
    np.testing.assert_array_equal(target.labels.data, 2 * disc(8, 9, 1).full(SHAPE))


def test_undo_after_an_undone_removal_is_told_from_redoing_the_removal():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(0, 0, 0)})
    target.write(PLANE, {1: disc(0, 12, 0)})
    target.remove([1])
    target.labels.undo()
    target.labels.undo()
    target.remove([1])
    assert not target.labels.data.any()


def test_erasing_all_of_an_object_by_hand_is_not_taken_for_undo():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 2.0)})
    paint(target.labels, target.labels.data == 1, 0)
    assert target.live() == {1}
    target.write(PLANE, {1: disc(5, 5, 3.5)})
    assert not target.labels.data[disc(5, 5, 2.0).full(SHAPE)].any()
    assert (target.labels.data == 1).any()


def test_redo_brings_back_an_object_none_of_whose_pixels_is_seen():
    data = np.zeros(SHAPE, np.uint16)
    data[:, 7:] = 90
    target = target_on(data)
    target.write(PLANE, {1: disc(5, 3, 2.0)})
    assert target.write(PLANE, {2: disc(5, 10, 2.0)}) == 0
    target.labels.undo()
    assert target.live() == set()
    target.labels.redo()
    assert target.live() == {1, 2}


def test_an_undone_result_counts_as_never_painted():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 3)})
    target.labels.undo()
    assert target.live() == frozenset()
    target.write(PLANE, {2: disc(5, 9, 3)})
    np.testing.assert_array_equal(target.labels.data, 2 * disc(5, 9, 3).full(SHAPE))


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


def test_an_undone_hand_edit_gives_the_pixels_back_to_the_object():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 4)})
    paint(target.labels, disc(3, 5, 1).full(SHAPE), 0)
    target.write(PLANE, {2: disc(10, 12, 1)})
    target.labels.undo()
    target.labels.undo()
    target.write(PLANE, {1: disc(5, 6, 4)})
    np.testing.assert_array_equal(target.labels.data, disc(5, 6, 4).full(SHAPE))


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


def test_accepting_one_object_leaves_the_others_live_through_undo():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(4, 3, 2), 2: disc(8, 9, 2)})
    target.write(PLANE, {2: disc(8, 10, 2)})
    target.accept([1])
    assert target.live() == {2}
    target.labels.undo()
    assert target.live() == {2}
    target.remove([1, 2])
    np.testing.assert_array_equal(target.labels.data, disc(4, 3, 2).full(SHAPE))


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


def test_next_free_label_follows_painting_without_reading_the_volume_again(monkeypatch):
    reads = []
    monkeypatch.setattr(
        "napari_samv2_prompts.layers.labels_target.highest_label",
        lambda data: reads.append(1) or highest_label(data),
    )
    target = target_on(np.full(SHAPE, 41, np.uint16))
    assert target.needs_scan
    assert target.next_free() == 42
    target.write(PLANE, {50: disc(5, 5, 2)}, "replace")
    assert target.next_free() == 51
    paint(target.labels, disc(1, 1, 1).full(SHAPE), 60)
    assert target.next_free() == 61
    target.labels.selected_label = 70
    target.labels.paint((1, 1), 70)
    assert target.next_free() == 71
    assert target.next_free(at_least=99) == 100
    assert len(reads) == 1


def test_labels_painted_during_the_scan_count():
    target = target_on(np.full(SHAPE, 41, np.uint16))
    found = target.scan_job()()
    target.labels.paint((1, 1), 60)
    target.set_highest(found)
    assert not target.needs_scan
    assert target.next_free() == 61


def test_a_new_layer_needs_no_scan():
    viewer = ViewerModel()
    labels = make_layers(viewer, viewer.add_image(np.zeros(SHAPE)))[2]
    target = LabelsTarget(labels, highest=0)
    assert not target.needs_scan
    assert target.next_free() == 1


def test_replaced_data_starts_afresh():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {1: disc(5, 5, 2)})
    target.labels.data = np.full(SHAPE, 3, np.uint16)
    assert target.live() == frozenset()
    assert target.next_free() == 4
    target.write(PLANE, {1: None})
    assert (target.labels.data == 3).all()
    target.labels.data = np.zeros((3, 3), np.uint16)
    assert target.live() == frozenset()


def test_labels_beyond_255_do_not_wrap():
    target = target_on(np.zeros(SHAPE, np.uint16))
    target.write(PLANE, {300: disc(5, 5, 2)})
    assert np.unique(target.labels.data).tolist() == [0, 300]


def test_a_label_that_the_dtype_cannot_hold_is_refused_with_an_offer():
    target = target_on(np.full(SHAPE, 200, np.uint8))
    with pytest.raises(
        TargetError, match=r"uint8 and can't hold label 256; convert .* uint16"
    ) as e:
        target.write(PLANE, {256: disc(5, 5, 2)})
    assert (target.labels.data == 200).all()
    wide = converted_labels(target.labels, e.value.dtype)
    assert wide.dtype == np.uint16
    target.labels.data = wide
    target.write(PLANE, {256: disc(5, 5, 2)}, "replace")
    assert target.labels.data[5, 5] == 256
    with pytest.raises(TargetError, match="uint32"):
        target.write(PLANE, {70000: disc(5, 5, 2)})


def test_converting_the_layer_leaves_its_objects_live():
    target = target_on(np.zeros(SHAPE, np.uint8))
    target.write(PLANE, {1: disc(5, 5, 3), 2: disc(5, 10, 1)})
    target.labels.data = converted_labels(target.labels, np.dtype(np.uint16))
    assert target.live() == {1, 2}
    target.write(PLANE, {1: disc(5, 5, 1), 300: disc(10, 10, 1)})
    assert (target.labels.data == 1).sum() == disc(5, 5, 1).area
    target.labels.undo()
    assert (target.labels.data == 1).sum() == disc(5, 5, 3).area
    target.remove(target.live())
    assert not target.labels.data.any()


class TestRefusals:
    @pytest.fixture
    def viewer(self):
        viewer = ViewerModel()
        viewer.add_image(np.zeros(SHAPE), scale=(2, 0.5), name="cells")
        return viewer

    def refuse(self, viewer, labels, match):
        target = LabelsTarget(labels)
        with pytest.raises(TargetError, match=match) as e:
            target.check(viewer.layers["cells"], viewer.dims)
        assert str(e.value).count("\n") == 0
        return e.value

    def test_another_shape(self, viewer):
        labels = viewer.add_labels(np.zeros((5, 5), np.uint16))
        self.refuse(viewer, labels, r"shape \(5, 5\) but the image has \(12, 14\)")

    def test_another_place(self, viewer):
        labels = viewer.add_labels(np.zeros(SHAPE, np.uint16))
        self.refuse(viewer, labels, "lie elsewhere")

    def test_multiscale(self, viewer):
        pyramid = [np.zeros(SHAPE, np.uint16), np.zeros((6, 7), np.uint16)]
        labels = viewer.add_labels(pyramid, scale=(2, 0.5), multiscale=True)
        error = self.refuse(viewer, labels, "multiscale")
        assert converted_labels(labels, error.dtype).shape == SHAPE

    def test_lazy_arrays(self, viewer):
        dask = pytest.importorskip("dask.array")
        labels = viewer.add_labels(dask.zeros(SHAPE, dtype=np.uint16), scale=(2, 0.5))
        error = self.refuse(viewer, labels, "dask array")
        assert isinstance(converted_labels(labels, error.dtype), np.ndarray)
        with pytest.raises(TargetError, match="dask"):
            LabelsTarget(labels).write(PLANE, {1: disc(5, 5, 2)})

    def test_read_only_arrays(self, viewer):
        data = np.zeros(SHAPE, np.uint16)
        data.flags.writeable = False
        labels = viewer.add_labels(data, scale=(2, 0.5))
        self.refuse(viewer, labels, "read-only")

    def test_the_image_s_own_labels_are_taken(self, viewer):
        labels = make_layers(viewer, viewer.layers["cells"])[2]
        LabelsTarget(labels).check(viewer.layers["cells"], viewer.dims)


def test_a_closed_target_no_longer_listens():
    target = target_on(np.zeros(SHAPE, np.uint16))
    assert target.next_free() == 1
    target.close()
    target.close()
    target.labels.paint((1, 1), 9)
    assert target.next_free() == 1


def test_highest_label_reads_in_blocks(monkeypatch):
    monkeypatch.setattr("napari_samv2_prompts.layers.labels_checks.BLOCK", 10)
    data = np.zeros((7, 5), np.int32)
    data[6, 4], data[0, 0] = 12, -3
    assert highest_label(data) == 12
    assert highest_label(np.zeros((0, 5), int)) == 0


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
