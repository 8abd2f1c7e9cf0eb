"""Which images are channels of one picture, and which are others."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_samv2_prompts.layers import make_layers
from napari_samv2_prompts.layers.belonging import channels_with, made_for, single_layers

SHAPE = (20, 30)


def names(viewer: ViewerModel, image: Image) -> list[str]:
    return [layer.name for layer in channels_with(list(viewer.layers), image)]


def test_opaque_images_of_one_size_are_different_pictures() -> None:
    viewer = ViewerModel()
    for plane in np.zeros((3, *SHAPE)):  # parts of one array, too
        viewer.add_image(plane)
    for image in viewer.layers:
        assert names(viewer, image) == []


@pytest.mark.parametrize("blending", [None, "opaque", "additive", "minimum"])
def test_channels_of_one_call_belong_together(blending: str | None) -> None:
    viewer = ViewerModel()
    if blending != "additive":  # all of which would be added to the one below
        viewer.add_image(np.zeros(SHAPE), name="other")
    viewer.add_image(np.zeros((3, *SHAPE)), channel_axis=0, name=list("abc"), blending=blending)
    viewer.add_image(np.zeros(SHAPE), name="another")
    for name in "abc":
        assert sorted([*names(viewer, viewer.layers[name]), name]) == ["a", "b", "c"]
    assert names(viewer, viewer.layers["another"]) == []


def test_a_channel_added_later_belongs_to_the_image_below() -> None:
    viewer = ViewerModel()
    first = viewer.add_image(np.zeros(SHAPE), name="first")
    second = viewer.add_image(np.zeros(SHAPE), name="second")
    green = viewer.add_image(np.zeros(SHAPE), name="green", blending="additive")
    red = viewer.add_image(np.zeros(SHAPE), name="red", blending="additive")
    assert names(viewer, first) == []
    assert names(viewer, second) == ["green", "red"]
    assert names(viewer, green) == ["second", "red"]
    assert names(viewer, red) == ["second", "green"]


def test_a_channel_elsewhere_is_none() -> None:
    viewer = ViewerModel()
    image = viewer.add_image(np.zeros(SHAPE))
    viewer.add_image(np.zeros(SHAPE), blending="additive", translate=(1, 0))
    viewer.add_image(np.zeros((20, 31)), blending="additive")
    assert channels_with(list(viewer.layers), image) == []


def test_images_of_one_file_belong_together(tmp_path) -> None:
    from napari.layers._source import layer_source

    viewer = ViewerModel()
    with layer_source(path=str(tmp_path / "cells.tif")):
        one, two = Image(np.zeros(SHAPE), name="one"), Image(np.zeros(SHAPE), name="two")
    with layer_source(path=str(tmp_path / "others.tif")):
        other = Image(np.zeros(SHAPE), name="other")
    viewer.layers.extend([one, two, other])
    assert names(viewer, one) == ["two"]
    assert names(viewer, other) == []


def test_layers_know_what_they_were_made_for_under_any_name() -> None:
    viewer = ViewerModel()
    image, other = viewer.add_image(np.zeros(SHAPE)), viewer.add_image(np.zeros(SHAPE))
    layers = make_layers(viewer, image)
    image.name = layers[0].name = "renamed"
    assert all(made_for(layer, image) for layer in layers)
    assert not any(made_for(layer, other) for layer in layers)


def test_layers_in_groups_are_found() -> None:
    viewer = ViewerModel()
    one, two, three = (viewer.add_image(np.zeros(SHAPE)) for _ in range(3))
    assert list(single_layers([one, [two, [three]]])) == [one, two, three]
