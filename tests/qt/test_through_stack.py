"""Through the stack, on a viewer model without a window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.bench import Bench
from tests.fakes import ManualRunner, SyncRunner, outcome_of
from tests.propagation.fakes import BrightModel

from napari_samv2_prompts._qt.cluster import ClusterHelp
from napari_samv2_prompts._qt.labels_writer import place_of
from napari_samv2_prompts._qt.propagation import NO_LAYERS, NOTHING, UNDONE, StackPropagation
from napari_samv2_prompts.engine import Session
from napari_samv2_prompts.io.record_files import unpacked_step
from napari_samv2_prompts.io.recorder import Recorder
from napari_samv2_prompts.io.records import Follow, Record, Step
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    current_plane,
    mapped_view,
    remains,
)
from napari_samv2_prompts.mask_crops import MaskCrop
from napari_samv2_prompts.propagation import Lineage, Track, doubts_of_planes
from napari_samv2_prompts.propagation.values import Masks
from napari_samv2_prompts.propagation.walls import Walls
from napari_samv2_prompts.replaying import Replay

pytestmark = pytest.mark.usefixtures("qapp")

PLANES = 7


class Bright(BrightModel):
    """As the session wants it."""

    device, device_reason, packing, remembers = "cpu", "because this is a test", None, False

    def embed(self, image, progress=None, image_size=None):
        if progress is not None:
            progress(0.5)
        return super().embed(image if image.ndim == 2 else image[..., 0])


def film(shape=(PLANES, 50, 60)):
    """A bright disc of radius 7 that moves right by two a plane, and one that stays."""
    rng = np.random.default_rng(0)
    image = rng.normal(40, 5, shape)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    for plane in range(PLANES):
        for row, column in ((14, 14 + 2 * plane), (36, 40)):
            image[..., plane, :, :][..., (rows - row) ** 2 + (columns - column) ** 2 <= 49] = 200
    return image.clip(0, 255).astype(np.uint8)


class Stack(Bench):
    def __init__(self, image=None, runner=None) -> None:
        image = film() if image is None else image
        super().__init__(image.shape, runner)
        self.image.data = image
        self.image.contrast_limits = (0, 255)
        self.factory.predictor = Bright()
        self.recorder = Recorder(self.session, lambda: "keep")
        self.through = StackPropagation(
            self.viewer, self.controller, self.recorder, ClusterHelp(SyncRunner(), str, str)
        )
        self.make_layers()

    def go(self, plane: int) -> None:
        self.viewer.dims.set_current_step(self.viewer.dims.ndim - 3, plane)
        self.controller.refresh()

    def planes_of(self, number: int) -> list[int]:
        return np.flatnonzero((self.labels.data == number).any((-2, -1)).ravel()).tolist()

    def close(self) -> None:
        self.through.close()
        self.controller.close()


def waiting(image: np.ndarray | None = None) -> tuple[Stack, ManualRunner]:
    """Return a stack with an object, and the runner that finishes nothing by itself."""
    runner = ManualRunner()
    bench = Stack(image, runner)
    runner.finish_all()
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    runner.finish_all()
    return bench, runner


def thinned(self: Walls, planes: range, certain: Masks, followed: Masks) -> Iterator[Masks | None]:
    """Take last rows off masks: as many as there are masks on these planes and beside them."""
    yield None

    def rows(plane: int) -> int:
        beside = (plane - 1, plane, plane + 1)
        return sum(len(masks.get(at, ())) for masks in (certain, followed) for at in beside)

    yield {
        plane: {
            number: MaskCrop(crop.top, crop.left, crop.mask[: max(len(crop.mask) - rows(plane), 1)])
            for number, crop in crops.items()
        }
        for plane, crops in followed.items()
    }


def shortened(
    self: Walls, planes: range, certain: Masks, followed: Masks
) -> Iterator[Masks | None]:
    """Thin masks, and leave out those of the last two planes of objects with an even number."""
    *work, masks = thinned(self, planes, certain, followed)
    yield from work
    last = {
        n: sorted(p for p in masks if n in masks[p])[-2:]
        for n in {n for m in masks.values() for n in m}
    }
    yield {
        plane: {n: crop for n, crop in crops.items() if n % 2 or plane not in last[n]}
        for plane, crops in masks.items()
    }


def see_walls(patch: pytest.MonkeyPatch, seen: bool, fitted: Any = thinned) -> None:
    """Let there be walls, which thin masks by default, or none."""
    patch.setattr(Walls, "of", lambda stack, anchors: Walls(stack, True, 1.0) if seen else None)
    patch.setattr(Walls, "fitted", fitted)


@pytest.fixture(params=[False, True], ids=["ground", "walls"])
def bench(request, monkeypatch) -> Iterator[Stack]:
    see_walls(monkeypatch, request.param)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    yield bench
    bench.close()


def test_prompted_on_one_plane_the_objects_are_on_all(bench: Stack) -> None:
    bench.through.propagate()
    assert bench.planes_of(1) == bench.planes_of(2) == list(range(PLANES))
    for plane in range(PLANES):
        assert bench.labels.data[plane, 14, 14 + 2 * plane] == 1
        assert bench.labels.data[plane, 36, 40] == 2
    assert not bench.through.running


def test_by_the_walls_an_object_may_end_earlier_than_it_was_followed(monkeypatch) -> None:
    see_walls(monkeypatch, True, shortened)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    before = bench.labels.data.copy()
    bench.through.propagate()
    assert bench.planes_of(1) == list(range(PLANES))
    assert bench.planes_of(2) == list(range(PLANES - 2))
    track = bench.through._track
    assert sorted(track.found.sections[2]) == [p for p in range(PLANES - 2) if p != 3]
    assert f"Object 2 ended at plane {PLANES - 2}: not seen." in track.ends
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)
    bench.close()


def test_an_end_is_not_told_any_more_once_the_object_is_known_beyond_it(monkeypatch) -> None:
    see_walls(monkeypatch, True, shortened)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28), (28, 32, 44, 48))
    bench.through.propagate()
    assert bench.through._track.ends == f"Object 2 ended at plane {PLANES - 2}: not seen."
    rows, columns = np.nonzero(bench.labels.data[3] == 2)
    bench.labels.data_setitem((np.full(len(rows), PLANES - 1), rows, columns), 2)
    bench.through.propagate()
    assert bench.planes_of(2) == list(range(PLANES))
    assert bench.through._track.ends == ""
    bench.close()


def test_where_there_are_walls_what_was_followed_is_fitted_to_them(monkeypatch) -> None:
    see_walls(monkeypatch, True)
    bench = Stack()
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    anchor = bench.labels.data[3].copy()
    bench.through.propagate()
    sections = bench.through._track.found.sections[1]
    assert sorted(sections) == [place for place in range(PLANES) if place != 3]
    for place, section in sections.items():
        assert section.crop.area < section.followed.area
        assert np.array_equal(bench.labels.data[place] == 1, section.crop.full((50, 60)))
    assert np.array_equal(bench.labels.data[3], anchor)
    bench.close()


def test_the_shown_plane_comes_first(bench: Stack) -> None:
    places: list[int] = []
    bench.through.changed.connect(lambda state: state.done and places.append(state.place))
    bench.go(1)
    bench.through.propagate()
    assert list(dict.fromkeys(places))[:3] == [2, 1, 0]
    assert bench.planes_of(1) == list(range(PLANES))


@pytest.mark.parametrize("shown", [1, 3])
def test_the_window_is_told_of_pixels_that_it_shows_and_of_no_others(bench: Stack, shown) -> None:
    told: list[int] = []
    bench.go(shown)
    bench.labels.events.labels_update.connect(lambda event: told.append(1))
    bench.through.propagate()
    # The plane with the prompts stays as it is; where there are walls others are written twice.
    assert not told if shown == 3 else 0 < len(told) <= 2
    bench.go(5)
    assert np.array_equal(bench.labels._data_view > 0, bench.labels.data[5] > 0)


def test_a_view_across_the_planes_is_told_of_all_of_them() -> None:
    bench, runner = waiting()
    bench.through.propagate()
    bench.viewer.dims.order = (1, 0, 2)
    bench.viewer.dims.set_current_step(1, 14)
    told: list[int] = []
    bench.labels.events.labels_update.connect(lambda event: told.append(1))
    runner.finish_all()
    assert bench.planes_of(1) == list(range(PLANES))
    assert len(told) >= PLANES - 1
    assert np.array_equal(bench.labels._data_view > 0, bench.labels.data[:, 14] > 0)
    bench.close()


def test_a_run_is_one_undo_step(bench: Stack) -> None:
    before = bench.labels.data.copy()
    bench.through.propagate()
    after = bench.labels.data.copy()
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)
    bench.labels.redo()
    assert np.array_equal(bench.labels.data, after)


def test_what_is_painted_meanwhile_is_kept_and_undone_on_its_own() -> None:
    bench, runner = waiting()
    before = bench.labels.data.copy()
    bench.through.propagate()
    task, on_done, on_report = runner.jobs.pop()
    painted: list[int] = []

    def paint_after_the_second(task, report) -> None:
        on_report(task, report)
        painted.append(0)
        if len(painted) == 2:
            bench.labels.data_setitem(np.nonzero(np.ones((PLANES, 2, 2), bool)), 9)

    task.on_report = lambda report: paint_after_the_second(task, report)
    on_done(task, outcome_of(task))
    runner.finish_all()
    assert bench.planes_of(1) == list(range(PLANES))
    assert (bench.labels.data[:, :2, :2] == 9).all()
    bench.labels.undo()
    assert not (bench.labels.data == 9).any()
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)
    bench.close()


@pytest.mark.parametrize("way", ["painted on its way", "painted elsewhere", "prompted elsewhere"])
def test_an_object_that_is_drawn_meanwhile_stays_as_it_was_drawn(way: str) -> None:
    bench, runner = waiting(film((PLANES, 50, 160)))
    drawn = MaskCrop(10, 20 if "on its way" in way else 120, np.ones((6, 10), bool))
    bench.through.propagate()
    task, on_done, on_report = runner.jobs.pop()
    plane = replace(current_plane(bench.viewer.dims, bench.image), index=(5, None, None))

    def draw_at_first(task, report) -> None:
        if not (bench.labels.data[5] == 1).any():
            if "painted" in way:
                shown = np.zeros(bench.labels.data.shape, bool)
                shown[5] = drawn.full((50, 160))
                bench.labels.data_setitem(np.nonzero(shown), 1)
            else:
                bench.controller.targets.of(bench.labels).write(plane, {1: drawn})
        on_report(task, report)

    task.on_report = lambda report: draw_at_first(task, report)
    on_done(task, outcome_of(task))
    runner.finish_all()
    assert np.array_equal(bench.labels.data[5] == 1, drawn.full((50, 160)))
    assert bench.planes_of(1) == list(range(PLANES))
    bench.close()


def test_other_labels_are_not_touched(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(np.ones((PLANES, 50, 16), bool)), 9)
    before = bench.labels.data == 9
    bench.through.propagate([1])
    assert (bench.labels.data[before] == 9).all()


def test_kept_labels_are_not_followed(bench: Stack) -> None:
    bench.controller.label_tools.keep(1, on=True)
    bench.through.propagate()
    assert bench.planes_of(1) == [3]
    assert bench.planes_of(2) == list(range(PLANES))


def test_a_direction_a_range_and_an_object_are_kept_to(bench: Stack) -> None:
    bench.through.propagate([2], "forward", last=5)
    assert bench.planes_of(1) == [3]
    assert bench.planes_of(2) == [3, 4, 5]


def test_a_painted_plane_is_an_anchor_and_is_not_changed(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(_box(5, 8, 14, 20, 30)), 1)
    painted = bench.labels.data[5] == 1
    bench.through.propagate([1])
    assert np.array_equal(bench.labels.data[5] == 1, painted)
    assert bench.planes_of(1) == list(range(PLANES))


def test_what_was_painted_onto_a_found_plane_is_not_taken_by_another_object(bench: Stack) -> None:
    bench.through.propagate([1])
    bench.labels.data_setitem(np.nonzero(_box(5, 2, 3, 2, 3)), 1)
    users = bench.labels.data[5] == 1
    bench.go(4)
    bench.draw((6, 14, 22, 30))  # where 1 is
    bench.through.propagate([3])
    assert np.array_equal(bench.labels.data[5] == 1, users)
    assert (bench.labels.data[6] == 3).sum() > 100


def _box(plane: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    mask = np.zeros((PLANES, 50, 60), bool)
    mask[plane, y0:y1, x0:x1] = True
    return mask


def test_a_correction_changes_nothing_beyond_the_next_anchors(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.data_setitem(np.nonzero(_box(1, 8, 20, 8, 24)), 1)
    before = bench.labels.data.copy()
    bench.through.propagate([1])
    assert np.array_equal(bench.labels.data[3:], before[3:])
    assert np.array_equal(bench.labels.data == 2, before == 2)
    assert np.array_equal(bench.labels.data[1], before[1])


def test_asking_again_does_nothing_again(bench: Stack) -> None:
    bench.through.propagate()
    before, asked = bench.labels.data.copy(), len(bench.factory.predictor.sizes)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, before)
    assert len(bench.factory.predictor.sizes) == asked


def test_what_was_undone_is_found_again(bench: Stack) -> None:
    bench.through.propagate()
    after = bench.labels.data.copy()
    bench.labels.undo()
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, after)


def test_runs_that_were_undone_leave_what_earlier_ones_found(bench: Stack) -> None:
    bench.through.propagate()
    followed = bench.labels.data.copy()
    bench.labels.data_setitem(np.nonzero(_box(5, 4, 20, 20, 36)), 1)
    corrected = bench.labels.data.copy()
    bench.through.propagate()
    anew = bench.labels.data.copy()
    assert not np.array_equal(anew, corrected)
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, corrected)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, anew)
    bench.labels.undo()
    bench.labels.undo()  # the correction
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, followed)


def test_what_is_undone_meanwhile_is_followed_again(bench: Stack) -> None:
    before, undone = bench.labels.data.copy(), []

    def undo(state) -> None:
        if state.running and state.done >= 3 and not undone:
            undone.append(bench.labels.undo())

    bench.through.changed.connect(undo)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, before)
    assert not bench.through.running
    assert bench.through.state.said == UNDONE
    bench.through.propagate()
    assert bench.planes_of(1) == bench.planes_of(2) == list(range(PLANES))


def test_an_end_that_was_undone_is_none(bench: Stack) -> None:
    bench.through.propagate()
    followed = bench.labels.data.copy()
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    ended = bench.labels.data.copy()
    bench.labels.undo()
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, followed)
    bench.labels.redo()
    assert np.array_equal(bench.labels.data, ended)
    bench.through.propagate()
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    assert np.array_equal(bench.labels.data == 1, ended == 1)


def test_cancelling_and_going_on_is_the_same_as_never_having_stopped(bench: Stack) -> None:
    whole = Stack()
    whole.go(3)
    whole.draw((6, 12, 22, 28), (28, 32, 44, 48))
    whole.through.propagate()
    heard = []

    def stop(state) -> None:
        heard.append(state)
        if state.done >= 4 and state.running:
            bench.through.cancel()

    bench.through.changed.connect(stop)
    bench.through.propagate()
    assert not bench.through.running
    assert len(bench.planes_of(1)) < PLANES
    bench.through.changed.disconnect(stop)
    bench.through.propagate()
    assert np.array_equal(bench.labels.data, whole.labels.data)
    whole.close()


def test_ends_here_takes_the_object_away_from_there_on(bench: Stack) -> None:
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]
    bench.through.propagate([2])
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]


def test_ends_here_leaves_what_was_corrected_beyond(bench: Stack) -> None:
    bench.through.propagate([2])
    place = np.argwhere(bench.labels.data[6] == 2)[0]
    bench.labels.data_setitem((np.array([6]), place[:1] - 1, place[1:]), 2)
    bench.go(5)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4, 6]


def test_ends_here_does_not_read_the_whole_layer(bench: Stack, monkeypatch) -> None:
    bench.through.propagate([2])
    bench.go(5)
    monkeypatch.setattr("napari_samv2_prompts.layers.stack_labels.read_anchors", None)
    bench.through.end_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3, 4]


def test_pressing_does_not_read_the_layer_on_the_thread_of_the_window(monkeypatch) -> None:
    runner = ManualRunner()
    bench = Stack(runner=runner)
    bench.draw((6, 12, 22, 28))
    runner.finish_all()
    bench.through.propagate()
    runner.finish_all()
    assert bench.through._track.has_found
    monkeypatch.setattr("napari_samv2_prompts.layers.stack_labels.read_mask", None)
    bench.through.propagate()  # the worker would read it
    bench.through.cancel()
    bench.close()


def test_next_doubtful_goes_there_in_order_of_doubt(bench: Stack) -> None:
    bench.through.propagate()
    seen = []
    for _ in range(3):
        place, number = bench.through.next_doubtful()
        assert bench.viewer.dims.current_step[0] == place
        assert bench.controller.state().current == number
        assert f"Object {number} on plane {place}: doubt" in bench.through.state.said
        seen.append((place, number))
    doubts = {
        (place, number): doubt
        for number, places in bench.through._track.found.sections.items()
        for place, doubt in doubts_of_planes(places).items()
    }
    assert [doubts[one] for one in seen] == sorted(doubts.values(), reverse=True)[:3]


def test_next_doubtful_goes_to_the_plane_of_the_labels_whatever_other_layers_there_are() -> None:
    bench = Stack(film((2, PLANES, 50, 60)))
    bench.viewer.add_image(np.zeros((2, 40, 50, 60)), scale=(1, 0.5, 1, 1), translate=(0, -4, 0, 0))
    bench.viewer.dims.set_point((0, 1), (0, 3))
    bench.controller.refresh()
    bench.draw((28, 32, 44, 48))
    bench.through.propagate(axis=1)
    bench.viewer.dims.set_point(0, 1)
    bench.controller.refresh()
    place, _ = bench.through.next_doubtful()
    shown = current_plane(bench.viewer.dims, bench.labels)
    assert shown.index == (0, place, None, None)
    bench.close()


def test_what_was_corrected_is_not_doubtful_any_more(bench: Stack) -> None:
    bench.through.propagate([1])
    place, _ = bench.through.next_doubtful()
    bench.labels.data_setitem(np.nonzero(_box(place, 0, 4, 0, 4)), 1)
    visited = [bench.through.next_doubtful()[0] for _ in range(PLANES)]
    assert place not in visited
    assert set(visited) == set(range(PLANES)) - {3, place}


def test_what_is_doubtful_is_so_in_the_labels_that_are_chosen(bench: Stack) -> None:
    bench.through.propagate()
    first = bench.controller.chosen
    bench.choose(replace(first, labels=bench.viewer.add_labels(np.zeros_like(bench.labels.data))))
    assert not bench.through.state.doubtful
    assert bench.through.next_doubtful() is None
    bench.choose(first)
    assert bench.through.state.doubtful
    assert bench.through.next_doubtful() is not None


def test_labels_of_another_length_are_another_stack() -> None:
    bench = Stack()
    bench.go(3)
    bench.draw((28, 32, 44, 48))
    bench.through.propagate()
    bench.image.data = np.concatenate([film(), film()[:2]])
    bench.labels.data = np.concatenate([np.asarray(bench.labels.data), np.zeros_like(film()[:2])])
    bench.go(4)
    bench.through.propagate([1])
    assert bench.planes_of(1) == list(range(PLANES + 2))
    bench.close()


def test_what_was_followed_can_be_accepted_on_whatever_plane_is_shown(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(0)
    state = bench.controller.state()
    assert state.acceptable
    bench.controller.accept()
    assert not bench.controller.state().acceptable


def test_accepted_planes_are_anchors(bench: Stack) -> None:
    bench.through.propagate()
    objects = bench.controller.accept()
    bench.through.accepted(objects)
    before = bench.labels.data.copy()
    bench.through.propagate([1, 2])
    assert np.array_equal(bench.labels.data, before)


def test_a_label_that_was_kept_for_a_while_is_the_users_on_all_planes(bench: Stack) -> None:
    bench.through.propagate()
    for on in (True, False):
        bench.controller.label_tools.keep(1, on=on)
    track = bench.through.stack.track(bench.through.stack.now(), 0)
    assert sorted(track.read_anchors(frozenset({1}))[1]) == list(range(PLANES))


def test_any_axis_of_more_may_be_gone_through() -> None:
    bench = Stack(film((2, PLANES, 50, 60)))
    bench.viewer.dims.set_current_step(0, 1)
    bench.go(2)
    bench.go(3)
    bench.draw((6, 12, 22, 28))
    bench.through.propagate(axis=1)
    assert not (bench.labels.data[0] == 1).any()
    assert (bench.labels.data[1] == 1).any((1, 2)).all()
    assert [axis.number for axis in bench.through.stack.axes()[0]] == [1, 0]
    bench.close()


def test_a_removed_layer_ends_it(bench: Stack) -> None:
    bench.through.propagate()
    bench.viewer.layers.remove(bench.labels)
    bench.choose(Chosen(bench.image))
    with pytest.raises(ValueError, match="draw an object"):
        bench.through.propagate()


def test_without_the_image_it_ends(bench: Stack) -> None:
    def remove(state) -> None:
        if state.done and bench.image in bench.viewer.layers:
            bench.viewer.layers.remove(bench.image)
            bench.choose(Chosen(labels=bench.labels))

    bench.through.changed.connect(remove)
    bench.through.propagate()
    assert not bench.through.running
    assert bench.session.propagation is None
    assert bench.controller.idle


@pytest.mark.parametrize("name", ["image", "labels"])
def test_other_data_of_a_layer_end_it(bench: Stack, name: str) -> None:
    layer = getattr(bench, name)

    def change(state) -> None:
        if state.done and layer.data.shape[1] == 50:
            layer.data = layer.data[:, :49].copy()
            bench.controller.refresh()

    bench.through.changed.connect(change)
    bench.through.propagate()
    assert not bench.through.running
    assert bench.through.state.said == NO_LAYERS


def test_accepting_all_ends_it(bench: Stack) -> None:
    pressed: list[bool] = []

    def accept(state) -> None:
        if state.done and not pressed:
            pressed.append(True)
            bench.through.accepted(bench.controller.accept())

    bench.through.changed.connect(accept)
    bench.through.propagate()
    assert not bench.through.running
    assert bench.planes_of(1) != list(range(PLANES))
    assert not bench.through.state.doubtful


@pytest.mark.parametrize("way", ["delete", "merge", "prompts", "keep"])
def test_what_is_removed_meanwhile_does_not_come_back_on_other_planes(way: str) -> None:
    bench, runner = waiting()
    bench.draw((28, 32, 44, 48))
    runner.finish_all()
    bench.controller.pick_object(2)
    bench.through.propagate()
    task, on_done, on_report = runner.jobs.pop()
    heard: list[object] = []

    def do_after_the_second(task, report) -> None:
        on_report(task, report)
        heard.append(report)
        if len(heard) != 2:
            return
        if way == "prompts":
            bench.shapes.selected_data = {0}
            bench.shapes.remove_selected()
            bench.controller.refresh()
        else:
            tools = bench.controller.label_tools
            tools.keep(1, on=True) if way == "keep" else getattr(tools, way)(1)

    task.on_report = lambda report: do_after_the_second(task, report)
    on_done(task, outcome_of(task))
    runner.finish_all()
    bench.through.propagate()
    runner.finish_all()
    assert bench.planes_of(2) == list(range(PLANES))
    assert (bench.planes_of(1) == []) == (way != "keep")
    bench.close()


def test_what_was_undone_is_not_to_be_looked_at(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.undo()
    assert bench.through.next_doubtful() is None
    assert bench.through.state.said == "Nothing that was found is left to look at."
    assert not bench.through.state.doubtful


def test_an_end_meanwhile_says_that_following_stopped(bench: Stack) -> None:
    def end(state) -> None:
        if state.running and state.done:
            bench.through.end_here(2)

    bench.through.changed.connect(end)
    bench.go(4)
    bench.through.propagate()
    assert not bench.through.running
    assert "nor beyond. Following stopped: press again" in bench.through.state.said


def test_an_object_may_end_on_all_sides(bench: Stack) -> None:
    bench.through.propagate()
    for plane, there in ((5, [0, 1, 2, 3, 4]), (1, [2, 3, 4]), (3, [])):
        bench.go(plane)
        bench.through.end_here(1)
        assert bench.planes_of(1) == there


def test_what_can_not_be_done_is_said(bench: Stack) -> None:
    with pytest.raises(ValueError, match="The first plane, 5, lies behind the last, 2"):
        bench.through.propagate(first=5, last=2)
    with pytest.raises(ValueError, match="no such axis"):
        bench.through.propagate(axis=2)
    with pytest.raises(ValueError, match="no object 0: they are counted from 1"):
        bench.through.propagate(np.unique(bench.labels.data))
    bench.session.update(None)
    with pytest.raises(ValueError, match="Choose a model that is on this machine"):
        bench.through.propagate()


def test_an_end_is_one_of_the_labels_that_were_there_then(bench: Stack) -> None:
    before = bench.labels.data.copy()
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    bench.labels.data = before
    bench.controller.refresh()
    bench.through.propagate([2])
    assert bench.planes_of(2) == list(range(PLANES))


def test_what_is_found_does_not_go_to_other_labels_in_the_same_layer(bench: Stack) -> None:
    others = np.zeros_like(bench.labels.data)

    def replace_labels(state) -> None:
        if state.done >= 2 and bench.labels.data is not others:
            bench.labels.data = others
            bench.controller.refresh()

    bench.through.changed.connect(replace_labels)
    bench.through.propagate([1])
    bench.through.changed.disconnect(replace_labels)
    assert not bench.through.running
    assert not others.any()
    assert bench.through.state.said == NO_LAYERS


@pytest.mark.parametrize("live", [True, False])
def test_an_end_stays_where_labels_are_converted(bench: Stack, live: bool) -> None:
    bench.through.propagate([2])
    bench.go(5)
    bench.through.end_here(2)
    if not live:
        bench.controller.targets.of(bench.labels).accept()
    bench.labels.data = bench.labels.data.astype(np.uint32)
    bench.controller.refresh()
    bench.through.propagate([2])
    assert bench.planes_of(2) == list(range(5))


@pytest.mark.parametrize("planes", [slice(2), slice(None)])
def test_nothing_is_doubtful_in_labels_that_have_another_shape_by_now(
    bench: Stack, planes: slice
) -> None:
    bench.through.propagate([2])
    bench.labels.data = bench.labels.data[planes, :30].copy()
    assert bench.through.next_doubtful() is None


def test_what_is_found_does_not_go_to_labels_that_have_another_shape_by_now(bench: Stack) -> None:
    small = np.zeros((2, 20, 20), np.uint16)

    def shrink(state) -> None:
        if state.done >= 2:
            bench.labels.data = small

    bench.through.changed.connect(shrink)
    bench.through.propagate([1])
    bench.through.changed.disconnect(shrink)
    assert not bench.through.running
    assert "have another shape by now" in bench.through.state.said


def test_what_is_accepted_while_labels_are_read_for_others_is_the_users(
    bench: Stack, monkeypatch
) -> None:
    bench.through.propagate([2])
    track, is_gone = bench.through._track, remains._is_gone

    def accepting(*arguments) -> bool:
        track.accept(2)
        return is_gone(*arguments)

    monkeypatch.setattr(remains, "_is_gone", accepting)
    track.read_anchors(frozenset({1}))
    assert not any(track.remains.at(2, place) for place in range(PLANES))
    assert not track.found.sections.get(2)


# --- divisions and tracks ---


def test_divides_here_makes_two_of_an_object_from_there_on(bench: Stack) -> None:
    bench.through.propagate([2])
    before = bench.labels.data.copy()
    bench.go(4)
    covered = bench.labels.data[4] == 2
    daughters = bench.through.divide_here(2)
    assert bench.planes_of(2) == [0, 1, 2, 3]
    parts = [bench.labels.data[4] == number for number in daughters]
    assert np.array_equal(parts[0] | parts[1], covered)
    assert min(part.sum() for part in parts) > 0.4 * covered.sum()
    bench.through.propagate([2, *daughters], "forward")
    assert bench.planes_of(2) == [0, 1, 2, 3]
    assert all(bench.planes_of(number)[0] == 4 for number in daughters)
    assert bench.through.stack.lineage().parents == dict.fromkeys(daughters, 2)
    bench.labels.undo()
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)


def test_daughters_are_followed_with_all_objects(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(4)
    daughters = bench.through.divide_here(2)
    bench.through.propagate()
    for number in daughters:
        assert bench.planes_of(number) == [4, 5, 6]


def test_a_division_that_was_undone_is_none(bench: Stack) -> None:
    bench.through.propagate([2])
    followed = bench.labels.data.copy()
    bench.go(4)
    first, _ = bench.through.divide_here(2)
    bench.labels.undo()
    bench.labels.data_setitem(np.nonzero(_box(6, 0, 4, 0, 4)), first)  # the number is free again
    assert bench.through.stack.lineage().parents == {}
    bench.through.propagate([2])
    assert np.array_equal(bench.labels.data == 2, followed == 2)


def test_labels_that_can_hold_no_daughters_can_be_converted(bench: Stack) -> None:
    data = bench.labels.data.astype(np.uint8)
    data[0, :2, :2] = 254
    bench.labels.data = data
    bench.controller.refresh()
    bench.go(3)
    with pytest.raises(ValueError, match="convert them to uint16"):
        bench.through.divide_here(2)
    assert bench.controller.state().offer == "uint16"
    bench.controller.choose(bench.controller.label_tools.convert())
    assert bench.through.divide_here(2) == (255, 256)
    assert bench.controller.state().offer == ""


def test_pieces_that_were_drawn_are_the_daughters(bench: Stack) -> None:
    left, right = _box(4, 2, 8, 2, 12), _box(4, 2, 8, 20, 30)
    bench.labels.data_setitem(np.nonzero(left | right), 5)
    bench.go(4)
    daughters = bench.through.divide_here(5)
    assert sorted((bench.labels.data[4] == n).tobytes() for n in daughters) == sorted(
        (left[4].tobytes(), right[4].tobytes())
    )


def test_what_is_clicked_next_is_no_daughter(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(_box(3, 2, 6, 2, 6)), 5)
    bench.controller.refresh()
    bench.controller.next_object()
    daughters = bench.through.divide_here(1)
    bench.click(3, 24, 52)
    assert bench.points.features["object"].iloc[-1] not in daughters


def test_what_is_drawn_next_is_no_daughter(bench: Stack) -> None:
    daughters = bench.through.divide_here(1)
    bench.draw((28, 32, 44, 48))
    assert bench.shapes.features["object"].iloc[-1] not in daughters


def test_an_object_that_is_not_there_does_not_divide(bench: Stack) -> None:
    bench.go(4)
    with pytest.raises(ValueError, match="Object 2 is not on this plane"):
        bench.through.divide_here(2)
    assert bench.planes_of(2) == [3]


def test_tracks_are_shown_with_their_parents(bench: Stack) -> None:
    bench.through.propagate([2])
    bench.go(4)
    one, other = bench.through.divide_here(2)
    tracks = bench.through.stack.show_tracks()
    again = bench.through.stack.show_tracks()
    assert tracks not in bench.viewer.layers
    assert again.graph == {one: [2], other: [2]}
    rows = again.data[again.data[:, 0] == 2]
    assert rows[:, 1].tolist() == [0, 1, 2, 3]
    assert np.allclose(rows[:, 2:], (36, 40), atol=1.5)
    assert bench.through.stack.lineage().tracks == (
        Track(1, 3, 3), Track(2, 0, 3), Track(one, 4, 4, 2), Track(other, 4, 4, 2)
    )  # fmt: skip


def test_what_the_user_does_while_tracks_are_measured_is_not_in_them(
    bench: Stack, monkeypatch
) -> None:
    bench.through.propagate([2])
    bench.go(4)
    before, measure, divided = bench.through.stack.lineage(), Lineage.of, []

    def of(*film):
        divided.append(bench.through.divide_here(2))
        return measure(*film)

    monkeypatch.setattr(Lineage, "of", of)
    assert bench.through.stack.lineage().tracks == before.tracks
    assert divided


def test_what_was_followed_is_deleted_with_its_prompts_in_one_step(bench: Stack) -> None:
    bench.through.propagate([2])
    before = bench.labels.data.copy()
    assert bench.controller.label_tools.delete(2)
    assert bench.planes_of(2) == []
    bench.labels.undo()
    assert np.array_equal(bench.labels.data, before)


def test_tracks_lie_where_the_labels_lie(bench: Stack) -> None:
    turned = np.eye(4)
    turned[1:3, 1:3] = [[0, -2], [2, 1]]
    for layer in (bench.image, bench.labels):
        layer.affine, layer.translate = turned, (3, 4, 5)
    tracks = bench.through.stack.show_tracks()
    assert tracks.data_to_world((3, 36, 40)) == bench.labels.data_to_world((3, 36, 40))


@pytest.mark.parametrize("kind", ["points", "tracks"])
def test_a_layer_of_the_users_stays_whatever_its_name(bench: Stack, kind: str) -> None:
    name = f"{bench.labels.name} tracks"
    if kind == "points":
        theirs = bench.viewer.add_points([[1, 2, 3]], name=name)
    else:
        theirs = bench.viewer.add_tracks([[1, 0, 2, 3], [1, 1, 2, 3]], name=name)
    bench.through.stack.show_tracks()
    assert theirs in bench.viewer.layers


def test_tracks_are_shown_anew_whatever_the_labels_are_called(bench: Stack) -> None:
    before = bench.through.stack.show_tracks()
    bench.labels.name = "renamed"
    again = bench.through.stack.show_tracks()
    assert before not in bench.viewer.layers
    assert again.name == "renamed tracks"


# --- done again from what was noted ---


def noted(bench: Stack) -> tuple[Step, ...]:
    return tuple(map(unpacked_step, bench.recorder.noted(bench.labels.unique_id)))


def again(bench: Stack, differs: str = "") -> np.ndarray:
    """Do the steps that a bench noted in a session and labels of their own; return the labels.

    - `differs`: with what the words begin that say why they may be others
    """
    labels = bench.viewer.add_labels(np.zeros_like(bench.labels.data))
    predictor = bench.session._plan.predictor  # the one that answered the bench
    session = Session(lambda choice, task: predictor, SyncRunner())
    replay = Replay(
        Record("cells", bench.labels.data.shape, noted(bench)),
        session,
        LabelsTarget(labels),
        lambda plane, picture: mapped_view(bench.image, plane, picture.limits, picture.gamma),
        lambda plane: place_of(bench.controller.chosen, plane),
    )
    reasons: list[str] = []
    replay.finished.connect(reasons.append)
    replay.start()
    session.close()
    assert reasons == [""]
    assert bool(replay.differs) == bool(differs)
    assert replay.differs.startswith(differs)
    return labels.data


def test_following_is_done_again_bit_for_bit(bench: Stack) -> None:
    bench.through.propagate()
    bench.go(5)
    bench.through.end_here(2)
    bench.draw((2, 2, 10, 12))
    bench.through.propagate()
    bench.through.divide_here(1)
    bench.through.propagate()
    assert np.array_equal(again(bench), bench.labels.data)


def test_after_what_was_undone_or_painted_the_rest_is_done_again(bench: Stack) -> None:
    bench.through.propagate()
    bench.labels.undo()
    bench.through.propagate()
    bench.draw((2, 40, 12, 50))
    bench.through.propagate()
    assert np.array_equal(again(bench, "Less was there to follow than then"), bench.labels.data)
    bench.labels.data_setitem(np.nonzero(_box(5, 4, 20, 20, 36)), 1)
    bench.through.propagate()
    bench.go(1)
    bench.through.end_here(2)
    labels = again(bench, "Less was there to follow than then")
    assert np.array_equal(labels == 2, bench.labels.data == 2)
    assert np.array_equal(labels == 3, bench.labels.data == 3)


def test_a_division_beside_labels_that_were_painted_is_done_again(bench: Stack) -> None:
    bench.labels.data_setitem(np.nonzero(_box(3, 2, 6, 2, 6)), 9)
    daughters = bench.through.divide_here(1)
    labels = again(bench)
    for number in daughters:
        assert np.array_equal(labels == number, bench.labels.data == number)


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_what_was_interrupted_and_cancelled_is_done_again_as_far_as_it_came(
    bench: Stack, stop_at: int
) -> None:
    def interfere(state) -> None:
        if state.running and state.done >= stop_at and not meddled:
            meddled.append(state.done)
            bench.through.cancel()

    meddled: list[int] = []
    bench.through.changed.connect(interfere)
    bench.through.propagate()
    bench.through.changed.disconnect(interfere)
    bench.draw((2, 40, 12, 50))
    half = bench.labels.data.copy()
    assert np.array_equal(again(bench), half)
    bench.through.propagate()
    assert np.array_equal(again(bench), bench.labels.data)
    assert [step.begun for step in noted(bench) if isinstance(step, Follow)] == [True, True]


@pytest.mark.parametrize("change", ["image", "3-D"])
def test_following_goes_on_whatever_is_shown(change: str) -> None:
    bench, runner = waiting()
    bench.through.propagate()
    if change == "image":
        bench.choose(replace(bench.controller.chosen, image=None))
    else:
        bench.viewer.dims.ndisplay = 3
        bench.controller.refresh()
    runner.finish_all()
    assert not bench.through.running
    assert bench.planes_of(1) == list(range(PLANES))
    bench.close()


def test_following_goes_on_after_a_prompt_failed_and_stops_at_once() -> None:
    bench, runner = waiting()
    bench.through.propagate()
    bench.draw((30, 32, 44, 48))
    runner.finish(0)  # what was followed made way
    runner.fail(OSError("The disk is gone"))
    assert bench.session.status.reason == "The disk is gone."
    assert len(runner.live) == 1
    bench.through.cancel()
    assert not bench.through.running
    assert runner.live == []
    bench.through.propagate([1])
    runner.finish_all()
    assert bench.planes_of(1) == list(range(PLANES))
    bench.close()


def test_objects_that_have_no_mask_yet_are_said_to_be_nothing_to_follow(bench: Stack) -> None:
    bench.controller.set_options(replace(bench.controller.options, live=False))
    bench.points.add([[3, 45, 5]])
    bench.through.propagate([3])
    assert not bench.through.running
    assert bench.through.state.said == NOTHING
