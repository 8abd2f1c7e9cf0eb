"""What the user does while objects are followed, and what ends a run.

Edits between two runs are in ``test_corrections``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.fakes import outcome_of
from tests.qt.stack_bench import PLANES, Stack, film, waiting

from napari_samv2_prompts._qt.propagation import NO_LAYERS, UNDONE
from napari_samv2_prompts.layers import Chosen, current_plane, remains
from napari_samv2_prompts.mask_crops import MaskCrop

pytestmark = pytest.mark.usefixtures("qapp")


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


def test_an_end_meanwhile_says_that_following_stopped(bench: Stack) -> None:
    def end(state) -> None:
        if state.running and state.done:
            bench.through.end_here(2)

    bench.through.changed.connect(end)
    bench.go(4)
    bench.through.propagate()
    assert not bench.through.running
    assert "nor beyond. Following stopped: press again" in bench.through.state.said


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
