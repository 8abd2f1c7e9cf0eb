"""A viewer model without a window, with our controller on a fake model: for tests of the loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper  # in which the canvas hands out its events
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from tests.fakes import Factory, SyncRunner

from napari_samv2_prompts._qt.controller import Controller
from napari_samv2_prompts.engine import Session
from napari_samv2_prompts.layers import Chosen

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Points, Shapes


class Bench:
    """A viewer with an image, our layers and a controller on a fake model."""

    def __init__(self, shape: tuple[int, ...] = (80, 100), runner=None, **image) -> None:
        self.viewer = ViewerModel()
        self.image: Image = self.viewer.add_image(np.ones(shape), name="cells", **image)
        self.factory = Factory()
        self.runner = runner or SyncRunner()
        self.session = Session(self.factory, self.runner)
        self.chores = SyncRunner()
        self.controller = Controller(self.viewer, self.session, self.chores)
        self.choose(Chosen(self.image))

    def choose(self, chosen: Chosen) -> None:
        self.controller.choose(chosen)
        self.controller.refresh()

    def make_layers(self) -> Bench:
        self.choose(self.controller.new_layers())
        return self

    @property
    def points(self) -> Points:
        return self.controller.chosen.points

    @property
    def shapes(self) -> Shapes:
        return self.controller.chosen.shapes

    @property
    def labels(self) -> Labels:
        return self.controller.chosen.labels

    def click(self, *position: float) -> None:
        self.points.add(np.array([position]))
        self.controller.refresh()

    def draw(self, *corners: tuple[float, float, float, float]) -> None:
        """Draw boxes y0, x0, y1, x1 on the shown plane, at once."""
        hidden = [self.viewer.dims.point[axis] for axis in self.viewer.dims.not_displayed]
        boxes = [
            np.array([[*hidden, y, x] for y, x in ((y0, x0), (y0, x1), (y1, x1), (y1, x0))])
            for y0, x0, y1, x1 in corners
        ]
        self.shapes.add_rectangles(boxes)
        self.controller.refresh()

    @property
    def painted(self) -> set[int]:
        return painted(self.labels)

    @property
    def decoded(self) -> list[tuple[int, ...]]:
        return [batch.objects for batch in self.factory.predictor.batches]


def painted(layer: Labels) -> set[int]:
    return set(np.unique(layer.data).tolist()) - {0}


def names(viewer: ViewerModel) -> list[str]:
    return [layer.name for layer in viewer.layers]


def objects_of(layer: Points | Shapes) -> list[int]:
    return layer.features["object"].tolist()


def box(top: float, left: float, bottom: float, right: float, *plane: int) -> np.ndarray:
    corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
    return np.array([[*plane, *corner] for corner in corners])


def settle(bench: Bench) -> None:
    """Look at what was announced, and at nothing else."""
    bench.controller.flush()


def note(bench: Bench) -> str:
    return bench.controller.state().note


class Mouse:
    """Presses, moves and releases on a layer, as the canvas reports them, with keys held."""

    def __init__(self, viewer: ViewerModel, layer, *held: str) -> None:
        self.viewer, self.layer, self.held = viewer, layer, held

    def event(self, kind: str, position: tuple[float, ...]) -> SimpleNamespace:
        return SimpleNamespace(
            type=kind,
            is_dragging=kind == "mouse_move",
            modifiers=list(self.held),
            position=position,
            pos=np.array(position[-2:]),
            view_direction=None,
            up_direction=None,
            dims_displayed=list(self.viewer.dims.displayed),
            dims_point=self.viewer.dims.point,
            button=1,
            handled=False,
            source=None,
        )

    def hover(self, *position: float) -> None:
        event = self.event("mouse_move", position)
        event.is_dragging = False
        mouse_move_callbacks(self.viewer, event)

    def drag(self, *positions: tuple[float, ...]) -> None:
        for _ in self.steps(*positions):
            pass

    def steps(self, *positions: tuple[float, ...]) -> Iterator[None]:
        """Drag, and yield after each event."""
        both = [self.viewer] if self.layer is self.viewer else [self.viewer, self.layer]
        for there in both:
            pressed = ReadOnlyWrapper(self.event("mouse_press", positions[0]))
            mouse_press_callbacks(there, pressed)
        yield
        for position in positions[1:]:
            for there in both:
                mouse_move_callbacks(there, self.event("mouse_move", position))
            yield
        for there in both:
            mouse_release_callbacks(there, self.event("mouse_release", positions[-1]))
        yield
