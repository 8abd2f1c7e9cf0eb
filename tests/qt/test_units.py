"""Layers in other units than the viewer: the mouse means the place that it points at."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.bench import Mouse
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget

PIXEL = 100  # nm, the viewer's unit


@pytest.fixture
def widget(open_in) -> SAMV2PromptsWidget:
    viewer = ViewerModel()
    image = viewer.add_image(np.ones((80, 100)), scale=(0.1, 0.1), units=("um", "um"))
    viewer.add_image(np.ones((80, 100)), units=("nm", "nm"))
    viewer.layers.selection.active = image
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget.image.value = image
    return widget


def test_a_box_with_shift_lies_where_it_was_drawn(widget: SAMV2PromptsWidget) -> None:
    mouse = Mouse(widget._viewer, widget._viewer, "Shift")
    mouse.drag((8 * PIXEL, 10 * PIXEL), (30 * PIXEL, 40 * PIXEL))
    (box,) = widget.shapes.value.data
    assert box.min(axis=0) == pytest.approx((8, 10))
    assert box.max(axis=0) == pytest.approx((30, 40))


def test_a_click_with_shift_lies_where_it_was_made(widget: SAMV2PromptsWidget) -> None:
    Mouse(widget._viewer, widget._viewer, "Shift").drag((8 * PIXEL, 10 * PIXEL))
    assert widget.points.value.data[0] == pytest.approx((8, 10))
