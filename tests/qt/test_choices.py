"""The four layer choices: a layer is itself, and each image has its own."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Points
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.layer_choices import LayerChoices
from napari_samv2_prompts.layers import Chosen, make_layers

pytestmark = pytest.mark.usefixtures("qapp")

SHAPE = (20, 30)


class Choosing:
    """A viewer with the choices of a widget."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.choices = LayerChoices(self.viewer)
        self.told: list[Chosen] = []
        self.choices.changed.connect(self.told.append)
        self.choices.start()

    def open(self, name: str, **kwargs):
        return self.viewer.add_image(np.zeros(SHAPE), name=name, **kwargs)

    def make(self) -> Chosen:
        chosen = self.choices.chosen
        made = Chosen(chosen.image, *make_layers(self.viewer, chosen.image))
        self.choices.refresh()
        self.choices.set(made)
        return made

    def activate(self, image) -> Chosen:
        self.viewer.layers.selection.active = image
        return self.choices.chosen


@pytest.fixture
def choosing() -> Iterator[Choosing]:
    choosing = Choosing()
    yield choosing
    choosing.choices.stop()


@pytest.mark.parametrize("kind", ["image", "points", "shapes", "labels"])
@pytest.mark.parametrize("name", ["DAPI", "cells labels", "other", ""])
def test_a_renamed_layer_stays_chosen(choosing: Choosing, kind: str, name: str) -> None:
    choosing.open("cells")
    choosing.viewer.add_points(np.empty((0, 2)), name="other")
    chosen, told = choosing.make(), len(choosing.told)
    getattr(chosen, kind).name = name
    assert choosing.choices.chosen == chosen
    assert len(choosing.told) == told, "nothing else was chosen on the way"
    box = dict(zip(("image", "points", "shapes", "labels"), choosing.choices.boxes, strict=True))
    assert box[kind].native.currentText() == getattr(chosen, kind).name


def test_layers_that_exchange_their_names_stay_chosen(choosing: Choosing) -> None:
    choosing.open("cells")
    chosen = choosing.make()
    other = choosing.viewer.add_labels(np.zeros(SHAPE, int), name="other")
    chosen.labels.name, other.name = "aside", "cells labels"
    chosen.labels.name = "other"
    assert choosing.choices.chosen == chosen


def test_a_layer_that_moves_in_the_list_stays_chosen(choosing: Choosing) -> None:
    choosing.open("cells")
    chosen = choosing.make()
    layers = choosing.viewer.layers
    for source in range(len(layers)):
        layers.move(source, 0)
        assert choosing.choices.chosen == chosen


def test_layers_of_one_name_can_both_be_chosen(choosing: Choosing, monkeypatch) -> None:
    choosing.open("cells")
    one = choosing.viewer.add_points(np.empty((0, 2)), name="same")
    two = choosing.viewer.add_points(np.empty((0, 2)), name="two")
    monkeypatch.setattr(Points, "name", property(lambda layer: "same", lambda layer, name: None))
    choosing.choices.refresh()
    for layer in (one, two):
        choosing.choices.points.value = layer
        choosing.choices.refresh()
        assert choosing.choices.chosen.points == layer


def test_three_opaque_images_have_three_sets_of_layers(choosing: Choosing) -> None:
    images, sets = [], []
    for name in ("one", "two", "three"):
        images.append(choosing.open(name))
        assert choosing.choices.chosen == Chosen(images[-1])
        sets.append(choosing.make())
    assert len({layer for made in sets for layer in (made.points, made.shapes, made.labels)}) == 9
    for image, made in zip(images, sets, strict=True):
        image.name = f"{image.name} renamed"
        assert choosing.activate(image) == made


def test_the_channels_of_one_call_share_their_layers(choosing: Choosing) -> None:
    channels = choosing.viewer.add_image(np.zeros((3, *SHAPE)), channel_axis=0)
    made = choosing.make()
    for channel in channels:
        chosen = choosing.activate(channel)
        assert (chosen.points, chosen.shapes, chosen.labels) == (
            made.points, made.shapes, made.labels,
        )  # fmt: skip


def test_a_channel_added_later_shares_the_layers(choosing: Choosing) -> None:
    choosing.open("cells")
    made = choosing.make()
    green = choosing.open("green", blending="additive")
    assert choosing.choices.chosen == Chosen(green, made.points, made.shapes, made.labels)
    other = choosing.open("other")
    assert choosing.choices.chosen == Chosen(other)


def test_another_image_does_not_take_layers_by_their_names(choosing: Choosing) -> None:
    first = choosing.open("cells")
    choosing.make()
    first.name = "renamed"
    second = choosing.open("cells")
    assert choosing.choices.chosen == Chosen(second)


def test_renamed_layers_are_found_when_the_widget_is_opened_again(choosing: Choosing) -> None:
    image = choosing.open("cells")
    made = choosing.make()
    image.name, made.points.name, made.labels.name = "DAPI", "clicks", "nuclei"
    choosing.choices.stop()
    choosing.choices.clear()
    choosing.choices.start()
    assert choosing.choices.chosen == made


@pytest.mark.parametrize("kept", [(), ("cells labels",)])
def test_layers_that_were_removed_are_not_kept_in_memory(open_in, kept: tuple[str, ...]) -> None:
    viewer = ViewerModel()
    viewer.add_image(np.zeros((20, 30)), name="cells")
    widget = open_in(viewer, make_predictor=Factory(), make_runner=SyncRunner)
    widget._form.fold_of("objects").open()
    widget.new_prompt_layers()[0].add([[10, 10]])
    widget.wait_until_idle()
    assert widget.accept() == (1,)
    viewer.layers.selection.active = viewer.add_image(np.zeros((20, 30)), name="others")
    widget.wait_until_idle()
    gone = [layer for layer in viewer.layers if layer.name not in ("others", *kept)]
    dead = [weakref.ref(thing) for layer in gone for thing in (layer, layer.data)
            if not isinstance(thing, list)]  # fmt: skip
    while gone:
        viewer.layers.remove(gone.pop())
    widget.wait_until_idle()
    gc.collect()
    assert [ref() for ref in dead if ref() is not None] == []
