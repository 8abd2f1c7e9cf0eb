"""Saving the prompts of the window beside its labels, and making the same labels from them.

Loaded prompts go to layers of their own, so that nothing that is there is touched.

Not here: what is in the file (``records``), doing the steps (``replaying``), buttons (``form.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_samv2_prompts.engine import PredictorFactory, Runner, Session
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.io.records import Accept, Point, Predict, Record, Remove, Shape, Step
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    layer_shape,
    make_layers,
    mapped_view,
    negatives,
    object_numbers,
    prompted_objects,
    to_image_data,
    view_of,
)
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.replaying import Replay

from .controller import Controller
from .recorder import Recorder, unpacked
from .situation import place_of
from .threads import Mailbox

if TYPE_CHECKING:
    from napari.layers import Image, Points, Shapes
    from napari.viewer import Viewer

__all__ = ["Saving"]


class Saving:
    """The record of one controller's work.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    controller : Controller
    make_predictor, make_runner : callable
        For the session that loaded steps are done in.
    policy : callable
        What masks do to labels now.
    """

    finished = Signal(str)
    """Loading came to an end; the reason, in a sentence, if not all could be done."""

    def __init__(
        self,
        viewer: Viewer,
        controller: Controller,
        make_predictor: PredictorFactory,
        make_runner: Callable[[], Runner],
        policy: Callable[[], Policy],
    ) -> None:
        self._viewer, self._controller = viewer, controller
        self._make_predictor, self._make_runner = make_predictor, make_runner
        self.recorder = Recorder(controller.session, policy)
        self._mailbox = Mailbox()
        self._replay: Replay | None = None
        self.closed = False
        self._loading: tuple[Record, Chosen, LabelsTarget] | None = None

    @property
    def busy(self) -> bool:
        """Whether saved prompts are being replayed."""
        return self._replay is not None

    def record(self) -> Record:
        """Return the record of the chosen layers; see :meth:`recording`."""
        return self.recording()()

    def recording(self) -> Callable[[], Record]:
        """Note the chosen layers as they are; return what makes a record of that, in any thread.

        Raises
        ------
        ValueError
            If there is no image or no Labels layer.
        """
        self._controller.flush()
        now, dims = self._controller.chosen, self._viewer.dims
        if now.image is None or now.labels is None:
            raise ValueError(
                "There is nothing to save yet: choose an image and press Box or Click."
            )
        return partial(
            _recorded,
            self.recorder.noted(now.labels.unique_id),
            prompted_objects(now.points, now.shapes),
            now.image.name,
            layer_shape(now.image),
            tuple(_points(now.points, now.image, dims)),
            tuple(_shapes(now.shapes, now.image, dims)),
        )

    def load(self, record: Record) -> Chosen:
        """Begin to make the labels of a record again; return the new layers, to be chosen.

        Raises
        ------
        ValueError
            If the record is not of the chosen image, or another one is being loaded.
        """
        image = self._controller.chosen.image
        if image is None:
            raise ValueError("Open the image that the prompts were drawn on first.")
        if self.busy:
            raise ValueError("Prompts are being loaded: wait until that is done.")
        record.check(layer_shape(image))
        self._controller.held = True
        points, shapes, labels = make_layers(self._viewer, image)
        return Chosen(image, points, shapes, labels)

    def start(self, record: Record) -> None:
        """Do the steps of a record in the layers that :meth:`load` made, which are chosen now."""
        now = self._controller.chosen
        with self._controller.quietly() as target:
            pass
        if now.image is None or target is None:
            self._controller.held = False
            raise ValueError("The labels can't be written: choose another image.")
        session = Session(self._make_predictor, self._make_runner())
        self._loading = record, now, target
        self._replay = Replay(
            record,
            session,
            target,
            partial(self._view, now.image),
            partial(place_of, now),
            self._mailbox.post,
        )
        self._replay.finished.connect(self._on_finished)
        self._replay.start()

    def close(self) -> None:
        """Stop; idempotent."""
        self.closed = True
        replay, self._replay = self._replay, None
        if replay is not None:
            replay.session.close()
        self._mailbox.close()
        self.recorder.close()

    def _view(self, image: Image, step: Predict) -> ImageView:
        picture = step.picture
        if picture.channels:
            layers, dims = self._viewer.layers, self._viewer.dims
            return view_of(layers, image, step.plane, dims, "channels")
        return mapped_view(image, step.plane, picture.limits, picture.gamma)

    def _on_finished(self, reason: str) -> None:
        replay, loading, self._replay = self._replay, self._loading, None
        if replay is None or loading is None:
            return
        record, chosen, target = loading
        with self._controller.quietly():
            _fill(chosen, record)
        prompted = prompted_objects(chosen.points, chosen.shapes)
        kept = target.live() - prompted  # without prompts they would go again
        replay.session.accept(kept)
        target.accept(kept)
        self._controller.session.merge(replay.session)
        if chosen.labels is not None:
            steps = record.steps + ((Accept(tuple(sorted(kept))),) if kept else ())
            self.recorder.resume(chosen.labels.unique_id, steps)
        self._controller.held = False
        self._controller.choose(chosen)
        self.finished.emit(reason)


def _recorded(
    noted: tuple[Any, ...],
    prompted: frozenset[int],
    image: str,
    shape: tuple[int, ...],
    points: tuple[Point, ...],
    shapes: tuple[Shape, ...],
) -> Record:
    """Make a record of what was noted; unpacking the masks of many steps takes its time."""
    steps = unpacked(noted)
    lost = _open_objects(steps) - prompted
    if lost:  # prompts that were deleted from a plane that was not shown
        steps += (Remove(tuple(sorted(lost))),)
    return Record(image, shape, steps, points, shapes)


def _open_objects(steps: tuple[Step, ...]) -> frozenset[int]:
    """Return the objects that were predicted and neither accepted nor removed since."""
    there: set[int] = set()
    for step in steps:
        if isinstance(step, Predict):
            there |= {ask.object for ask in step.asks}
        elif isinstance(step, Accept) or (isinstance(step, Remove) and step.plane is None):
            there -= set(step.objects)
    return frozenset(there)


def _points(layer: Points | None, image: Image, dims: Any) -> Iterator[Point]:
    if layer is None or layer.ndim != len(layer_shape(image)):
        return
    at = to_image_data(layer, np.asarray(layer.data), image, dims)
    for number, negative, place in zip(object_numbers(layer), negatives(layer), at, strict=True):
        yield Point(int(number), tuple(map(float, place)), not negative)


def _shapes(layer: Shapes | None, image: Image, dims: Any) -> Iterator[Shape]:
    if layer is None or layer.ndim != len(layer_shape(image)):
        return
    items = zip(object_numbers(layer), layer.shape_type, layer.data, strict=True)
    for number, kind, vertices in items:
        at = to_image_data(layer, np.asarray(vertices), image, dims)
        yield Shape(int(number), str(kind), tuple(tuple(map(float, v)) for v in at))


def _fill(chosen: Chosen, record: Record) -> None:
    """Put the saved prompts into the new layers."""
    points, shapes = chosen.points, chosen.shapes
    if points is not None and record.points:
        points.data = np.array([point.at for point in record.points])
        points.features = {
            "object": [point.object for point in record.points],
            "polarity": ["positive" if p.positive else "negative" for p in record.points],
        }
    if shapes is not None and record.shapes:
        vertices = [np.array(shape.vertices) for shape in record.shapes]
        shapes.add(vertices, shape_type=[shape.kind for shape in record.shapes])
        shapes.features = {"object": [shape.object for shape in record.shapes]}
