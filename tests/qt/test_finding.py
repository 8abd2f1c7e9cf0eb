"""Find all in the window: shown as it is found, chosen by sliders, accepted as one step."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.bench import names
from tests.remembering import OnlyOnce
from tests.test_everything import discs, found_once, picture_of

from napari_samv2_prompts._qt import find_all
from napari_samv2_prompts._qt.widget_state import FindAllState
from napari_samv2_prompts.layers import found as found_objects
from napari_samv2_prompts.regions import InputSides

SHAPE = (160, 200)


@pytest.fixture(scope="module")
def predictor() -> OnlyOnce:
    return OnlyOnce(device="cpu")


@pytest.fixture
def opened(open_in, predictor: OnlyOnce) -> Any:
    viewer = ViewerModel()
    true = discs(SHAPE)
    viewer.add_image(picture_of(true), name="cells", scale=(0.5, 0.5), units=("um", "um"))
    widget = open_in(viewer, make_predictor=lambda choice, task: predictor)
    widget.new_prompt_layers()
    widget.wait_until_idle(300)
    return SimpleNamespace(viewer=viewer, widget=widget, true=true)


def test_found_objects_are_shown_chosen_and_accepted_as_one_step(opened: Any) -> None:
    widget, labels = opened.widget, opened.widget.labels.value
    before = names(opened.viewer)
    widget.find_all()
    widget.wait_until_idle(300)
    assert not labels.data.any()  # nothing of the user's is touched yet
    found = opened.viewer.layers["cells found"]
    assert found_once(found.data, opened.true) >= 0.85
    np.testing.assert_allclose(found.scale, labels.scale)
    n_all = len(np.unique(found.data)) - 1
    widget.min_area = 1e6
    assert not found.data.any()
    widget.min_area = 0
    assert len(np.unique(found.data)) - 1 == n_all
    told: list[tuple[Any, dict[int, float]]] = []
    keep = widget._wiring.find_all.accepted.connect(lambda *what: told.append(what))
    numbers = widget.accept_found()
    assert keep
    assert len(numbers) == n_all
    assert told[0][0] == labels.unique_id
    assert tuple(told[0][1]) == numbers
    assert all(0.6 <= score <= 1.1 for score in told[0][1].values())
    assert names(opened.viewer) == before
    assert set(np.unique(labels.data)) == {0, *numbers}
    labels.undo()
    assert not labels.data.any()
    labels.redo()
    assert set(np.unique(labels.data)) == {0, *numbers}


def test_what_the_button_accepts_is_written_while_the_window_goes_on(
    opened: Any, monkeypatch
) -> None:
    monkeypatch.setattr(found_objects, "SOME", 3)
    widget, labels = opened.widget, opened.widget.labels.value
    widget.find_all()
    widget.wait_until_idle(300)
    panel = widget._form.find_all
    panel.accept.click()
    assert len(np.unique(labels.data)) - 1 == 3
    total = len(np.unique(opened.true)) - 1
    assert panel.text.text().startswith("Accepting: 3 of ")
    widget.wait_until_idle(300)
    assert len(np.unique(labels.data)) - 1 >= 0.85 * total
    assert "as labels. Undo takes them back." in panel.text.text()
    labels.undo()
    assert not labels.data.any()


def test_what_is_drawn_next_has_the_number_of_no_accepted_object(opened: Any, monkeypatch) -> None:
    monkeypatch.setattr(found_objects, "SOME", 3)
    widget, labels = opened.widget, opened.widget.labels.value
    widget.find_all()
    widget.wait_until_idle(300)
    count = len(np.unique(opened.viewer.layers["cells found"].data)) - 1
    widget._form.find_all.accept.click()  # most of them are still to be written
    widget.points.value.add([[2, 2]])
    widget.wait_until_idle(300)
    (number,) = widget.points.value.features["object"]
    assert number == count + 1
    assert set(np.unique(labels.data)) >= set(range(1, count + 1))


def test_what_is_taken_back_meanwhile_stays_so(opened: Any, monkeypatch) -> None:
    monkeypatch.setattr(found_objects, "SOME", 3)
    widget, labels = opened.widget, opened.widget.labels.value
    widget.find_all()
    widget.wait_until_idle(300)
    widget._form.find_all.accept.click()
    labels.undo()
    widget.wait_until_idle(300)
    assert not labels.data.any()


def test_more_than_the_labels_can_hold_stays_to_choose_from_until_they_are_converted(
    opened: Any,
) -> None:
    widget, labels = opened.widget, opened.widget.labels.value
    labels.data = labels.data.astype(np.uint8)
    labels.data_setitem((np.array([0]), np.array([0])), 250)
    widget.find_all()
    widget.wait_until_idle(300)
    assert widget.accept_found() == ()
    assert "can't hold label" in widget._form.find_all.text.text()
    assert "cells found" in names(opened.viewer)
    assert set(np.unique(labels.data)) == {0, 250}
    convert = widget._form.head.convert
    assert convert.text() == "Convert labels to uint16"
    convert.click()
    widget.wait_until_idle(300)
    assert convert.isHidden()
    numbers = widget.accept_found()
    assert set(np.unique(labels.data)) == {0, 250, *numbers} != {0, 250}


def test_labels_that_are_there_stay_and_are_not_found_again(opened: Any) -> None:
    labels = opened.widget.labels.value
    known = np.where(opened.true <= 8, opened.true, 0).astype(labels.data.dtype)
    labels.data = known.copy()
    opened.widget.wait_until_idle(300)
    opened.widget.find_all()
    opened.widget.wait_until_idle(300)
    numbers = opened.widget.accept_found()
    assert min(numbers) > 8
    assert len(numbers) <= 14  # 12 are left to be found
    assert (labels.data[known > 0] == known[known > 0]).all()
    grown = [(labels.data == number)[opened.true <= 8].sum() for number in numbers]
    assert found_once(np.where(labels.data > 8, labels.data, 0), opened.true) > 0.4
    assert sum(grown) < 1500


def test_the_like_of_an_object_are_found(opened: Any) -> None:
    widget = opened.widget
    rows, columns = np.nonzero(opened.true == 8)
    widget.points.value.add([[rows.mean(), columns.mean()]])
    widget.wait_until_idle(300)
    widget.find_all(alike=True)
    widget.wait_until_idle(300)
    numbers = widget.accept_found()
    assert len(numbers) >= 10
    assert 1 not in numbers  # the example is an object already


def test_without_an_example_it_says_what_to_do(opened: Any) -> None:
    opened.widget.find_all(alike=True)
    assert "draw a box around one object" in opened.widget._form.find_all.text.text()


def test_missing_layers_are_made(opened: Any) -> None:
    for kind in ("points", "shapes", "labels"):
        opened.viewer.layers.remove(f"cells {kind}")
    opened.widget.wait_until_idle(300)
    opened.widget._form.find_all.search.click()
    opened.widget.wait_until_idle(300)
    assert len(opened.widget.accept_found()) > 10
    assert opened.widget.labels.value.name == "cells labels"


def test_a_prompt_comes_first_and_the_search_goes_on(opened: Any) -> None:
    widget = opened.widget
    widget.find_all()
    rows, columns = np.nonzero(opened.true == 8)
    widget.points.value.add([[rows.mean(), columns.mean()]])
    widget.wait_until_idle(300)
    assert (widget.labels.value.data == 1).any()
    assert len(widget.accept_found()) >= 10


def test_cancelled_it_keeps_what_was_found_and_discarded_nothing(opened: Any) -> None:
    widget = opened.widget
    widget.find_all()
    widget._open.find_all.cancel()
    widget.wait_until_idle(300)
    assert not widget._open.find_all.running
    widget.discard_found()
    assert "cells found" not in names(opened.viewer)
    assert not widget.labels.value.data.any()


@pytest.mark.parametrize("at_once", [True, False])
def test_the_users_removal_of_the_shown_layer_discards_what_was_found(
    opened: Any, at_once: bool
) -> None:
    widget, panel = opened.widget, opened.widget._form.find_all
    widget.find_all()
    widget.wait_until_idle(300)
    assert panel.accept.isEnabled()
    opened.viewer.layers.remove("cells found")
    widget.min_score = 0.7
    if not at_once:
        widget.wait_until_idle(300)
        assert not panel.accept.isEnabled()
        assert not panel.discard.isEnabled()
    assert widget.accept_found() == ()
    assert not widget.labels.value.data.any()
    assert not panel.accept.isEnabled()
    assert "cells found" not in names(opened.viewer)


def unchosen(opened: Any) -> None:
    opened.widget.image.value = None


def in_3d(opened: Any) -> None:
    opened.viewer.dims.ndisplay = 3


@pytest.mark.parametrize("change", [unchosen, in_3d])
def test_the_search_goes_on_whatever_is_shown(opened: Any, change: Callable[[Any], None]) -> None:
    opened.widget.find_all()
    change(opened)
    opened.widget.wait_until_idle(60)
    assert not opened.widget._open.find_all.running
    assert len(opened.widget.accept_found()) > 10


def removed(opened: Any) -> None:
    opened.viewer.layers.remove("cells")


def replaced(opened: Any) -> None:
    image = opened.viewer.layers["cells"]
    image.data = image.data[:-8].copy()


@pytest.mark.parametrize("change", [removed, replaced])
def test_without_its_picture_the_search_ends_and_says_so(
    opened: Any, change: Callable[[Any], None]
) -> None:
    widget, panel = opened.widget, opened.widget._form.find_all
    widget.find_all()
    change(opened)
    widget.wait_until_idle(30)
    assert widget._open.controller.session.generation is None
    assert panel.search.text() == "Find all"
    assert panel.text.text() == find_all.NO_PICTURE
    assert "cells found" not in names(opened.viewer)


def test_what_was_found_before_its_picture_was_removed_can_be_accepted(opened: Any) -> None:
    widget, panel = opened.widget, opened.widget._form.find_all
    widget.find_all()
    widget.wait_until_idle(300)
    removed(opened)
    widget.wait_until_idle(30)
    assert panel.accept.isEnabled()
    assert len(widget.accept_found()) > 5


def test_without_its_labels_what_was_found_is_forgotten(opened: Any) -> None:
    widget, panel = opened.widget, opened.widget._form.find_all
    widget.find_all()
    opened.viewer.layers.remove("cells labels")
    widget.wait_until_idle(30)
    assert widget._open.controller.session.generation is None
    assert panel.text.text() == find_all.NO_LABELS
    assert not panel.accept.isEnabled()


def test_what_does_not_fit_its_labels_any_more_is_forgotten(opened: Any) -> None:
    widget, labels = opened.widget, opened.widget.labels.value
    widget.find_all()
    widget.wait_until_idle(300)
    labels.data = labels.data[:30, :30].copy()
    assert widget.accept_found() == ()
    assert widget._form.find_all.text.text() == find_all.NO_LABELS


def test_the_tool_in_hand_stays_and_closing_takes_the_shown_layer_along(opened: Any) -> None:
    opened.viewer.layers.selection.active = opened.widget.shapes.value
    opened.widget.find_all()
    opened.widget.wait_until_idle(300)
    assert opened.viewer.layers.selection.active is opened.widget.shapes.value
    assert opened.widget.labels.value.name == "cells labels"
    assert "cells found" in names(opened.viewer)
    opened.widget._tear_down()
    assert "cells found" not in names(opened.viewer)


def test_tiles_of_a_large_plane_are_searched_one_after_the_other(opened: Any, monkeypatch) -> None:
    finding = opened.widget._open.find_all
    totals: list[int] = []

    def note(found: FindAllState) -> None:
        totals.append(found.total)

    finding.changed.connect(note)
    monkeypatch.setattr(find_all, "input_sides", lambda model: InputSides(130, 130))
    opened.widget.find_all()
    opened.widget.wait_until_idle(300)
    assert max(totals) > 1
    found = opened.viewer.layers["cells found"].data
    assert found_once(found, opened.true) >= 0.85


def test_closing_leaves_nothing_to_be_looked_at(opened: Any) -> None:
    opened.widget.find_all()
    opened.widget.wait_until_idle(300)
    controller = opened.widget._open.controller
    opened.widget._open.find_all.close()
    assert "cells found" not in names(opened.viewer)
    assert controller.idle  # Qt may have deleted its timer by now
