"""The list of objects: its rows, and what a press on one does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from tests.fakes import Factory, FakePredictor, SyncRunner
from tests.qt.stack_bench import Bright, film

from napari_samv2_prompts._qt.form.objects import ObjectRow, ObjectsPanel
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.layers import current_plane
from napari_samv2_prompts.prompts import ItemMasks

BOX = np.array([[10, 10], [10, 30], [25, 30], [25, 10]])


@pytest.fixture
def panel(qtbot) -> ObjectsPanel:
    panel = ObjectsPanel()
    qtbot.addWidget(panel)
    return panel


def shown(panel: ObjectsPanel, column: int = 0) -> list[str]:
    model = panel.table.model()
    return [model.index(row, column).data() for row in range(model.rowCount())]


# --- the table ---


def test_rows_are_sorted_by_what_they_mean_and_filtered(panel: ObjectsPanel) -> None:
    rows = [ObjectRow(2, score=0.9), ObjectRow(10, score=0.3), ObjectRow(7)]
    panel.show_rows(rows, 10)
    assert shown(panel) == ["2", "7", "10"]
    assert panel.selected == (10,)
    panel.table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    assert shown(panel) == ["10", "2", "7"]
    assert shown(panel, 2) == ["0.30 ?", "0.90", ""]
    panel.doubtful.setChecked(True)
    assert shown(panel) == ["10"]


def test_what_is_chosen_stays_when_the_rows_change(panel: ObjectsPanel) -> None:
    panel.show_rows([ObjectRow(1), ObjectRow(2)], 1)
    panel.table.selectRow(1)
    panel.show_rows([ObjectRow(1), ObjectRow(2, prompts=3), ObjectRow(3)], 3)
    assert panel.selected == (2,)
    panel.show_rows([ObjectRow(1), ObjectRow(3)], 3)
    assert panel.selected == (3,)


def test_a_class_is_written_in_its_column_only(panel: ObjectsPanel, qtbot) -> None:
    panel.show_rows([ObjectRow(4, name="cell")], 4)
    model = panel.model
    assert not model.setData(model.index(0, 0), "5")
    with qtbot.waitSignal(panel.named) as named:
        model.setData(model.index(0, 1), " nucleus ")
    assert named.args == [4, "nucleus"]


def test_planes_are_listed_shortly() -> None:
    assert ObjectRow(1, planes=((),)).planes_text == ""
    assert ObjectRow(1, score=0.9, doubt=0.7).is_doubtful
    assert not ObjectRow(1, score=0.9, doubt=0.1).is_doubtful
    assert ObjectRow(1, planes=((3,), (4,))).planes_text == "3 4"
    assert ObjectRow(1, planes=((0, 1), (0, 2), (5, 0))).planes_text == "0,1…5,0 (3)"


def test_of_a_thousand_rows_only_those_that_changed_are_drawn_again(panel: ObjectsPanel) -> None:
    rows = [ObjectRow(n, score=n % 100 / 100, prompts=1) for n in range(1, 1001)]
    panel.show_rows(rows, 500)
    changed, anew = [], []
    panel.model.dataChanged.connect(lambda first, last: changed.append((first.row(), last.row())))
    panel.model.modelReset.connect(lambda: anew.append(1))
    rows[7] = ObjectRow(8, prompts=9)
    panel.show_rows(rows, 500)
    assert (changed, anew) == ([(7, 7)], [])
    assert len(shown(panel)) == 1000


# --- in the window ---


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.add_image(np.ones((3, 80, 100)), name="stack")
    viewer.dims.set_point(0, 0)
    return viewer


@pytest.fixture
def widget(viewer, open_in) -> SAMV2PromptsWidget:
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget._form.fold_of("objects").open()
    widget.new_prompt_layers()
    return widget


def draw(widget: SAMV2PromptsWidget, plane: int, right: int = 0) -> None:
    box = BOX + np.array([0, right])
    widget.shapes.value.add_rectangles([np.insert(box, 0, plane, axis=1)])
    widget.wait_until_idle()


def rows(widget: SAMV2PromptsWidget) -> dict[int, ObjectRow]:
    widget._wiring.objects.refresh()
    return {row.number: row for row in widget._form.objects.model.rows}


def test_it_lists_what_is_prompted_painted_and_accepted(viewer, widget) -> None:
    draw(widget, 0)
    viewer.dims.set_point(0, 2)
    draw(widget, 2)
    widget.labels.value.data_setitem((np.array([1]), np.array([3]), np.array([4])), 9)
    found = rows(widget)
    assert found.keys() == {1, 2, 9}
    assert (found[1].planes, found[1].prompts, found[1].state) == (((0,),), 1, "prompted")
    assert found[2].planes == ((2,),)
    assert found[1].score == pytest.approx(0.9)
    assert (found[9].planes, found[9].prompts, found[9].score) == (((1,),), 0, None)
    assert found[9].state == "by hand"
    red, green, blue, _ = widget.labels.value.get_color(1)
    assert found[1].colour == tuple(round(255 * c) for c in (red, green, blue))
    widget.accept()
    after = rows(widget)
    assert after[2].state == "accepted"
    assert after[2].score == pytest.approx(0.9), "what was known of it stays known"


def test_what_is_painted_and_undone_shows_by_itself(widget, qtbot) -> None:
    model, labels = widget._form.objects.model, widget.labels.value
    labels.data_setitem((np.array([1]), np.array([3]), np.array([4])), 9)
    qtbot.waitUntil(lambda: [row.number for row in model.rows] == [9])
    labels.undo()
    qtbot.waitUntil(lambda: not model.rows)


def test_a_press_goes_to_the_object(viewer, widget) -> None:
    draw(widget, 0)
    viewer.dims.set_point(0, 2)
    draw(widget, 2)
    rows(widget)
    viewer.scene.camera.zoom = 50
    viewer.scene.camera.center = (0, 70, 90)
    widget._form.objects.picked.emit(1)
    widget.wait_until_idle()
    assert viewer.dims.current_step[0] == 0
    assert widget._form.prompts.object.value() == 1
    assert viewer.scene.camera.center[-2:] == pytest.approx((17.5, 20), abs=1)


def test_a_label_too_high_for_an_object_is_shown_and_named(viewer, widget) -> None:
    high = 3_000_000_000
    data = np.zeros((3, 80, 100), np.uint32)
    data[2, 40:50, 40:60] = high
    widget.labels.value = viewer.add_labels(data)
    assert rows(widget).keys() == {high}
    current, table = widget._form.prompts.object.value(), widget._form.objects
    table._on_clicked(table.table.model().index(0, 0))
    assert viewer.dims.current_step[0] == 2
    assert widget._form.prompts.object.value() == current
    table.model.setData(table.model.index(0, 1), "cell")
    assert rows(widget)[high].name == "cell"


def test_a_press_picks_a_prompt_beside_labels_in_several_sizes(viewer, widget) -> None:
    full = np.zeros(widget.labels.value.data.shape, np.uint16)
    widget.labels.value = viewer.add_labels([full, full[:, ::2, ::2]])
    draw(widget, 0)
    assert rows(widget).keys() == {1}
    widget.next_object()
    widget._form.objects.picked.emit(1)
    assert widget._form.prompts.object.value() == 1


def test_a_press_goes_to_the_plane_where_the_viewer_has_other_units(viewer, widget) -> None:
    for layer in viewer.layers:
        layer.units = ("um",) * 3
    draw(widget, 0)
    viewer.dims.set_point(0, 2)
    draw(widget, 2)
    viewer.add_image(np.ones((3, 80, 100)), units=("nm",) * 3)
    widget.image.value = viewer.layers["stack"]
    viewer.dims.set_point(0, 0)
    rows(widget)
    widget._form.objects.picked.emit(2)
    assert current_plane(viewer.dims, widget.labels.value).index == (2, None, None)


def test_objects_are_kept_deleted_and_named_there(viewer, widget) -> None:
    draw(widget, 0)
    widget._form.objects.named.emit(1, "nucleus")
    assert rows(widget)[1].name == "nucleus"
    assert list(widget.shapes.value.features["class"]) == ["nucleus"]
    draw(widget, 0, right=40)
    assert rows(widget)[2].name == "", "a new object has no class"
    widget._form.objects.kept.emit((1,))
    widget.wait_until_idle()
    assert rows(widget)[1].state == "kept"
    assert rows(widget)[1].name == "nucleus", "though its prompts are gone"
    widget._form.objects.deleted.emit((2,))
    widget.wait_until_idle()
    assert rows(widget).keys() == {1}


def test_what_was_deleted_with_one_press_comes_back_with_one(widget) -> None:
    for right in (0, 30, 60):
        draw(widget, 0, right)
    before = widget.labels.value.data.copy()
    widget._form.objects.deleted.emit((1, 2, 3))
    widget.wait_until_idle()
    assert not widget.labels.value.data.any()
    widget._form.prompts.undo_wanted.emit()
    np.testing.assert_array_equal(widget.labels.value.data, before)


def scored(score: float) -> Callable[..., ItemMasks]:
    """Return what answers a click with masks of this score."""
    scores = np.full(3, score, np.float32)
    return lambda *asked: replace(FakePredictor._item(*asked), scores=scores)


@pytest.mark.parametrize("way", ["its prompts", "its label"])
def test_the_score_of_a_mask_goes_with_it(viewer, widget, way: str) -> None:
    for plane, score in ((0, 0.4), (1, 0.95)):
        widget._make_predictor.predictor._item = scored(score)
        viewer.dims.set_point(0, plane)
        widget.points.value.add([[plane, 40, 50]])
        widget.wait_until_idle()
    assert rows(widget)[1].score == pytest.approx(0.4)
    viewer.dims.set_point(0, 0)
    widget.wait_until_idle()
    if way == "its label":
        widget._form.objects.deleted.emit((1,))
    else:
        widget.points.value.remove([0])
    widget.wait_until_idle()
    assert rows(widget)[1].planes == ((1,),)
    assert rows(widget)[1].score == pytest.approx(0.95)


def test_nothing_is_kept_of_labels_that_are_gone(viewer, widget) -> None:
    draw(widget, 0)
    widget._wiring.objects.take_found(widget.labels.value.unique_id, {5: 0.55})
    viewer.layers.remove(widget.labels.value)
    assert not widget._wiring.objects._scores
    assert not widget._wiring.objects._found


def test_nothing_is_looked_for_while_the_list_is_folded(viewer, widget, monkeypatch) -> None:
    widget._form.fold_of("objects").open(False)
    looked: list[object] = []
    monkeypatch.setattr(
        "napari_samv2_prompts._qt.object_list.labels_by_plane", lambda *a: looked.append(a) or {}
    )
    draw(widget, 0)
    widget._wiring.objects.refresh()
    assert looked == []


def test_columns_about_stacks_are_shown_when_there_is_something_in_them(qtbot) -> None:
    panel = ObjectsPanel()
    qtbot.addWidget(panel)

    def shown() -> list[str]:
        columns = range(panel.model.columnCount())
        across = Qt.Orientation.Horizontal
        return [panel.model.headerData(c, across) for c in columns
                if not panel.table.isColumnHidden(c)]  # fmt: skip

    panel.show_rows([ObjectRow(1), ObjectRow(2)], 1)
    assert shown() == ["Object", "Class", "Score", "State", "Prompts"]
    panel.show_rows([ObjectRow(1, planes=((3,),)), ObjectRow(2)], 1)
    assert shown() == ["Object", "Class", "Score", "State", "Prompts", "Planes"]
    panel.show_rows([ObjectRow(1, planes=((3,),), doubt=0.2)], 1)
    assert "Doubt" in shown()


def test_what_was_found_and_accepted_has_its_score_and_origin(viewer, widget) -> None:
    labels = widget.labels.value
    labels.data[0, 10:20, 10:20], labels.data[0, 30:40, 10:20] = 5, 6
    labels.refresh()
    widget._wiring.objects.take_found(labels.unique_id, {5: 0.55})
    widget.wait_until_idle()
    listed = rows(widget)
    assert (listed[5].state, listed[5].score) == ("found", 0.55)
    assert listed[5].is_doubtful
    assert (listed[6].state, listed[6].score) == ("by hand", None)


def test_what_a_run_found_and_undo_took_away_is_propagated_no_more(open_in) -> None:
    viewer, factory = ViewerModel(), Factory()
    viewer.add_image(film(), contrast_limits=(0, 255))
    factory.predictor = Bright()
    widget = open_in(viewer, make_predictor=factory, make_runner=SyncRunner)
    widget._form.fold_of("objects").open()
    viewer.dims.set_current_step(0, 3)
    _, shapes, labels = widget.new_prompt_layers()
    shapes.add_rectangles([[[3, 6, 12], [3, 6, 28], [3, 22, 28], [3, 22, 12]]])
    widget.wait_until_idle()
    widget.propagate(last=5)
    widget.wait_until_idle()
    row = rows(widget)[1]
    assert (row.state, len(row.planes)) == ("propagated", 6)
    assert row.doubt > 0
    labels.undo()
    row = rows(widget)[1]
    assert (row.state, row.planes, row.doubt) == ("prompted", ((3,),), 0)
    labels.redo()
    assert rows(widget)[1].state == "propagated"
