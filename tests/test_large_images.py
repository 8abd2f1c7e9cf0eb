"""Small objects in a large image, segmented by the bundled model from what is on screen."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage
from tests.fakes import SyncRunner, place

from napari_samv2_prompts.engine import ModelChoice, Request, Session
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView, render_plane
from napari_samv2_prompts.prompts import Prompt, PromptBatch
from napari_samv2_prompts.regions import InputSides, Region, choose_region
from napari_samv2_prompts.samv2 import SAMV2ImagePredictor

SIDE, TILE, DIAMETER = 10_000, 1000, 20
SIDES = InputSides(512, 1024)  # of nano


def tile_of_discs() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture of bright discs on a noisy ground, and the number of each pixel's disc."""
    rng = np.random.default_rng(0)
    numbers = np.zeros((TILE, TILE), np.int32)
    rows, columns = np.mgrid[:TILE, :TILE]
    light = np.zeros((TILE, TILE))
    for number, cell in enumerate(np.ndindex(20, 20), start=1):
        row, column = 25 + 50 * np.array(cell) + rng.uniform(-10, 10, 2)
        box = np.s_[int(row) - 20 : int(row) + 20, int(column) - 20 : int(column) + 20]
        radius = DIAMETER / 2 * rng.uniform(0.9, 1.1)
        disc = (rows[box] - row) ** 2 + (columns[box] - column) ** 2 <= radius**2
        numbers[box][disc] = number
        light[box][disc] = rng.uniform(60, 110)
    picture = 60 + ndimage.gaussian_filter(light, 0.8) + rng.normal(0, 6, light.shape)
    return picture.clip(0, 255).astype(np.uint8), numbers


def quality(region: Region, image: np.ndarray, prompts: list[Prompt], truth: dict) -> float:
    """Return the median IoU of some clicked objects with a region embedded."""
    plane = Plane((0, 1), (None, None), image.shape)
    render = partial(render_plane, image, plane, limits=(0.0, 255.0))
    view = ImageView("image", image.shape, Region.whole(image.shape), render)
    predictor = SAMV2ImagePredictor(device="cpu")
    session = Session(lambda choice, task: predictor, SyncRunner())
    batch = PromptBatch(tuple(prompts))
    session.update(Request(view.within(region, SIDES.most), place(), ModelChoice(), batch))
    ious = []
    for number, (corner, expected) in truth.items():
        found = session.result(number).crop
        canvas = np.zeros((200, 200), bool)  # around the object; what lies beyond is counted below
        top, left = found.top - corner[0] + 80, found.left - corner[1] + 80
        inner = found.mask[max(0, -top) : 200 - top, max(0, -left) : 200 - left]
        canvas[max(0, top) :, max(0, left) :][: inner.shape[0], : inner.shape[1]] = inner
        right = np.zeros_like(canvas)
        right[80 : 80 + expected.shape[0], 80 : 80 + expected.shape[1]] = expected
        ious.append((canvas & right).sum() / ((right & ~canvas).sum() + found.area))
    session.close()
    return float(np.median(ious))


def test_objects_of_20_pixels_in_10000_are_found_on_screen_and_not_in_the_whole_plane(
    record_property,
) -> None:
    tile, numbers = tile_of_discs()
    image = np.tile(tile, (SIDE // TILE, SIDE // TILE))
    start = 4000
    prompts, truth = [], {}
    boxes = ndimage.find_objects(numbers)
    for number in [20 * row + column + 1 for row in (6, 8, 10, 12) for column in (6, 8, 10)]:
        rows, columns = boxes[number - 1]
        middle = (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
        prompts.append(Prompt(number, points=[np.add(middle, start)]))
        truth[number] = (
            (rows.start + start, columns.start + start),
            numbers[rows, columns] == number,
        )
    screen = (start + 300.0, start + 300.0, start + 700.0, start + 700.0)
    region = choose_region(image.shape, screen, sides=SIDES)
    seen = quality(region, image, prompts, truth)
    whole = quality(Region.whole(image.shape), image, prompts, truth)
    record_property("median IoU from the visible region", seen)
    record_property("median IoU from the whole plane", whole)
    assert seen >= 0.8
    assert whole < 0.3
