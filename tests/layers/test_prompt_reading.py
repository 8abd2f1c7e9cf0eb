from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.components import ViewerModel

from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.layers import (
    Chosen,
    PromptReader,
    current_plane,
    make_layers,
    prompted_objects,
    read_prompts,
    read_tables,
    set_new_prompt,
    shown_plane,
)

SHAPE = (60, 80)


def rectangle(y0, x0, y1, x1, z=()):
    return np.array([[*z, y0, x0], [*z, y0, x1], [*z, y1, x1], [*z, y1, x0]], dtype=float)


class Scene:
    """A viewer with an image and its prompt layers."""

    def __init__(self, shape=SHAPE, **kwargs):
        self.viewer = ViewerModel()
        self.image = self.viewer.add_image(np.zeros(shape), name="cells", **kwargs)
        self.points, self.shapes, self.labels = make_layers(self.viewer, self.image)

    def start(self, number, polarity="positive"):
        set_new_prompt(self.points, self.shapes, object_=number, polarity=polarity)

    def read(self, **kwargs):
        plane = current_plane(self.viewer.dims, self.image)
        args = (self.points, self.shapes, self.image, plane, self.viewer.dims)
        return read_prompts(*args, **kwargs)

    def one(self, **kwargs):
        prompts, notes = self.read(**kwargs)
        assert notes == ()
        assert len(prompts) == 1
        return prompts[0]


@pytest.fixture
def scene():
    return Scene()


def test_points_and_shapes_of_an_object_are_one_prompt(scene):
    for number in (7, 3):
        scene.start(number)
        scene.points.add([number, 10])
        scene.shapes.add_rectangles(rectangle(number, 2, 20, 30))
    scene.start(7, "negative")
    scene.points.add([5, 40])
    prompts, notes = scene.read()
    assert notes == ()
    assert [p.object for p in prompts] == [3, 7]
    assert prompts[0].points.tolist() == [[10, 3]]
    assert prompts[1].points.tolist() == [[10, 7], [40, 5]]
    assert prompts[1].labels.tolist() == [1, 0]
    assert prompts[1].box == (2, 7, 30, 20)


def test_what_did_not_change_is_the_same_value_when_it_is_read_again(scene):
    reader = PromptReader()

    def read(plane=None):
        dims = scene.viewer.dims
        shown = shown_plane(dims, scene.image)
        shown = shown if plane is None else replace(shown, plane=plane)
        chosen = Chosen(scene.image, scene.points, scene.shapes)
        return reader.read(chosen, read_tables(chosen, dims, None), shown, dims).prompts

    for number in (1, 2, 3):
        scene.start(number)
        scene.points.add([number, 10])
    scene.shapes.add_polygons(np.array([[20.0, 20], [20, 75], [55, 20]]))
    first = read()
    assert all(a is b for a, b in zip(first, read(), strict=True))
    data = scene.points.data.copy()
    data[1] = [9, 9]
    scene.points.data = data
    second = read()
    assert [a is b for a, b in zip(first, second, strict=True)] == [True, False, True]
    assert second[1].points.tolist() == [[9, 9]]
    scene.points.features = scene.points.features.assign(polarity=["negative", *["positive"] * 2])
    assert [a is b for a, b in zip(second, read(), strict=True)] == [False, True, True]
    assert read()[0].labels.tolist() == [0]
    smaller = read(Plane((0, 1), (None, None), (30, 40)))
    assert smaller[2].box[2:] == (39.5, 29.5)
    scene.points.selected_data = {0}
    scene.points.remove_selected()
    assert [prompt.object for prompt in read()] == [2, 3]


def test_the_sign_of_a_click_is_its_column_and_not_its_colour(scene):
    for polarity in ("positive", "negative"):
        scene.start(1, polarity)
        scene.points.add([5, 10])
    scene.points.face_color = scene.points.face_color[::-1].copy()
    (prompt,), _ = scene.read()
    assert prompt.labels.tolist() == [1, 0]


def test_each_object_has_its_own_negatives(scene):
    scene.start(1)
    scene.points.add([1, 1])
    scene.start(2)
    scene.points.add([2, 2])
    scene.start(2, "negative")
    scene.points.add([3, 3])
    first, second = scene.read()[0]
    assert first.labels.tolist() == [1]
    assert second.labels.tolist() == [1, 0]


@pytest.mark.parametrize("corners", [(5, 10, 30, 40), (30, 40, 5, 10), (5, 40, 30, 10)])
def test_boxes_drawn_in_any_direction_are_the_same(scene, corners):
    scene.shapes.add_rectangles(rectangle(*corners))
    assert scene.one().box == (10, 5, 40, 30)


def test_a_turned_rectangle_gives_the_box_around_it(scene):
    scene.shapes.add(np.array([[20, 10], [30, 20], [20, 30], [10, 20]]), shape_type="rectangle")
    assert scene.one().box == (10, 10, 30, 30)


