"""Reading all layers at once: what it says, and that it changes nothing."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes
from tests.bench import Bench

from napari_samv2_prompts.layers import (
    Chosen,
    PromptReader,
    PromptTables,
    make_layers,
    read_tables,
    shown_plane,
    write_tables,
)

KINDS = (Layer, Points, Shapes, Labels, Image)


@pytest.fixture
def stack() -> tuple[ViewerModel, Chosen]:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros((4, 40, 50)), name="cells")
    viewer.dims.set_current_step(0, 1)
    return viewer, Chosen(image, *make_layers(viewer, image))


def free(used: frozenset[int]) -> int:
    return max(used, default=0) + 1


def box(y0: float, x0: float, y1: float, x1: float, z: float = 1) -> np.ndarray:
    return np.array([[z, y0, x0], [z, y0, x1], [z, y1, x1], [z, y1, x0]])


def forbid_setting(away: ExitStack) -> None:
    """Have every assignment to a layer, and every method of one that edits, fail."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("reading changed a layer")

    for kind in KINDS:
        for name, value in vars(kind).items():
            if isinstance(value, property) and value.fset is not None:
                forbidden = property(value.fget, refuse)
                away.enter_context(mock.patch.object(kind, name, forbidden))
        for name in ("add", "remove", "remove_selected", "refresh", "data_setitem", "undo"):
            if name in vars(kind):
                away.enter_context(mock.patch.object(kind, name, refuse))


def everything_of(chosen: Chosen) -> list[str]:
    """What of the layers reading could change, in words: NaN is not equal to itself."""
    said: list[object] = []
    for layer in (chosen.points, chosen.shapes):
        assert layer is not None
        said += [np.array(row).tolist() for row in layer.data]
        said += [layer.features.to_dict(), layer.feature_defaults.to_dict(), layer.metadata]
        said += [sorted(layer.selected_data), str(layer.mode)]
    assert chosen.labels is not None
    return list(map(repr, (*said, chosen.labels.data.tolist(), chosen.labels.selected_label)))


def test_reading_changes_nothing(stack: tuple[ViewerModel, Chosen]) -> None:
    viewer, chosen = stack
    assert chosen.points is not None
    assert chosen.shapes is not None
    chosen.points.add([[1, 5, 5], [1, 20, 20], [2, 5, 5], [np.nan, 1, 1]])
    chosen.points.features = {"object": [1, np.nan, 1e30, 2], "polarity": ["negative"] * 4}
    chosen.shapes.add([box(5, 5, 20, 20), box(9, 9, 9, 9)], shape_type="rectangle")
    chosen.shapes.features = {"object": ["abc", 3]}
    before, known = everything_of(chosen), read_tables(chosen, viewer.dims, free)
    with ExitStack() as away:
        forbid_setting(away)
        tables = read_tables(chosen, viewer.dims, free, known)
        shown = shown_plane(viewer.dims, chosen.image)
        reading = PromptReader().read(chosen, tables, shown, viewer.dims)
        assert [prompt.object for prompt in reading.prompts] == [1, 4, 6]
        assert [(left.reason, left.rows) for left in reading.left_out] == [
            ("nowhere", (3,)),
            ("degenerate", (1,)),
        ]
    assert everything_of(chosen) == before


def test_what_was_read_and_written_is_complete(stack: tuple[ViewerModel, Chosen]) -> None:
    viewer, chosen = stack
    assert chosen.points is not None
    chosen.points.add([[1, 5, 5], [1, 20, 20]])
    chosen.points.features = {"object": [np.nan, 7]}
    tables = read_tables(chosen, viewer.dims, free)
    write_tables(chosen, tables)
    assert chosen.points.features["object"].tolist() == [8, 7]
    again = read_tables(chosen, viewer.dims, free, tables)
    assert again.prompted == {7, 8}
    assert again.lost == frozenset()
    with ExitStack() as away:
        forbid_setting(away)
        write_tables(chosen, again)  # nothing is left to be set


def test_lost_objects_are_those_without_any_prompt_on_the_same_layers(
    stack: tuple[ViewerModel, Chosen],
) -> None:
    viewer, chosen = stack
    points = chosen.points
    assert points is not None
    points.add([[1, 5, 5], [1, 20, 20], [2, 5, 5]])
    points.features = {"object": [1, 2, 1]}
    known = read_tables(chosen, viewer.dims, free)
    points.remove([0])
    assert read_tables(chosen, viewer.dims, free, known).lost == frozenset()
    points.remove([0])
    found = read_tables(chosen, viewer.dims, free, known)
    assert found.lost == {2}
    assert read_tables(chosen, viewer.dims, free, found).lost == {2}, "said until it is written"
    written = replace(found, lost=frozenset())
    assert read_tables(chosen, viewer.dims, free, written).lost == frozenset()
    other = Chosen(chosen.image, points, chosen.shapes)
    assert read_tables(other, viewer.dims, free, known).lost == frozenset()
    assert read_tables(chosen, viewer.dims, free, PromptTables()).lost == frozenset()


@pytest.mark.usefixtures("qapp")
def test_the_way_from_the_image_to_the_world_is_computed_once_a_refresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench((4, 80, 100)).make_layers()
    bench.click(0, 10, 10)
    bench.draw((20, 20, 40, 40))
    asked: list[str] = []
    real = Layer.data_to_world

    def counted(layer: Layer, position: object) -> object:
        asked.append(layer.name)
        return real(layer, position)

    monkeypatch.setattr(Layer, "data_to_world", counted)
    bench.controller.refresh()
    once = len(bench.image.data.shape) + 1  # the origin, and a point on each axis
    assert {name: asked.count(name) for name in asked} == dict.fromkeys(
        ("cells", "cells points", "cells shapes", "cells labels"), once
    )
    bench.controller.close()
