"""Prompts saved in a window and loaded in another make the same labels, bit for bit.

Or they are refused in a sentence.  What happens while they are loaded is in ``test_loading``.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFileDialog
from skimage.data import coins
from tests.bench import box
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts import replay
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.io.record_files import read_record
from napari_samv2_prompts.io.records import Accept, Choose, Predict


@pytest.fixture
def open_widget(open_in):
    def open_(image, **options) -> SAMV2PromptsWidget:
        viewer = ViewerModel()
        viewer.add_image(image, name="cells")
        widget = open_in(viewer, **options)
        widget.wait_until_idle(120)
        return widget

    return open_


def fake() -> dict[str, object]:
    return {"make_predictor": Factory(), "make_runner": SyncRunner}


# --- the same labels ---


def work_of_a_user(widget: SAMV2PromptsWidget) -> None:
    """Boxes, clicks that refine, a choice, an accepted object, overlaps and a deleted prompt."""
    points, shapes, _ = widget.new_prompt_layers()
    shapes.add_rectangles([box(10, 10, 60, 60)])
    widget.wait_until_idle(120)
    points.add([[40, 70]])  # refines the box
    widget.wait_until_idle(120)
    widget._form.prompts.sign.click()
    points.add([[55, 20]])
    widget.wait_until_idle(120)
    widget.next_object()
    points.add([[100, 120]])
    widget.wait_until_idle(120)
    widget.cycle_mask()
    widget.accept()
    widget.next_object()
    shapes.add([box(40, 40, 90, 100), box(150, 150, 190, 220)], shape_type="polygon")
    widget.wait_until_idle(120)
    shapes.selected_data = {1}
    shapes.remove_selected()
    widget.next_object()
    points.add([[60, 60]])
    widget.wait_until_idle(120)


def prompts_in(widget: SAMV2PromptsWidget) -> tuple:
    points, shapes = widget.points.value, widget.shapes.value
    return (
        points.data.tolist(), points.features.to_dict("list"),
        [np.asarray(s).tolist() for s in shapes.data], shapes.features.to_dict("list"),
        [str(kind) for kind in shapes.shape_type],
    )  # fmt: skip


def test_the_labels_come_back_bit_for_bit(open_widget, tmp_path) -> None:
    first = open_widget(coins())
    work_of_a_user(first)
    labels, prompts = first.labels.value.data.copy(), prompts_in(first)
    assert len(np.unique(labels)) >= 4
    first.save_prompts(tmp_path / "prompts.json")
    steps = read_record(tmp_path / "prompts.json").steps
    assert {Predict, Choose, Accept} <= {type(step) for step in steps}

    second = open_widget(coins())
    second.load_prompts(tmp_path / "prompts.json")
    second.wait_until_idle(120)
    np.testing.assert_array_equal(second.labels.value.data, labels)
    assert prompts_in(second) == prompts
    # And in a script, without a window.
    np.testing.assert_array_equal(replay(coins(), tmp_path / "prompts.json"), labels)
    # What is loaded can be gone on with, and saved again.
    second.points.value.add([[62, 62]])
    second.wait_until_idle(120)
    second.save_prompts(tmp_path / "more.json")
    more = read_record(tmp_path / "more.json").steps
    assert len(more) == len(steps) + 1
    np.testing.assert_array_equal(replay(coins(), tmp_path / "more.json"), second.labels.value.data)


def test_each_plane_of_a_stack_comes_back(open_widget, tmp_path) -> None:
    stack = np.zeros((3, 40, 50))
    first = open_widget(stack, **fake())
    points, shapes, labels = first.new_prompt_layers()
    for z in (0, 2):
        first._viewer.dims.set_current_step(0, z)
        first.next_object()
        points.add([[z, 10 + z, 20]])
        shapes.add_rectangles([box(20, 5, 30, 25, z)])
        first.wait_until_idle()
    assert [set(np.unique(plane)) for plane in labels.data] == [{0, 1}, {0}, {0, 2}]
    first.save_prompts(tmp_path / "prompts.json")
    second = open_widget(stack, **fake())
    second.load_prompts(tmp_path / "prompts.json")
    second.wait_until_idle()
    np.testing.assert_array_equal(second.labels.value.data, labels.data)


def test_a_label_that_is_kept_comes_back(open_widget, tmp_path) -> None:
    widget = open_widget(np.zeros((40, 50)), **fake())
    widget.new_prompt_layers()[0].add([[10, 10]])
    widget.wait_until_idle()
    kept = widget.labels.value
    assert widget.label_tools.keep(1, on=True)
    widget.save_prompts(tmp_path / "prompts.json")
    widget.load_prompts(tmp_path / "prompts.json")
    widget.wait_until_idle()
    assert widget.labels.value is not kept
    np.testing.assert_array_equal(widget.labels.value.data, kept.data)


def test_what_was_accepted_in_another_image_is_not_in_the_file(open_widget, tmp_path) -> None:
    widget = open_widget(np.zeros((40, 50)), **fake())
    widget.new_prompt_layers()[0].add([[10, 10]])
    widget.wait_until_idle()
    widget._viewer.add_image(np.zeros((40, 50)), name="other")
    widget.new_prompt_layers()[0].add([[20, 20]])
    assert widget.accept() == (1,)
    widget.image.value = widget._viewer.layers["cells"]
    widget.save_prompts(tmp_path / "prompts.json")
    assert [type(step) for step in read_record(tmp_path / "prompts.json").steps] == [Predict]


def test_loading_leaves_alone_what_is_there(open_widget, tmp_path) -> None:
    widget = open_widget(np.zeros((40, 50)), **fake())
    points, _, labels = widget.new_prompt_layers()
    points.add([[10, 10]])
    widget.save_prompts(tmp_path / "prompts.json")
    labels.data_setitem((np.array([30]), np.array([30])), 9)
    before = labels.data.copy()
    widget.load_prompts(tmp_path / "prompts.json")
    widget.wait_until_idle()
    assert widget.labels.value is not labels
    np.testing.assert_array_equal(labels.data, before)
    assert len(points.data) == 1


def test_a_click_in_a_side_view_gives_nothing_on_the_planes_across(open_widget, tmp_path) -> None:
    widget = open_widget(np.zeros((30, 40, 50)), **fake())
    dims = widget._viewer.dims
    points, _, labels = widget.new_prompt_layers()
    dims.set_current_step(0, 12)
    dims.set_current_step(1, 20)
    dims.order = (1, 0, 2)
    points.add([[12, 20, 25]])
    widget.wait_until_idle()
    before = labels.data.copy()
    dims.order = (0, 1, 2)
    widget.wait_until_idle()
    np.testing.assert_array_equal(labels.data, before)
    widget.save_prompts(tmp_path / "prompts.json")
    widget.load_prompts(tmp_path / "prompts.json")
    widget.wait_until_idle()
    assert widget.labels.value is not labels
    np.testing.assert_array_equal(widget.labels.value.data, before)
    widget.points.value.add([[12, 20, 30]])  # what is drawn here counts here, with the other
    widget.points.value.features["object"] = [1, 1]
    widget.wait_until_idle()
    assert (widget.labels.value.data[12] > 0).sum() > (before[12] > 0).sum()


# --- what can't be loaded ---


def test_what_does_not_fit_is_refused_in_a_sentence(open_widget, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("NAPARI_SAMV2_PROMPTS_CACHE", str(tmp_path))
    widget = open_widget(np.zeros((40, 50)), **fake())
    with pytest.raises(ValueError, match="press Box or Click"):
        widget.save_prompts(tmp_path / "none.json")
    widget.new_prompt_layers()[0].add([[10, 10]])
    path = tmp_path / "prompts.json"
    widget.save_prompts(path)
    content = json.loads(path.read_text())

    def refused(words: str) -> None:
        layers = list(widget._viewer.layers)
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=words):
            widget.load_prompts(path)
        assert list(widget._viewer.layers) == layers

    content["steps"][0]["model"]["name"] = "large"
    refused("Download")
    content["steps"][0]["model"] = {"checkpoint": "/nowhere/mine.pt", "name": None}
    refused("mine.pt")
    content["steps"] = []
    content["shape"] = [41, 50]
    refused("41 x 50")
    assert not widget._open.controller.paused


def test_an_error_while_loading_is_told_and_ends_it(open_widget, tmp_path, monkeypatch) -> None:
    widget = open_widget(np.zeros((40, 50)), **fake())
    widget.new_prompt_layers()[0].add([[10, 10]])
    widget.save_prompts(tmp_path / "prompts.json")
    told: list[str] = []
    monkeypatch.setattr("napari_samv2_prompts._qt.files.show_error", told.append)
    widget._make_predictor.error = ValueError("The weights are gone.")
    widget.load_prompts(tmp_path / "prompts.json")
    widget._make_predictor.error = None
    widget.wait_until_idle()
    assert "The weights are gone." in told[0]
    assert len(widget.points.value.data) == 1  # the prompts are there all the same


def test_the_widget_goes_on_where_there_is_no_memory_for_what_is_loaded(
    open_widget, tmp_path, monkeypatch
) -> None:
    widget = open_widget(np.zeros((40, 50)), **fake())
    points, _, labels = widget.new_prompt_layers()
    widget.save_prompts(tmp_path / "prompts.json")

    def refuse(*arguments: object) -> None:
        raise MemoryError("No memory for labels of 9.0 GB.")

    monkeypatch.setattr("napari_samv2_prompts._qt.files.make_layers", refuse)
    with pytest.raises(MemoryError):
        widget.load_prompts(tmp_path / "prompts.json")
    points.add([[10, 10]])
    widget.wait_until_idle()
    assert labels.data[10, 10] == 1


def test_weights_that_a_file_names_are_the_ones_the_user_points_at(
    open_widget, tmp_path, monkeypatch
) -> None:
    factory = Factory()
    widget = open_widget(np.zeros((40, 50)), make_predictor=factory, make_runner=SyncRunner)
    widget.new_prompt_layers()[0].add([[10, 10]])
    for folder in ("named", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.pt").touch()
    path, mine = tmp_path / "prompts.json", tmp_path / "mine" / "w.pt"
    widget.save_prompts(path)
    content = json.loads(path.read_text())
    model = {"checkpoint": str(tmp_path / "named" / "w.pt"), "name": None}
    content["steps"][0]["model"] = model
    path.write_text(json.dumps(content))

    with pytest.raises(ValueError, match=r"w\.pt.*checkpoint"):
        widget.load_prompts(path)
    asked: list[str] = []

    def answer(parent, title, *rest) -> tuple[str, str]:
        asked.append(title)
        return {"Load prompts": str(path)}.get(title, ""), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", answer)
    widget._open.files.ask_and_load()  # where the weights are is asked, and not answered
    assert "w.pt" in asked[1]
    assert len(widget._viewer.layers) == 4

    widget.load_prompts(path, mine)
    widget.wait_until_idle()
    widget._open.files.ask_and_load()  # they are listed now: nothing is asked
    widget.wait_until_idle()
    assert len(asked) == 3
    assert {choice.checkpoint for choice in factory.made} == {None, mine}