def test_an_ellipse_gives_the_box_around_the_ellipse(scene):
    scene.shapes.add_ellipses(rectangle(10, 20, 30, 50))
    assert scene.one().box == pytest.approx((20, 10, 50, 30))
    # Turned by 45 degrees the corners of its frame reach further out than the ellipse.
    scene.shapes.data = []
    frame = np.array([[-10, -20], [-10, 20], [10, 20], [10, -20]])
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    scene.shapes.add_ellipses(frame @ turn.T + [30, 40])
    reach = np.sqrt((10**2 + 20**2) / 2)
    expected = (40 - reach, 30 - reach, 40 + reach, 30 + reach)
    assert scene.one().box == pytest.approx(expected, abs=1e-3)


def test_several_boxes_of_one_object_are_their_union(scene):
    scene.shapes.add_rectangles([rectangle(5, 10, 20, 30), rectangle(15, 25, 40, 60)])
    assert scene.one().box == (10, 5, 60, 40)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_a_polygon_is_its_box_and_its_filled_outline(scene, side):
    outline = np.array([[10.0, 10], [10, 60], [50, 60], [50, 40], [30, 40], [30, 10]])
    scene.shapes.add_polygons(outline)
    prompt = scene.one(logits_size=side)
    assert prompt.box == (10, 10, 60, 50)
    assert prompt.mask.shape == (side, side)
    assert set(np.unique(prompt.mask)) == {-10, 10}
    # In pixels of its box, which the square is stretched over, it is the polygon.
    assert prompt.mask_box == prompt.box
    inside = prompt.mask > 0
    assert inside.mean() * 50 * 40 == pytest.approx(1400, rel=0.05)

    def at(row, column):
        return inside[int((row - 10) / 40 * side), int((column - 10) / 50 * side)]

    assert at(20, 20)
    assert at(45, 50)
    assert not at(45, 20)
    assert not at(31, 39)


def test_a_small_polygon_in_a_large_image_is_as_precise_as_any():
    scene = Scene((6000, 8000))
    scene.shapes.add_polygons(np.array([[3000.0, 4000], [3000, 4006], [3005, 4003]]))
    prompt = scene.one(logits_size=128)
    assert prompt.mask_box == (4000, 3000, 4006, 3005)
    assert (prompt.mask > 0).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("kind", ["path", "line"])
def test_scribbles_are_positive_points_along_them(scene, kind):
    scene.shapes.add(np.array([[10.0, 10], [10, 60]]), shape_type=kind)
    prompt = scene.one()
    assert prompt.box is None
    assert prompt.mask is None
    assert (prompt.labels == 1).all()
    assert (prompt.points[:, 1] == 10).all()
    steps = np.diff(prompt.points[:, 0])
    assert 2 <= len(prompt.points) <= 8
    assert steps == pytest.approx(steps[0])
    assert 10 < prompt.points[:, 0].min() < prompt.points[:, 0].max() < 60


def test_shapes_that_mean_nothing_are_left_out_with_a_note(scene):
    scene.start(1)
    scene.shapes.add_rectangles(rectangle(5, 10, 5.5, 10.5))  # a click without a drag
    scene.shapes.add(np.array([[10.0, 10], [10, 10]]), shape_type="line")
    scene.start(2)
    scene.shapes.add_rectangles(rectangle(5, 10, 20, 30))
    prompts, notes = scene.read()
    assert [p.object for p in prompts] == [2]
    assert notes == ("Object 1: 2 shapes too small to mean anything are left out.",)


def test_prompts_outside_the_image_are_left_out_with_a_note(scene):
    scene.start(1)
    scene.points.add([[-3, 5], [10, 10], [70, 10]])
    scene.start(2)
    scene.shapes.add_rectangles(rectangle(100, 100, 120, 120))
    scene.shapes.add(np.array([[-10.0, -10], [-10, -50]]), shape_type="path")
    prompts, notes = scene.read()
    assert [p.object for p in prompts] == [1]
    assert prompts[0].points.tolist() == [[10, 10]]
    assert notes == ("Objects 1, 2: 4 prompts outside the image are left out.",)


def test_a_box_that_reaches_out_of_the_image_ends_at_its_edge(scene):
    scene.shapes.add_rectangles(rectangle(-20, -30, 25, 500))
    assert scene.one().box == (-0.5, -0.5, 79.5, 25)


def test_prompts_of_other_planes_are_ignored():
    scene = Scene((4, *SHAPE), scale=(5, 1, 1))
    scene.start(1)
    scene.points.add([0, 10, 10])
    scene.shapes.add_rectangles(rectangle(5, 5, 20, 20, z=[0]))
    scene.start(2)
    scene.points.add([2, 30, 40])
    tilted = rectangle(5, 5, 20, 20, z=[2])
    tilted[0, 0] = 0  # reaches over several planes, so it lies on none
    scene.shapes.add(tilted, shape_type="polygon")
    scene.viewer.dims.set_current_step(0, 2)
    prompts, notes = scene.read()
    assert notes == (
        "Object 2: a shape that reaches through several planes is left out: draw it on one.",
    )
    assert [p.object for p in prompts] == [2]
    assert prompts[0].points.tolist() == [[40, 30]]
    assert prompts[0].box is None
    assert prompted_objects(scene.points, scene.shapes) == {1, 2}


