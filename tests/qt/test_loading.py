"""What the user does while prompts are loaded, with a worker that answers late.

What comes out of a load that nobody disturbs is in ``test_saving``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QCoreApplication
from tests.bench import box
from tests.fakes import Factory, ManualRunner

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.io.record_files import read_record


def late(runner: ManualRunner) -> dict[str, object]:
    return {"make_predictor": Factory(), "make_runner": lambda: runner}


def settle(widget: SAMV2PromptsWidget, runner: ManualRunner) -> None:
    """Let the worker do all that is asked for."""
    while runner.jobs or not widget._open.idle:
        runner.finish_all()
        QCoreApplication.processEvents()


@pytest.fixture
def saved(open_in, tmp_path) -> tuple[SAMV2PromptsWidget, ManualRunner, Path]:
    """A widget with an object that has a prompt, its worker, and the file of that."""
    runner = ManualRunner()
    viewer = ViewerModel()
    viewer.add_image(np.zeros((40, 50)), name="cells")
    widget = open_in(viewer, **late(runner))
    widget.new_prompt_layers()[0].add([[10, 10]])
    settle(widget, runner)
    widget.save_prompts(tmp_path / "prompts.json")
    return widget, runner, tmp_path / "prompts.json"


@pytest.fixture
def saved_stack(open_in, tmp_path) -> tuple[SAMV2PromptsWidget, ManualRunner, Path]:
    """As `saved`, with an object on each of two planes."""
    runner, viewer = ManualRunner(), ViewerModel()
    viewer.add_image(np.zeros((2, 40, 50)), name="cells")
    widget = open_in(viewer, **late(runner))
    points, _, _ = widget.new_prompt_layers()
    for z in (0, 1):
        viewer.dims.set_current_step(0, z)
        widget.next_object()
        points.add([[z, 10, 10]])
        settle(widget, runner)
    widget.save_prompts(tmp_path / "prompts.json")
    return widget, runner, tmp_path / "prompts.json"


def test_labels_too_large_to_be_searched_at_once_are_made_again(saved, monkeypatch) -> None:
    widget, runner, path = saved
    monkeypatch.setattr("napari_samv2_prompts._qt.labels_writer.QUICK", 0)
    before = widget.labels.value
    widget.load_prompts(path)
    settle(widget, runner)
    assert widget.labels.value is not before
    np.testing.assert_array_equal(widget.labels.value.data, before.data)


def test_what_is_drawn_while_prompts_are_loaded_is_another_object(saved) -> None:
    widget, runner, path = saved
    widget.load_prompts(path)
    widget.points.value.add([[30, 40]])
    widget.shapes.value.add_rectangles([box(20, 5, 30, 15)])
    with pytest.raises(ValueError, match="being loaded"):
        widget.save_prompts(path)
    settle(widget, runner)
    points, shapes, data = widget.points.value, widget.shapes.value, widget.labels.value.data
    assert points.data.tolist() == [[10, 10], [30, 40]]
    objects = [*points.features["object"], *shapes.features["object"]]
    assert len(set(objects)) == 3
    assert [data[10, 10], data[30, 40], data[25, 10]] == objects
    points.add([[5, 40]])  # nor does a click refine what was loaded, once it is there
    settle(widget, runner)
    assert points.features["object"].iloc[-1] not in objects[:1]


def test_layers_that_are_chosen_while_prompts_are_loaded_stay_chosen(saved) -> None:
    widget, runner, path = saved
    widget.load_prompts(path)
    loaded = widget.labels.value
    other = widget._viewer.add_image(np.zeros((30, 30)), name="other")
    settle(widget, runner)
    assert widget._open.controller.chosen == widget._layers.chosen
    assert widget._layers.chosen.image is other
    assert loaded.data[10, 10] == 1
    widget.image.value = widget._viewer.layers["cells"]
    settle(widget, runner)
    assert widget.labels.value is loaded
    assert loaded.data[10, 10] == 1


def test_removing_the_labels_that_are_loaded_into_ends_it(saved) -> None:
    widget, runner, path = saved
    widget.load_prompts(path)
    widget._viewer.layers.remove(widget.labels.value)
    assert not widget._open.files.busy
    _, _, labels = widget.new_prompt_layers()
    widget.points.value.add([[30, 40]])
    settle(widget, runner)
    assert labels.data[30, 40]


def test_of_a_load_that_ended_early_only_what_was_done_counts(
    saved_stack, monkeypatch, tmp_path
) -> None:
    widget, runner, path = saved_stack
    monkeypatch.setattr("napari_samv2_prompts._qt.files.show_error", lambda text: None)
    widget._viewer.dims.set_current_step(0, 0)
    settle(widget, runner)
    widget.load_prompts(path)
    while not widget.labels.value.data.any():
        runner.finish(0)
        QCoreApplication.processEvents()
    while not runner.jobs:
        QCoreApplication.processEvents()
    runner.fail(OSError("The disk is gone"))
    settle(widget, runner)
    assert len(widget.points.value.data) == 2  # the prompts are there all the same
    widget.save_prompts(tmp_path / "again.json")
    first, second = (read_record(p).steps for p in (path, tmp_path / "again.json"))
    assert len(first) == 2
    assert [step.plane for step in second] == [first[0].plane]


def test_closing_while_prompts_are_loaded_leaves_no_half_made_layers(saved_stack) -> None:
    widget, runner, path = saved_stack
    before = list(widget._viewer.layers)
    widget.load_prompts(path)
    widget._tear_down()
    assert list(widget._viewer.layers) == before
    runner.finish_all()
    assert list(widget._viewer.layers) == before


def test_closing_while_prompts_are_loaded_leaves_what_was_painted_meanwhile(saved_stack) -> None:
    widget, _, path = saved_stack
    widget.load_prompts(path)
    labels = widget.labels.value
    labels.data_setitem((np.array([0]), np.array([30]), np.array([40])), 9)
    widget._tear_down()
    assert labels in widget._viewer.layers


def test_closing_while_prompts_are_loaded_leaves_what_was_drawn_meanwhile(saved_stack) -> None:
    widget, _, path = saved_stack
    widget.load_prompts(path)
    points = widget.points.value
    points.add([[0, 30, 40]])
    widget._tear_down()
    assert points in widget._viewer.layers


@pytest.mark.parametrize("name", ["cells", "cells labels [1]"])
def test_loading_ends_where_layers_get_other_data(saved_stack, monkeypatch, name) -> None:
    widget, runner, path = saved_stack
    told: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.files.show_error", told.append)
    widget.load_prompts(path)
    widget._viewer.layers[name].data = np.zeros((1, 20, 20), np.uint16)
    settle(widget, runner)
    assert len(told) == 1
    assert f"{name!r}" in told[0]
    assert "IndexError" not in told[0]
    assert not widget._open.files.busy
