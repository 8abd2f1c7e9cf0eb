from __future__ import annotations

import sys

import numpy as np
import pytest
from napari.components import ViewerModel
from tests.fakes import adopt

from napari_samv2_prompts.layers import (
    colour_prompts,
    make_layers,
    prompted_objects,
    remove_objects,
    set_new_prompt,
)
from napari_samv2_prompts.layers.labels_checks import blank_labels
from napari_samv2_prompts.layers.rows import object_numbers

BOX = np.array([[1.0, 1], [1, 5], [5, 5], [5, 1]])


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def layers(viewer):
    return make_layers(viewer, viewer.add_image(np.zeros((20, 30)), name="cells"))


def columns(layer):
    return {name: layer.features[name].tolist() for name in layer.features}


class TestMaking:
    def test_names_types_and_defaults(self, viewer, layers):
        points, shapes, labels = layers
        assert [layer.name for layer in layers] == ["cells points", "cells shapes", "cells labels"]
        assert labels.data.shape == (20, 30)
        assert labels.data.dtype == np.uint16
        points.add([1, 1])
        shapes.add_rectangles(BOX)
        assert columns(points) == {"object": [1], "polarity": ["positive"]}
        assert columns(shapes) == {"object": [1]}

    def test_prompts_of_a_large_image_are_no_larger_than_those_of_a_smaller_one(self, viewer):
        made = []
        for side in (1000, 20_000):
            image = viewer.add_image(np.broadcast_to(np.uint8(0), (side, side)))
            points, shapes, _ = make_layers(
                viewer, image, labels=viewer.add_labels(np.zeros((1, 1), np.uint8))
            )
            made.append((points.current_size, shapes.current_edge_width))
            assert points.canvas_size_limits[1] < 20  # pixels of the screen
        assert made[0] == made[1]

    def test_transforms_units_and_axis_labels_are_taken_over(self, viewer):
        image = viewer.add_image(
            np.zeros((4, 20, 30)),
            scale=(3, 0.5, 0.25),
            translate=(1, 2, 3),
            rotate=np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]),
            shear=(0, 0, 0.3),
            affine=np.diag([1, 2, 2, 1]),
            units=("um", "nm", "nm"),
            axis_labels=("z", "y", "x"),
        )
        for layer in make_layers(viewer, image):
            for point in ([0, 0, 0], [1, 2, 3], [-4, 50, 6]):
                np.testing.assert_allclose(layer.data_to_world(point), image.data_to_world(point))
            assert layer.units == image.units
            assert layer.axis_labels == ("z", "y", "x")
        assert viewer.dims.units is not None  # inconsistent units would have been dropped

    def test_labels_of_rgb_have_no_channel_axis(self, viewer):
        image = viewer.add_image(np.zeros((2, 40, 50, 3), np.uint8), rgb=True)
        points, shapes, labels = make_layers(viewer, image)
        assert labels.data.shape == (2, 40, 50)
        assert points.ndim == shapes.ndim == 3

    def test_labels_of_multiscale_images_have_full_size(self, viewer):
        image = viewer.add_image([np.zeros((64, 48)), np.zeros((32, 24))], multiscale=True)
        assert make_layers(viewer, image)[2].data.shape == (64, 48)

    def test_given_layers_are_used(self, viewer):
        image = viewer.add_image(np.zeros((20, 30)))
        own = viewer.add_labels(np.zeros((20, 30), np.uint8))
        assert make_layers(viewer, image, labels=own)[2] is own
        assert len(viewer.layers) == 4

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system decides")
    def test_large_labels_take_memory_only_where_they_are_written(self):
        import resource

        labels, side = blank_labels((3000, 4000)), 100
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        labels[:side, :side] = 1  # rows of two pages each: one of them, or with 2 MB at once none
        pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        assert side <= pages <= 3 * side
        assert labels.sum() == side**2

    def test_labels_that_no_memory_holds_are_a_memory_error(self):
        with pytest.raises(MemoryError):
            blank_labels((2**30, 2**30))

    def test_the_image_is_not_altered(self, viewer):
        image = viewer.add_image(np.zeros((20, 30)), scale=(2, 3), translate=(4, 5))
        before = repr(image.as_layer_data_tuple()[1])
        points = make_layers(viewer, image)[0]
        points.scale = (7, 7)
        assert repr(image.as_layer_data_tuple()[1]) == before


class TestAdopting:
    def test_each_item_becomes_an_object_of_its_own(self, viewer):
        points = viewer.add_points([[1, 1], [2, 2]])
        shapes = viewer.add_shapes([BOX, BOX + 5])
        adopt(points, 5)
        assert columns(points) == {"object": [5, 6], "polarity": ["positive", "positive"]}
        adopt(shapes, 7)
        assert columns(shapes) == {"object": [7, 8]}
        points.add([3, 3])
        assert columns(points)["object"] == [5, 6, 7]
        assert columns(points)["polarity"][-1] == "positive"

    def test_other_features_and_their_defaults_stay(self, viewer):
        points = viewer.add_points(
            [[1, 1], [2, 2]], features={"kind": ["a", "b"]}, feature_defaults={"kind": "c"}
        )
        adopt(points, 1)
        points.add([3, 3])
        assert columns(points)["kind"] == ["a", "b", "c"]

    def test_existing_objects_and_polarities_stay(self, viewer):
        features = {"object": [4.0, np.nan, 9.0], "polarity": ["negative", "odd", "positive"]}
        points = viewer.add_points(np.zeros((3, 2)), features=features)
        adopt(points, 2)
        assert columns(points) == {
            "object": [4, 10, 9],
            "polarity": ["negative", "positive", "positive"],
        }

    def test_a_column_of_the_same_name_that_means_something_else_is_kept(self, viewer):
        points = viewer.add_points(np.zeros((2, 2)), features={"object": ["nucleus", "cell"]})
        adopt(points, 1)
        assert columns(points)["object"] == [1, 2]
        assert columns(points)["object_before"] == ["nucleus", "cell"]

    def test_twice_is_once(self, viewer):
        points = viewer.add_points([[1, 1], [2, 2]])
        adopt(points, 5)
        events = []
        points.events.features.connect(lambda event: events.append(event))
        adopt(points, 1)
        assert events == []

    def test_empty_layers_get_typed_columns(self, viewer):
        points, shapes = viewer.add_points(ndim=2), viewer.add_shapes(ndim=2)
        for layer in (points, shapes):
            adopt(layer, 3)
            assert object_numbers(layer).tolist() == []
        points.add([1, 1])
        assert columns(points) == {"object": [1], "polarity": ["positive"]}