def test_transposed_planes_give_transposed_prompts():
    scene = Scene((4, *SHAPE))
    scene.points.add([1, 10, 20])
    scene.shapes.add_rectangles(rectangle(5, 6, 20, 30, z=[1]))
    scene.viewer.dims.set_current_step(0, 1)
    scene.viewer.dims.order = (0, 2, 1)
    prompt = scene.one()
    assert prompt.points.tolist() == [[10, 20]]
    assert prompt.box == (5, 6, 20, 30)


def test_prompts_without_an_object_are_left_out_with_a_note(scene):
    scene.points.add([[10, 10], [20, 20]])
    scene.points.features = scene.points.features.assign(object=[0, 4])
    prompts, notes = scene.read()
    assert [p.object for p in prompts] == [4]
    assert "whole number" in notes[0]


def test_layers_without_all_axes_count_on_every_plane_and_say_so():
    scene = Scene((4, *SHAPE))
    flat = ViewerModel().add_points([[10, 20]], name="flat", features={"object": [1]})
    scene.viewer.add_layer(flat)
    scene.points = flat
    prompts, notes = scene.read()
    assert prompts[0].points.tolist() == [[20, 10]]
    assert notes == ("flat has fewer axes than the image: it counts on every plane.",)


def test_a_prompt_layer_that_is_turned_out_of_the_plane_is_left_out_with_a_note():
    scene = Scene((4, *SHAPE))
    scene.points.add([0, 10, 10])
    scene.shapes.add_rectangles(rectangle(5, 5, 20, 20, z=[0]))
    scene.points.shear = (0, 0.5, 0)
    scene.viewer.dims.set_point(0, 0)  # the slider's range has grown
    prompts, notes = scene.read()
    assert prompts[0].box == (5, 5, 20, 20)
    assert len(prompts[0].points) == 0
    assert "out of the plane" in notes[0]


def test_a_snapshot_does_not_change_when_points_are_dragged(scene):
    scene.points.add([10, 10])
    prompt = scene.one()
    scene.points.data[0] = [30, 30]
    assert prompt.points.tolist() == [[10, 10]]


def test_missing_layers_are_no_prompts(scene):
    scene.points = scene.shapes = None
    assert scene.read() == ((), ())


@pytest.mark.parametrize("scale", [(1, 1), (0.1, 0.1), (250, 40)])
def test_scaled_images_give_the_same_pixels(scale):
    # Using world coordinates as indices breaks with any scale but 1.
    scene = Scene(scale=scale)
    scene.points.add([10, 20])
    world = scene.viewer.add_points([np.multiply([30, 40], scale)], features={"object": [1]})
    assert scene.one().points.tolist() == [[20, 10]]
    scene.points = world
    np.testing.assert_allclose(scene.one().points, [[40, 30]])


class Drawn:
    """Shapes as plain values: the viewer's own layer can't triangulate every outline."""

    name, ndim, unique_id = "shapes", 2, None

    def __init__(self, kinds, data, objects):
        self.shape_type, self.data = kinds, data
        self.features = pd.DataFrame({"object": objects})
        self.units = (pint.Unit("pixel"), pint.Unit("pixel"))

    def data_to_world(self, position):
        return position


N_VERTICES = {"rectangle": 4, "ellipse": 4, "polygon": 5, "path": 3, "line": 2}
coordinate = st.floats(-50, 80) | st.sampled_from((0.0, 10.0, np.nan, np.inf))
drawings = st.lists(
    st.sampled_from(list(N_VERTICES)).flatmap(
        lambda kind: st.tuples(
            st.just(kind),
            st.lists(
                st.tuples(coordinate, coordinate),
                min_size=N_VERTICES[kind],
                max_size=N_VERTICES[kind],
            ).map(np.array),
            st.integers(0, 2),
        )
    ),
    min_size=1,
    max_size=4,
)


@cache
def empty_image():
    """Return a layer that is read and not changed, with what the viewer shows of it."""
    viewer = ViewerModel()
    return viewer.add_image(np.zeros((20, 30))), viewer.dims


@given(drawings)
@settings(deadline=None, max_examples=60)
def test_whatever_is_drawn_gives_prompts_of_the_image_and_no_error(drawn):
    image, dims = empty_image()
    plane = current_plane(dims, image)
    shapes = Drawn(*zip(*drawn, strict=True))
    prompts, _ = read_prompts(None, shapes, image, plane, dims, logits_size=16)
    for prompt in prompts:
        assert prompt.n_tokens > 0
        assert plane.inside(prompt.points).all()
        if prompt.box is not None:
            assert plane.inside(np.reshape(prompt.box, (2, 2))).all()
