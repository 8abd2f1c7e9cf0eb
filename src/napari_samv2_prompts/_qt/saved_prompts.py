"""The steps that led to labels: noted as they are done, and done again from a file.

Loaded prompts go to layers of their own, so that nothing that is there is touched.

Not here: what is in the file (``io.records``), doing the steps (``replaying``), dialogs
(``files.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psygnal import Signal

from napari_samv2_prompts.engine import (
    ModelChoice,
    Place,
    PredictorFactory,
    Removal,
    Request,
    Results,
    Runner,
    Session,
)
from napari_samv2_prompts.geometry import Plane
from napari_samv2_prompts.images import ImageView
from napari_samv2_prompts.io.record_layers import (
    fill_layers,
    recorded_points,
    recorded_shapes,
)
from napari_samv2_prompts.io.records import (
    Accept,
    Ask,
    Choose,
    Picture,
    Point,
    Predict,
    Record,
    Remove,
    Shape,
    Step,
)
from napari_samv2_prompts.layers import (
    Chosen,
    LabelsTarget,
    layer_shape,
    make_layers,
    mapped_view,
    prompted_objects,
    view_of,
)
from napari_samv2_prompts.masks import Policy
from napari_samv2_prompts.replaying import Replay

from .controller import Controller
from .labels_writer import place_of
from .threads import MainThreadQueue
from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

__all__ = [
    "Recorder",
    "SavedPrompts",
    "unpacked",
]


# The models of the file are built when they are imported, which takes a sixth of the time that
# the window opens in: they wait for the first step.


def _packed(step: Step) -> str:
    """Return a step in few bytes: masks are large."""
    from napari_samv2_prompts.io.record_files import packed_step

    return packed_step(step)


def unpacked(noted: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps that a recorder noted."""
    from napari_samv2_prompts.io.record_files import unpacked_step

    return tuple(unpacked_step(step) for step in noted)


class Recorder:
    """Listens to a session and remembers the steps for each Labels layer.

    Parameters
    ----------
    session : Session
    policy : callable
        What masks do to labels now.
    """

    def __init__(self, session: Session, policy: Callable[[], Policy]) -> None:
        self._policy = policy
        self._steps: dict[UUID | None, list[str]] = {}  # packed: masks are large
        self._links = Connections()
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)

    def noted(self, labels: UUID) -> tuple[str, ...]:
        """Return the steps that led to the labels of a layer, for :func:`unpacked`."""
        return tuple(self._steps.get(labels, ()))

    def resume(self, labels: UUID, steps: Iterable[Step]) -> None:
        """Go on from steps that were done without the session."""
        self._steps[labels] = [_packed(step) for step in steps]

    def accepted(self, objects: Iterable[int]) -> None:
        """Take note that labels were kept and their prompts cleared."""
        gone = frozenset(objects)
        for steps in self._steps.values():
            steps.append(_packed(Accept(tuple(sorted(gone)))))

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._links.close()

    def _on_decoded(self, results: Results) -> None:
        plane = results.place.plane
        if results.is_choice:
            for item in results.items:
                self._add(results.place, Choose(plane, item.object, item.chosen))
        elif results.request is not None:
            self._add(results.place, self._predict(plane, results.request))

    def _predict(self, plane: Plane, request: Request) -> Predict:
        view = request.view
        limits, gamma = view.contrast or (None, 1.0)
        return Predict(
            plane,
            tuple(Ask.of(prompt) for prompt in request.prompts),
            Picture(limits, gamma, view.region, view.side, channels=view.contrast is None),
            # Where the model ran, and where its file lay, is another machine's business.
            ModelChoice(request.model.name, request.model.checkpoint),
            self._policy(),
        )

    def _on_removed(self, removal: Removal) -> None:
        self._add(removal.place, Remove(removal.objects, removal.place.plane))

    def _add(self, place: Place, step: Step) -> None:
        self._steps.setdefault(place.labels, []).append(_packed(step))


class SavedPrompts:
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
        self._queue = MainThreadQueue()
        self._replay: Replay | None = None
        self.closed = False
        self._loading: tuple[Record, Chosen, LabelsTarget] | None = None

    @property
    def busy(self) -> bool:
        """Whether saved prompts are being replayed."""
        return self._replay is not None

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
            tuple(recorded_points(now.points, now.image, dims)),
            tuple(recorded_shapes(now.shapes, now.image, dims)),
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
        self._controller.paused = True
        points, shapes, labels = make_layers(self._viewer, image)
        return Chosen(image, points, shapes, labels)

    def start(self, record: Record) -> None:
        """Do the steps of a record in the layers that :meth:`load` made, which are chosen now."""
        now = self._controller.chosen
        with self._controller.quietly() as target:
            pass
        if now.image is None or target is None:
            self._controller.paused = False
            raise ValueError("The labels can't be written: choose another image.")
        session = Session(self._make_predictor, self._make_runner())
        self._loading = record, now, target
        self._replay = Replay(
            record,
            session,
            target,
            partial(self._view, now.image),
            partial(place_of, now),
            self._queue.post,
        )
        self._replay.finished.connect(self._on_finished)
        self._replay.start()

    def close(self) -> None:
        """Stop; idempotent."""
        self.closed = True
        replay, self._replay = self._replay, None
        if replay is not None:
            replay.session.close()
        self._queue.close()
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
            fill_layers(chosen, record)
        prompted = prompted_objects(chosen.points, chosen.shapes)
        kept = target.live() - prompted  # without prompts they would go again
        replay.session.accept(kept)
        target.accept(kept)
        self._controller.session.merge(replay.session)
        if chosen.labels is not None:
            steps = record.steps + ((Accept(tuple(sorted(kept))),) if kept else ())
            self.recorder.resume(chosen.labels.unique_id, steps)
        self._controller.paused = False
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
