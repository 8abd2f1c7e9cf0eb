"""The steps that led to labels: noted as they are done, and done again from a file.

Loaded prompts go to layers of their own, so that nothing that is there is touched.

Not here: what is in the file (``io.records``), doing the steps (``replaying``), dialogs
(``files.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from psygnal import Signal

from napari_samv2_prompts.engine import PredictorFactory, Removal, Results, Runner, Session
from napari_samv2_prompts.images import ImageView
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

from .controller import Controller
from .labels_writer import place_of
from .threads import MainThreadQueue
from .viewer_events import Connections

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_samv2_prompts.engine import Propagation
    from napari_samv2_prompts.geometry import Plane
    from napari_samv2_prompts.io.records import Follow, Picture, Record, Step
    from napari_samv2_prompts.replaying import Replay

__all__ = ["Recorder", "SavedPrompts"]

# Records and their models are imported with the first step, not when the window opens.


class Recorder:
    """Listens to a session and remembers the steps for each Labels layer.

    Parameters
    ----------
    policy : callable
        What masks do to labels now.
    """

    def __init__(self, session: Session, policy: Callable[[], Policy]) -> None:
        self._policy = policy
        self._steps: dict[UUID | None, list[str]] = {}  # packed: masks are large
        self._following: tuple[UUID, Follow] | None = None
        self._links = Connections()
        self._links.add(self._on_decoded, session.decoded)
        self._links.add(self._on_removed, session.removed)

    def noted(self, labels: UUID) -> tuple[str, ...]:
        """Return the packed steps that led to the labels of a layer."""
        self._note_following()
        return tuple(self._steps.get(labels, ()))

    def resume(self, labels: UUID, steps: Iterable[Step]) -> None:
        """Go on from steps that were done without the session."""
        self._steps[labels] = []
        self._add(labels, steps)

    def accepted(self, objects: Iterable[int]) -> None:
        """Take note that labels were kept and their prompts cleared."""
        from napari_samv2_prompts.io.recording import accepted_step

        self._note_following()
        step = accepted_step(objects)
        for labels in self._steps:
            self._add(labels, [step])

    def ended(self, labels: UUID, plane: Plane, axis: int, number: int) -> None:
        """Take note that an object ends before a plane."""
        from napari_samv2_prompts.io.records import EndHere

        self._add(labels, [EndHere(plane, axis, number)])

    def divided(
        self, labels: UUID, plane: Plane, axis: int, number: int, daughters: tuple[int, int]
    ) -> None:
        """Take note that an object is others from a plane on."""
        from napari_samv2_prompts.io.records import Divide

        self._add(labels, [Divide(plane, axis, number, daughters)])

    def follow(
        self, labels: UUID, plane: Plane, axis: int, request: Propagation, policy: Policy
    ) -> None:
        """Take note that objects are followed from now on."""
        from napari_samv2_prompts.io.recording import following_step

        self._note_following()
        self._following = labels, following_step(plane, axis, request, policy)

    def followed(self) -> None:
        """Take note that a part of it was written."""
        if self._following is not None:
            labels, step = self._following
            self._following = labels, replace(step, parts=step.parts + 1)

    def follow_no_more(self) -> None:
        """Take note that following has come to an end."""
        self._note_following()
        self._following = None

    def _note_following(self) -> None:
        """Note what was followed so far, before something else is: the rest is another step."""
        if self._following is not None and self._following[1].parts:
            labels, step = self._following
            self._following = labels, replace(step, parts=0, begun=False)
            self._add(labels, [step])

    def close(self) -> None:
        """Listen no more; idempotent."""
        self._links.close()

    def _on_decoded(self, results: Results) -> None:
        from napari_samv2_prompts.io.recording import decoded_steps

        self._add(results.place.labels, decoded_steps(results, self._policy()))

    def _on_removed(self, removal: Removal) -> None:
        from napari_samv2_prompts.io.recording import removed_step

        self._add(removal.place.labels, [removed_step(removal)])

    def _add(self, labels: UUID | None, steps: Iterable[Step]) -> None:
        from napari_samv2_prompts.io.recording import packed

        self._note_following()
        self._steps.setdefault(labels, []).extend(map(packed, steps))


class SavedPrompts:
    """The record of one controller's work.

    Parameters
    ----------
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
        from napari_samv2_prompts.io.recording import record_of, recorded_points, recorded_shapes

        return partial(
            record_of,
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
        with self._controller.prompts.quietly() as target:
            pass
        if now.image is None or target is None:
            self._controller.paused = False
            raise ValueError("The labels can't be written: choose another image.")
        from napari_samv2_prompts.replaying import Replay

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

    def _view(self, image: Image, plane: Plane, picture: Picture) -> ImageView:
        if picture.channels:
            layers, dims = self._viewer.layers, self._viewer.dims
            return view_of(layers, image, plane, dims, "channels")
        return mapped_view(image, plane, picture.limits, picture.gamma)

    def _on_finished(self, reason: str) -> None:
        replay, loading, self._replay = self._replay, self._loading, None
        if replay is None or loading is None:
            return
        from napari_samv2_prompts.io.recording import accepted_step, fill_layers

        record, chosen, target = loading
        with self._controller.prompts.quietly():
            fill_layers(chosen, record)
        prompted = prompted_objects(chosen.points, chosen.shapes)
        kept = target.live() - prompted  # without prompts they would go again
        replay.session.accept(kept)
        target.accept(kept)
        self._controller.session.merge(replay.session)
        if chosen.labels is not None:
            steps = (*record.steps, *([accepted_step(kept)] if kept else []))
            self.recorder.resume(chosen.labels.unique_id, steps)
        self._controller.paused = False
        self._controller.choose(chosen)
        self.finished.emit(reason)