class TestStability:
    def test_objects_stay_with_their_prompts_when_others_come_move_and_go(self, layers):
        points, shapes, labels = layers
        for number in (1, 2, 3):
            set_new_prompt(points, shapes, object_=number, labels=labels)
            points.add([number, number])
            shapes.add_rectangles(BOX + number)
        points.remove([0])
        shapes.remove([1])
        points.data = points.data + 0.5
        set_new_prompt(points, shapes, object_=7, labels=labels)
        points.add([9, 9])
        assert columns(points)["object"] == [2, 3, 7]
        assert columns(shapes)["object"] == [1, 3]

    def test_a_new_default_leaves_selected_prompts_alone(self, layers):
        points, shapes, labels = layers
        points.add([1, 1])
        shapes.add_rectangles(BOX)
        points.selected_data, shapes.selected_data = {0}, {0}
        looks = points.face_color.copy(), points.border_color.copy(), shapes.edge_color.copy()
        set_new_prompt(points, shapes, object_=2, polarity="negative", labels=labels)
        assert columns(points) == {"object": [1], "polarity": ["positive"]}
        assert columns(shapes) == {"object": [1]}
        now = points.face_color, points.border_color, shapes.edge_color
        for before, after in zip(looks, now, strict=True):
            np.testing.assert_array_equal(before, after)
        assert str(points.symbol[0]) == "disc"

    def test_what_is_right_already_is_not_set_again(self, layers):
        points, shapes, labels = layers
        set_new_prompt(points, shapes, object_=4, polarity="negative", labels=labels)
        news = []
        for layer in (points, shapes):
            layer.events.connect(news.append)
        set_new_prompt(points, shapes, object_=4, polarity="negative", labels=labels)
        assert not news

    def test_a_shape_can_start_another_object_than_clicks_go_to(self, layers):
        points, shapes, labels = layers
        set_new_prompt(points, shapes, object_=2, labels=labels, shape_object=3)
        points.add([1, 1])
        shapes.add_rectangles(BOX)
        assert columns(points)["object"] == [2]
        assert columns(shapes)["object"] == [3]

    def test_objects_are_removed_on_all_planes_and_only_they(self, viewer):
        points = viewer.add_points(
            [[0, 1, 1], [3, 1, 1], [0, 2, 2]], features={"kind": list("abc")}
        )
        adopt(points, 1)
        points.features = points.features.assign(object=[5, 5, 6])
        remove_objects([points, None], [5])
        assert columns(points)["kind"] == ["c"]
        assert prompted_objects(points, None) == {6}
        assert prompted_objects(None) == frozenset()


class TestColours:
    def test_new_prompts_show_polarity_and_object(self, layers):
        points, shapes, labels = layers
        set_new_prompt(points, shapes, object_=4, labels=labels)
        points.add([1, 1])
        shapes.add_rectangles(BOX)
        set_new_prompt(points, shapes, object_=5, polarity="negative", labels=labels)
        points.add([2, 2])
        for row, number in enumerate((4, 5)):
            np.testing.assert_allclose(points.border_color[row], labels.get_color(number))
        np.testing.assert_allclose(shapes.edge_color[0], labels.get_color(4))
        assert [str(s) for s in points.symbol] == ["disc", "x"]
        blue, vermilion = points.face_color
        assert blue[2] > blue[0]
        assert vermilion[0] > vermilion[2]

    def test_colours_follow_features_and_the_labels_colours(self, layers):
        points, shapes, labels = layers
        points.add([[1, 1], [2, 2]])
        shapes.add_rectangles(BOX)
        points.features = points.features.assign(object=[3, 8], polarity=["negative", "positive"])
        shapes.features = shapes.features.assign(object=[8])
        labels.new_colormap(seed=3)
        colour_prompts(points, shapes, labels)
        for row, number in enumerate((3, 8)):
            np.testing.assert_allclose(points.border_color[row], labels.get_color(number))
        np.testing.assert_allclose(shapes.edge_color[0], labels.get_color(8))
        assert [str(s) for s in points.symbol] == ["x", "disc"]

    def test_right_colours_are_left_alone(self, layers):
        points, shapes, labels = layers
        points.add([[1, 1], [2, 2]])
        shapes.add_rectangles(BOX)
        colour_prompts(points, shapes, labels)
        events = []
        for emitter in (
            points.events.face_color,
            points.events.border_color,
            points.events.symbol,
            shapes.events.edge_color,
        ):
            emitter.connect(lambda event: events.append(event.type))
        colour_prompts(points, shapes, labels)
        assert events == []

    def test_without_labels_prompts_are_grey_and_visible(self, layers):
        points, _, _ = layers
        points.add([1, 1])
        colour_prompts(points, None, None)
        assert points.border_color[0, 3] == 1
        assert len(set(points.border_color[0, :3])) == 1
