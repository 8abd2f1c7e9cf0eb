"""Without a private name of napari's, or with another thing under it, we answer "not known"."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.bench import Bench, objects_of

from napari_samv2_prompts.layers import private_api


@pytest.mark.parametrize("found", [None, 7, "text", [1, 2]])
def test_undo_lists_that_are_none_say_nothing(found: object) -> None:
    undo, redo = private_api.histories(SimpleNamespace(_undo_history=found, _redo_history=found))
    assert (len(undo), undo.maxlen, len(redo), redo.maxlen) == (0, 0, 0, 0)
    assert len(private_api.histories(SimpleNamespace()).undo) == 0


@pytest.mark.parametrize("data", [None, [1], np.ones(3), np.ones((0, 2))])
@pytest.mark.parametrize("kind", [dict, list, SimpleNamespace])
def test_a_clipboard_that_is_none_says_nothing(data: object, kind: type) -> None:
    found = {"data": data} if kind is dict else kind()
    assert private_api.clipboard(SimpleNamespace(_clipboard=found)) is None
    assert private_api.clipboard(SimpleNamespace()) is None


def test_the_clipboard_and_the_shape_being_drawn_are_those_of_napari() -> None:
    viewer = ViewerModel()
    points, shapes = viewer.add_points([[1, 2], [3, 4]]), viewer.add_shapes()
    points.selected_data = {1}
    points._copy_data()
    np.testing.assert_array_equal(private_api.clipboard(points), [[3, 4]])
    assert not private_api.is_drawing(shapes)
    shapes._is_creating = True
    assert private_api.is_drawing(shapes)
    assert not private_api.is_drawing(SimpleNamespace())
    assert not private_api.is_drawing(SimpleNamespace(_is_creating="yes"))


@pytest.mark.parametrize("name", ["overlay_table", "overlay_base"])
@pytest.mark.parametrize("broken", [ImportError, AttributeError])
def test_without_napari_s_visuals_there_is_no_preview(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: type[Exception]
) -> None:
    def missing(module: str) -> object:
        raise broken(module)

    monkeypatch.setattr(private_api, "import_module", missing)
    assert getattr(private_api, name)() is None
    monkeypatch.setattr(private_api, "import_module", lambda module: SimpleNamespace())
    assert getattr(private_api, name)() is None


def test_overlays_of_another_make_are_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(overlay_to_visual=7, ViewerOverlayMixin=1, VispySceneOverlay=2)
    monkeypatch.setattr(private_api, "import_module", lambda module: other)
    assert private_api.overlay_table() is None
    assert private_api.overlay_base() is None


@pytest.mark.usefixtures("qapp")
def test_without_the_clipboard_points_upon_others_are_copies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench().make_layers()
    bench.click(10, 10)
    bench.points.mode = "select"
    monkeypatch.setattr("napari_samv2_prompts.layers.rows.clipboard", lambda points: None)
    bench.points.selected_data = {0}
    bench.points._copy_data()
    bench.points._paste_data()
    bench.controller.flush()
    assert objects_of(bench.points) == [1, 2]
    bench.controller.close()
