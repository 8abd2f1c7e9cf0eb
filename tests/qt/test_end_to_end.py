"""The whole loop in a window with the model that comes with the package."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy import ndimage
from skimage.data import coins
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from skimage.segmentation import clear_border

from napari_samv2_prompts import SAMV2ImagePredictor
from napari_samv2_prompts._qt.widget import SAMV2PromptsWidget
from napari_samv2_prompts.engine import State
from napari_samv2_prompts.prompts import Prompt, PromptBatch


def coin_regions(n: int):
    """Return the coins as thresholding finds them, which needs no model."""
    image = coins()
    closed = ndimage.binary_closing(image > threshold_otsu(image), np.ones((3, 3)))
    filled = ndimage.binary_fill_holes(clear_border(closed))
    regions = [r for r in regionprops(label(filled)) if r.area > 1000 and r.solidity > 0.96]
    assert len(regions) >= n
    return regions[:n]


def region_mask(region, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    top, left, bottom, right = region.bbox
    mask[top:bottom, left:right] = region.image
    return mask


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture
def widget(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(coins(), name="coins")
    _, widget = viewer.window.add_plugin_dock_widget("napari-samv2-prompts", "SAMV2 Prompts")
    assert isinstance(widget, SAMV2PromptsWidget)
    widget.wait_until_idle(300)
    yield widget
    widget.session.close()
    for thread in threading.enumerate():
        if thread.name.startswith("samv2-prompts"):
            thread.join(30)


def test_boxes_on_twelve_coins_give_twelve_labels_of_their_shapes(widget) -> None:
    assert widget.session.status.state is State.READY, widget.session.status.reason
    _, shapes, labels = widget.new_prompt_layers()
    regions = coin_regions(12)
    boxes = []
    for region in regions:
        top, left, bottom, right = np.add(region.bbox, (-3, -3, 2, 2))
        boxes.append(np.array([[top, left], [top, right], [bottom, right], [bottom, left]]))
    shapes.add_rectangles(boxes)
    widget.wait_until_idle(300)
    assert set(np.unique(labels.data)) == set(range(13))
    assert_as_in_a_script(boxes, labels.data)
    found = [
        iou(labels.data == number, region_mask(region, labels.data.shape))
        for number, region in enumerate(regions, 1)
    ]
    assert min(found) > 0.6, found
    assert np.median(found) > 0.85, found


def assert_as_in_a_script(boxes: list[np.ndarray], written: np.ndarray) -> None:
    """Compare with what the predictor says without any window; the coins do not touch."""
    predictor = SAMV2ImagePredictor()
    items = [
        Prompt(number, box=(*box.min(0)[::-1], *box.max(0)[::-1]))
        for number, box in enumerate(boxes, 1)
    ]
    for item in predictor.decode(predictor.embed(coins()), PromptBatch(tuple(items))):
        assert iou(written == item.object, item.crops[0].full(written.shape)) > 0.99


def test_a_click_finds_a_coin_and_a_further_one_refines_it(widget) -> None:
    points, _, labels = widget.new_prompt_layers()
    region = coin_regions(6)[5]
    truth = region_mask(region, labels.data.shape)
    points.add([region.centroid])
    widget.wait_until_idle(300)
    candidates = []
    for _ in range(3):
        candidates.append(iou(labels.data == 1, truth))
        widget.cycle_mask()
    assert max(candidates) > 0.75, candidates
    for _ in range(int(np.argmax(candidates))):
        widget.cycle_mask()
    assert iou(labels.data == 1, truth) == max(candidates)
    top, left, bottom, right = region.bbox
    middle = (left + right) / 2
    points.add([[top + 6, middle], [bottom - 6, middle]])
    widget.wait_until_idle(300)
    assert iou(labels.data == 1, truth) > 0.6
    assert len(widget.session.result(1).masks.crops) == 1
